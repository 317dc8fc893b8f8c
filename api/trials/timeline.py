"""Events in the life of a trial, as far as the store tells. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.reading.snapshot import Row
from api.trials.curve_figures import evaluation_text
from api.trials.models import TrialDetail
from api.web.words import duration
from sweep.store.vocabulary import UNREADABLE

# Evaluations shown before and after those that are folded.
FIRST, LAST = 3, 6
# A shorter run is not worth the click.
FOLDED = 4
SIGNAL_NAMES = {"dead": "dead discriminator", "diverged": "divergence"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`seconds` are those of training until then, `time` is a time of day."""

    text: str
    kind: str = "evaluation"
    iteration: int | None = None
    seconds: float | None = None
    time: datetime | None = None


def chronicle(trial: TrialDetail, rows: Sequence[Row]) -> list[Event]:
    """The trial's start, its evaluations, signals seen at them, and its end; oldest first."""
    if trial.status == "planned":
        return [Event(text="planned, not started", kind="state")]
    if trial.status == UNREADABLE:
        return [Event(text="its file cannot be read", kind="failure")]
    signals = trial.verdict.signals
    events = [_start(trial)]
    for row in rows:
        iteration, seconds = row["iteration"], row["seconds"]
        text = _evaluation(trial, row)
        events.append(Event(text=text, iteration=iteration, seconds=seconds))
        events += [
            Event(
                kind="signal",
                iteration=iteration,
                seconds=seconds,
                text=f"{_signal_name(signal.name)} began here"
                + (f": {signal.rule}" if signal.rule else ""),
            )
            for signal in signals
            if signal.at == iteration
        ]
    return [*events, *_end(trial)]


def folded(events: Sequence[Event]) -> list[tuple[bool, list[Event]]]:
    """Groups the events in order; long runs of evaluations in the middle are folded."""
    ends = {*range(FIRST + 1), *range(len(events) - LAST, len(events))}
    groups: list[tuple[bool, list[Event]]] = []
    for k, event in enumerate(events):
        hidden = event.kind == "evaluation" and k not in ends
        if not groups or groups[-1][0] != hidden:
            groups.append((hidden, []))
        groups[-1][1].append(event)
    return [(hidden and len(group) >= FOLDED, group) for hidden, group in groups]


def _signal_name(signal: str) -> str:
    return SIGNAL_NAMES.get(signal, signal.replace("_", " "))


def _start(trial: TrialDetail) -> Event:
    place = f" on {trial.host}" if trial.host else ""
    if trial.parent:
        return Event(
            kind="state",
            time=trial.started_at,
            iteration=trial.parent_iteration,
            text=f"started{place}, from {trial.parent} at iteration {trial.parent_iteration}",
        )
    return Event(text=f"started{place}", kind="state", time=trial.started_at)


def _evaluation(trial: TrialDetail, row: Row) -> str:
    best = trial.best is not None and trial.best.iteration == row["iteration"]
    odd = ", not finite" if row["finite"] is False else ""
    return evaluation_text(trial, row) + odd + (", the best" if best else "")


def _end(trial: TrialDetail) -> list[Event]:
    events = []
    if trial.failures:
        often = "once" if trial.failures == 1 else f"{trial.failures} times"
        events.append(Event(text=f"failed {often} so far", kind="failure"))
    if trial.traceback:
        last = trial.traceback.strip().splitlines()[-1]
        events.append(Event(text=f"failed: {last}", kind="failure", iteration=trial.iteration))
    word = "at" if trial.rung is not None else "for"
    reason = f" {word} {trial.stop_reason}" if trial.stop_reason else ""
    stands = {
        "running": "running: last heard of",
        "failed": "failed",
        "stopped": f"stopped{reason}",
        "completed": "completed",
        "collapsed": f"stopped{reason or ' for its collapse'}",
    }
    length = f", after {duration(trial.seconds)} of training" if trial.seconds is not None else ""
    text = stands.get(trial.status, trial.status) + length
    state = Event(text=text, kind="state", iteration=trial.iteration, time=trial.updated_at)
    return [*events, state]
