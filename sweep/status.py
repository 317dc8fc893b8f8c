"""`python -m sweep.status`: how sweeps stand, from the store alone."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sweep.cli.commands import parser, run, store_of
from sweep.paper.table2 import table2
from sweep.report import text_tables
from sweep.report.display import distance, duration, plain
from sweep.report.expense import (
    NO_RATES,
    Expense,
    GpuRates,
    add_rate_flags,
    expense,
    read_rates,
)
from sweep.report.inventory import Inventory, inventory, skipped_lines
from sweep.report.rivals_text import rival_parts
from sweep.report.states import rung_in_words
from sweep.report.sweep_state import (
    COLUMNS,
    SweepStanding,
    TrialStanding,
    lost_trials,
    sweep_standing,
    table_order,
)
from sweep.report.text_tables import Grid, Part
from sweep.store.arrow_start import keep_arrow_from_pandas
from sweep.store.device_hours import DeviceHours
from sweep.store.index import trial_rows
from sweep.store.store import Store
from sweep.store.vocabulary import FINISHED, UNREADABLE

EXAMPLES = """\
  python -m sweep.status                       every sweep in ./results, newest first
  python -m sweep.status demo                  setting x method, what runs, what failed
  python -m sweep.status demo --watch          the same until it has ended
  python -m sweep.status demo --gpu-price '2.49 USD' --gpu-power 700
  python -m sweep.status --results s3://bucket/sweeps --json
