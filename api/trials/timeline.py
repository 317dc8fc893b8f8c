"""What happened to a trial and when, as far as the store tells. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.reading.snapshot import Row
from api.trials.curve_figures import reading
from api.trials.models import TrialDetail
from api.web.words import duration

# Evaluations shown before and after those that are folded.
FIRST, LAST = 3, 6
# A shorter run is not worth the click.
FOLDED = 4
SIGNAL_NAMES = {"dead": "dead discriminator", "diverged": "divergence"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`at` is an iteration, `after` the seconds of training until then, `when` a time of day."""

    says: str
    kind: str = "evaluation"
    at: int | None = None
    after: float | None = None
    when: datetime | None = None


def chronicle(trial: TrialDetail, rows: Sequence[Row]) -> list[Event]:
    """Oldest first: start, evaluations, what was seen at them, how it stands or ended."""
    if trial.status == "planned":
        return [Event(says="planned, not started", kind="state")]
    signals = trial.verdict.signals
    events = [_began(trial)]
    for row in rows:
        at, after = row["iteration"], row["seconds"]
        events.append(Event(says=_evaluation(trial, row), at=at, after=after))
        events += [
            Event(
                kind="signal", at=at, after=after,
                says=f"{_named(one.name)} began here" + (f": {one.rule}" if one.rule else ""),
            )
            for one in signals
            if one.at == at
        ]  # fmt: skip
    return [*events, *_ended(trial)]


def folded(events: Sequence[Event]) -> list[tuple[bool, list[Event]]]:
    """In order, in groups of which some are folded: long runs of evaluations in the middle."""
    ends = {*range(FIRST + 1), *range(len(events) - LAST, len(events))}
    groups: list[tuple[bool, list[Event]]] = []
    for k, event in enumerate(events):
        hidden = event.kind == "evaluation" and k not in ends
        if not groups or groups[-1][0] != hidden:
            groups.append((hidden, []))
        groups[-1][1].append(event)
    return [(hidden and len(group) >= FOLDED, group) for hidden, group in groups]


def _named(signal: str) -> str:
    return SIGNAL_NAMES.get(signal, signal.replace("_", " "))


def _began(trial: TrialDetail) -> Event:
    where = f" on {trial.host}" if trial.host else ""
    if trial.parent:
        return Event(
            kind="state", when=trial.started_at, at=trial.parent_iteration,
            says=f"started{where}, from {trial.parent} at iteration {trial.parent_iteration}",
        )  # fmt: skip
    return Event(says=f"started{where}", kind="state", when=trial.started_at)


def _evaluation(trial: TrialDetail, row: Row) -> str:
    best = trial.best is not None and trial.best.iteration == row["iteration"]
    odd = ", not finite" if row["finite"] is False else ""
    return reading(trial, row) + odd + (", the best" if best else "")


def _ended(trial: TrialDetail) -> list[Event]:
    events = []
    if trial.failures:
        often = "once" if trial.failures == 1 else f"{trial.failures} times"
        events.append(Event(says=f"failed {often} so far", kind="failure"))
    if trial.traceback:
        last = trial.traceback.strip().splitlines()[-1]
        events.append(Event(says=f"failed: {last}", kind="failure", at=trial.iteration))
    reason = f" for {trial.stop_reason}" if trial.stop_reason else ""
    stands = {
        "running": "running: last heard of", "failed": "failed", "stopped": f"stopped{reason}",
        "completed": "completed", "collapsed": f"stopped{reason or ' for its collapse'}",
    }  # fmt: skip
    took = f", after {duration(trial.seconds)} of training" if trial.seconds is not None else ""
    says = stands.get(trial.status, trial.status) + took
    return [*events, Event(says=says, kind="state", at=trial.iteration, when=trial.updated_at)]
