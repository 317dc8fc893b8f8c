"""Three ways to show how far a sweep is: a live table, plain lines, JSON lines."""

from __future__ import annotations

import heapq
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sweep.report.progress import Progress, TrialProgress

# An event by name with its fields; `text` is for people, the rest for programs.
Show = Callable[..., None]


def duration(seconds: float | None) -> str:
    """`3 h 05 min`, `12 min`, `40 s`; `?` if unknown."""
    if seconds is None:
        return "?"
    if seconds < 99:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def distance(value: float | None) -> str:
    """FD-digits are hundreds, a good FID is below 30."""
    return number(value, 0 if value is None or abs(value) >= 100 else 2)


def trial_line(progress: Progress, trial: TrialProgress) -> str:
    """Line on an evaluation or the end of a trial."""
    parts = [
        f"[{progress.trials_ended}/{len(progress.trials)}]",
        f"{trial.setting} {trial.method_in_words} seed {trial.seed}:",
        f"{trial.status} {trial.iteration}/{trial.iterations}",
    ]
    if trial.modes is not None:
        parts.append(f"modes {trial.modes}")
    if trial.distance is not None:
        parts.append(f"{trial.score} {distance(trial.distance)}")
    if trial.spectrum_left is not None:
        parts.append(f"spectrum {trial.spectrum_left:.2f}")
    parts += [trial.verdict, f"ETA {duration(progress.eta_seconds)}"]
    return "  ".join(filter(None, parts))


def summary_line(progress: Progress) -> str:
    """Line on the whole sweep."""
    done = 1 - progress.operations_left / progress.operations
    return (
        f"{len(progress.trials)} trials: {_counts_text(progress)}  |  "
        f"{done:.0%} of the work done, {_times_text(progress)}"
    )


def _counts_text(progress: Progress) -> str:
    return ", ".join(f"{n} {status}" for status, n in sorted(progress.counts.items()))


def _times_text(progress: Progress) -> str:
    elapsed = duration(time.monotonic() - progress.start_time)
    return f"{elapsed} gone, {duration(progress.eta_seconds)} to go"


@contextmanager
def display(*, as_json: bool) -> Iterator[Show]:
    """Yields a `show`: `show("trial", progress=..., trial=...)`, `show("note", text=...)`.

    JSON lines on request, a live table on a terminal, plain lines otherwise.
    """
    if as_json:
        yield _show_json
    elif sys.stdout.isatty():
        with _live_table() as show:
            yield show
    else:
        yield _show_line


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _show_line(
    event: str,
    *,
    text: str = "",
    progress: Progress | None = None,
    trial: TrialProgress | None = None,
    **_: Any,
) -> None:
    if event == "trial" and progress is not None and trial is not None:
        _say(trial_line(progress, trial))
    elif event == "summary" and progress is not None:
        _say(summary_line(progress))
    elif text:
        _say(text)


def _show_json(
    event: str,
    *,
    text: str = "",
    progress: Progress | None = None,
    trial: TrialProgress | None = None,
    **fields: Any,
) -> None:
    if trial is not None:
        fields |= asdict(trial)
    if progress is not None:
        fields |= {"counts": progress.counts, "eta_seconds": progress.eta_seconds}
    if text and not fields:
        fields["text"] = text
    _say(json.dumps(plain({"event": event, **fields})))


def plain(value: Any) -> Any:
    """The value with None for what JSON lacks: NaN and infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@contextmanager
def _live_table() -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    latest: list[Progress] = []

    def render() -> Any:
        return progress_table(latest[-1], console.height) if latest else ""

    with Live(get_renderable=render, console=console, refresh_per_second=2) as live:

        def show(
            event: str, *, text: str = "", progress: Progress | None = None, **_: Any
        ) -> None:
            if progress is not None:
                latest.append(progress)
                del latest[:-1]
            if event == "end":
                # The summary follows on a screen that stands still.
                live.stop()
            if text:
                console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield show


def progress_table(progress: Progress, height: int) -> Any:
    """A rich table: running trials first, then those ended last, as many as fit."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table(
        title=f"{_counts_text(progress)}  |  {_times_text(progress)}",
        title_justify="left",
        caption_justify="left",
    )
    for name in ("setting", "method", "seed", "state", "iteration"):
        table.add_column(name)
    for name in ("modes", "FD", "spectrum left"):
        table.add_column(name, justify="right")
    table.add_column("to go", justify="right")
    table.add_column("seen")
    order = {"running": 0, "waiting": 1, "failed": 1, "completed": 2, "collapsed": 2, "planned": 3}
    # Of thousands a screen shows a few: they are not sorted all for that.
    rows = heapq.nsmallest(
        max(4, height - 9),
        list(progress.trials.values()),
        key=lambda trial: order.get(trial.status, 2),
    )
    for trial in rows:
        table.add_row(
            trial.setting,
            trial.method_in_words,
            str(trial.seed),
            trial.status,
            f"{trial.iteration}/{trial.iterations}",
            number(trial.modes),
            distance(trial.distance),
            number(trial.spectrum_left, 2),
            duration(trial.eta_seconds) if trial.status == "running" else "",
            trial.verdict,
        )
    grid = Table.grid()
    grid.add_row(table)
    grid.add_row(
        ProgressBar(
            total=progress.operations,
            completed=progress.operations - progress.operations_left,
        )
    )
    return grid