exit code: 0, 2 bad input, 130 interrupted
"""
WATCH_SECONDS = 2.0
# The differences need the curve of every finished trial, some ms each.
MOST_COMPARED = 300
ENDED_STATES = ("finished", "failed", "interrupted", "lost")

MARKS = {
    "planned": ".",
    "running": ">",
    "lost": "?",
    "completed": "#",
    "collapsed": "c",
    "failed": "x",
    "stopped": "s",
    "unreadable": "!",
    "other": "*",
}
MARK_STYLES = {mark: text_tables.STYLES[name] for name, mark in MARKS.items()}


def main(argv: list[str] | None = None) -> int:
    """Shows how sweeps stand; returns the exit code."""
    return run("status", lambda: _status(argv))


def _status(argv: list[str] | None) -> int:
    p = parser("status", "Show how sweeps stand.", EXAMPLES)
    p.add_argument("name", nargs="?", metavar="NAME", help="a sweep (default: all of them)")
    p.add_argument("--json", action="store_true", help="one JSON object per sweep and line")
    p.add_argument("--watch", action="store_true", help="again, as it changes, until it ends")
    add_rate_flags(p)
    args = p.parse_args(argv)
    store, rates, detailed = store_of(args.results), read_rates(args), args.name is not None
    if not args.watch:
        stored, standings = _look(store, args.name)
        _say(stored, standings, rates, detailed=detailed, as_json=args.json)
        if args.name is not None and not args.json:
            text_tables.show(_rivals(store, standings[0]))
    elif sys.stdout.isatty() and not args.json:
        _watch_live(store, args.name, rates)
    else:
        for stored, standings in _changes(store, args.name):
            _say(stored, standings, rates, detailed=detailed, as_json=args.json)
    return 0


def _look(store: Store, name: str | None) -> tuple[Inventory, list[SweepStanding]]:
    stored = inventory(store, columns=COLUMNS, sweep=name)
    names = stored.sweeps if name is None else [name]
    now, lost = datetime.now(UTC), lost_trials(store, names, stored)
    return stored, [sweep_standing(stored, each, now, lost) for each in names]


def _say(
    stored: Inventory,
    standings: Sequence[SweepStanding],
    rates: GpuRates,
    *,
    detailed: bool,
    as_json: bool,
) -> None:
    if not as_json:
        text_tables.show(report(stored, standings, rates, detailed=detailed))
        return
    for line in skipped_lines(stored.skipped):
        sys.stderr.write(line + "\n")
    for standing in standings:
        sys.stdout.write(json.dumps(record(standing, rates, detailed=detailed)) + "\n")
    sys.stdout.flush()


def _rivals(store: Store, standing: SweepStanding) -> list[Part]:
    """Differences to SN and its controls, and the answer, where the sweep has finished pairs."""
    finished = [trial.trial_id for trial in standing.trials if trial.status in FINISHED]
    if len(finished) > MOST_COMPARED:
        return ["", f"{len(finished)} finished trials: their differences are at /paper of the API"]
    rows = list(trial_rows(store, set(finished)).values())
    table = table2(rows, lambda trial_id: store.read_rows("evaluations", trial_id))
    profiles = sorted({row["profile"] for row in rows})
    parts = [part for profile in profiles for part in rival_parts(table, profile)]
    return ["", *parts] if parts else []


def _watched(store: Store, name: str | None) -> Iterator[tuple[Inventory, list[SweepStanding]]]:
    """Yields the standings every WATCH_SECONDS; those of a named sweep until it has ended."""
    while True:
        stored, standings = _look(store, name)
        yield stored, standings
        if name is not None and standings[0].state in ENDED_STATES:
            return
        time.sleep(WATCH_SECONDS)


def _changes(store: Store, name: str | None) -> Iterator[tuple[Inventory, list[SweepStanding]]]:
    """Yields the standings that differ from the previous ones in more than times."""
    previous: Any = None
    for stored, standings in _watched(store, name):
        current = [(s.name, s.state, s.trouble is None, *map(_stage, s.trials)) for s in standings]
        if current != previous:
            yield stored, standings
        previous = current


def _stage(trial: TrialStanding) -> tuple[str, str, bool, int | None]:
    return trial.trial_id, trial.status, trial.lost, trial.iteration


def _watch_live(store: Store, name: str | None, rates: GpuRates) -> None:
    from rich.live import Live

    with Live() as live:
        for stored, standings in _watched(store, name):
            parts = report(stored, standings, rates, detailed=name is not None)
            live.update(text_tables.rendering(parts), refresh=True)


def record(
    standing: SweepStanding, rates: GpuRates = NO_RATES, *, detailed: bool
) -> dict[str, Any]:
    """The standing as JSON: null for what is not finite, times in ISO 8601."""
    spent = _expense(standing, rates)
    fields = asdict(standing) | {"expense": asdict(spent) if spent else None}
    if not detailed:
        del fields["trials"]
    return plain(json.loads(json.dumps(fields, default=_iso)))


def _iso(value: Any) -> str:
    return value.isoformat()


def _expense(standing: SweepStanding, rates: GpuRates) -> Expense | None:
    return expense(DeviceHours(gpu=standing.gpu_hours, cpu=standing.cpu_hours), rates)


def report(
    stored: Inventory,
    standings: Sequence[SweepStanding],
    rates: GpuRates = NO_RATES,
    *,
    detailed: bool,
) -> list[Part]:
    """The standings as text: a paragraph per sweep, or all that is known of one."""
    parts: list[Part] = []
    for standing in standings:
        parts += _details(standing, rates) if detailed else [_line(standing)]
    if not standings:
        parts.append(f"no sweep in {stored.place}, but {len(stored.trials)} trials")
    return [*parts, *skipped_lines(stored.skipped)]


def _line(standing: SweepStanding) -> str:
    state = standing.state
    if standing.eta_seconds is not None:
        state += f", about {duration(standing.eta_seconds)} left"
    text = f"{standing.name}: {state}, {standing.share:.0%} done; {_tally_sentence(standing)}"
    return text_tables.wrapped(f"{text}. {standing.trouble}" if standing.trouble else text)


def _tally_sentence(standing: SweepStanding) -> str:
    tally = ", ".join(f"{n} {status}" for status, n in standing.counts.items())
    lost = sum(trial.lost for trial in standing.trials)
    note = f" ({lost} of them lost)" if lost else ""
    return f"{len(standing.trials)} trials: {tally.replace(' running', f' running{note}')}"


def _details(standing: SweepStanding, rates: GpuRates) -> list[Part]:
    trials = sorted(standing.trials, key=table_order)
    hours = f"{standing.cpu_hours:.1f} CPU hours, {standing.gpu_hours:.1f} GPU hours"
    parts: list[Part] = [
        text_tables.wrapped(f"{standing.name}: {standing.sentence}"),
        text_tables.wrapped(f"  {_tally_sentence(standing)}"),
        f"  {standing.share:.0%} of the work done, {hours}",
    ]
    if spent := _expense(standing, rates):
        parts.append(text_tables.wrapped(f"  cost: {spent.sentence}"))
    parts += [text_tables.wrapped(f"  {rung_in_words(*rung)}") for rung in standing.rungs]
    if standing.trouble:
        parts.insert(1, text_tables.wrapped(f"  {standing.trouble}"))
    if standing.command:
        parts.append(f"  {standing.command}")  # whole, to be copied
    parts += map(_wait, standing.waiting)
    if trials:
        parts += ["", *_matrix(trials), _legend(trials)]
    running = [trial for trial in trials if trial.status == "running"]
    if running:
        parts += ["", _running(running)]
    troubled = [trial for trial in trials if trial.status in ("failed", UNREADABLE)]
    if troubled:
        parts += ["", *map(_trouble, troubled)]
    return parts


def _shown_status(trial: TrialStanding) -> str:
    """The status, `lost`, or `other` for one that this version does not know."""
    status = "lost" if trial.lost else trial.status
    return status if status in MARKS else "other"


def _matrix(trials: Sequence[TrialStanding]) -> list[Part]:
    """Setting by method with a mark per seed, in as many grids as fit side by side in a page."""
    cells: dict[tuple[str, str], str] = {}
    for trial in trials:
        key = (trial.setting, trial.method_in_words)
        cells[key] = cells.get(key, "") + MARKS[_shown_status(trial)]
    settings = list(dict.fromkeys(trial.setting for trial in trials))
    grids: list[Part] = []
    by_method = sorted(trials, key=lambda trial: table_order(trial)[2:6])
    methods_in_words = list(dict.fromkeys(trial.method_in_words for trial in by_method))
    for methods in _pages(methods_in_words, cells, settings):
        rows = [
            [setting, *(cells.get((setting, method), "") for method in methods)]
            for setting in settings
        ]
        grids.append(
            Grid(header=["setting", *methods], rows=rows, styles=MARK_STYLES, by_mark=True)
        )
    return grids


def _pages(
    methods: Sequence[str], cells: Mapping[tuple[str, str], str], settings: Sequence[str]
) -> list[list[str]]:
    gap = 2
    room = text_tables.width() - max(map(len, ("setting", *settings)))
    pages: list[list[str]] = [[]]
    used = 0
    for method in methods:
        wide = max(len(method), *(len(cells.get((s, method), "")) for s in settings)) + gap
        if pages[-1] and used + wide > room:
            pages.append([])
            used = 0
        pages[-1].append(method)
        used += wide
    return pages


def _legend(trials: Sequence[TrialStanding]) -> str:
    present_statuses = {_shown_status(trial) for trial in trials}
    marks = "  ".join(f"{mark} {name}" for name, mark in MARKS.items() if name in present_statuses)
    seeds = sorted({trial.seed for trial in trials})
    seed_numbers = ", ".join(map(str, seeds)) if len(seeds) < 9 else f"{seeds[0]} to {seeds[-1]}"
    return text_tables.wrapped(f"{marks}  (one mark per trial, by seed: {seed_numbers})")


def _running(trials: Sequence[TrialStanding]) -> Grid:
    rows = [
        [
            trial.setting,
            trial.method_in_words,
            str(trial.seed),
            f"{trial.iteration}/{trial.iterations}",
            distance(trial.best),
            "lost" if trial.lost else duration(trial.eta_seconds),
        ]
        for trial in trials
    ]
    header = ["running", "method", "seed", "iteration", "best", "left"]
    right = ["seed", "iteration", "best", "left"]
    return Grid(header=header, rows=rows, right=right, styles=text_tables.STYLES)


def _wait(record: Mapping[str, Any]) -> str:
    owner = f"process {record.get('pid')} on {record.get('host')}"
    return text_tables.wrapped(f"  waiting: {record.get('trial_id')} is trained by {owner}")


def _trouble(trial: TrialStanding) -> str:
    trial_name = f"{trial.setting} {trial.method_in_words} seed {trial.seed}"
    reason = trial.error or "it left no traceback"
    return text_tables.wrapped(f"{trial.status}: {trial_name}: {reason}")


if __name__ == "__main__":
    keep_arrow_from_pandas()
    sys.exit(main())
