"""Records the latest changes of the store: enough for a client that was away for a while.

The watcher's thread calls `look` with every snapshot; any thread may read `history`, which is
replaced as a whole. There is no queue per client: each knows the last sequence number that it has,
and the changes after it are put together when they are sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from api.reading.plans import states
from api.reading.snapshot import Snapshot
from sweep.store.notes import subject

MAX_CHANGES = 1000
# A store that comes back changes every trial at once: ids in all, about 100 B each.
MAX_IDS = 50_000


@dataclass(frozen=True, slots=True)
class Change:
    """Differences from the snapshot before: trials, and sweeps whose part or state differs."""

    sequence: int
    trials: frozenset[str]
    sweeps: frozenset[str]


@dataclass(frozen=True, slots=True)
class History:
    """The last changes, oldest first, and the snapshot that they lead to."""

    sequence: int = 0
    snapshot: Snapshot | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    def changes_since(self, sequence: int) -> list[Change] | None:
        """The changes after that number; None if some of them are forgotten, or it is none."""
        oldest = self.changes[0].sequence - 1 if self.changes else self.sequence
        if not oldest <= sequence <= self.sequence:
            return None
        return [change for change in self.changes if change.sequence > sequence]


class Changes:
    """Keeps `history`. Sequence numbers count from each start of the service, which `start` names:
    two starts may have the same number."""

    def __init__(self) -> None:
        self.start = secrets.token_hex(4)
        self.history = History()

    def look(self, snapshot: Snapshot, now: datetime) -> None:
        """Notes what changed since the last look; `now`, as sweeps stall by the clock."""
        before, after = self.history, states(snapshot, now)
        if snapshot is before.snapshot and after == before.states:
            return
        changes = before.changes
        sequence = before.sequence
        if before.snapshot is not None:
            sequence += 1
            trials = _trials(before.snapshot, snapshot)
            sweeps = _sweeps(before.snapshot, snapshot, trials) | {
                name for name, state in after.items() if before.states.get(name) != state
            }
            changes = _bounded((*changes, Change(sequence, trials, sweeps)))
        self.history = History(sequence, snapshot, after, changes)


def _trials(old: Snapshot, new: Snapshot) -> frozenset[str]:
    if old is new:
        return frozenset()
    deleted = old.records.keys() - new.records.keys()
    # Most rows are the same object as before.
    changed = (
        trial_id
        for trial_id, row in new.records.items()
        if (old_row := old.records.get(trial_id)) is not row and old_row != row
    )
    return frozenset(deleted).union(changed, _noted("trial", old, new))


def _sweeps(old: Snapshot, new: Snapshot, trials: frozenset[str]) -> frozenset[str]:
    if old is new:
        return frozenset()
    names = old.plans.keys() | new.plans.keys() | old.drivers.keys() | new.drivers.keys()
    return frozenset(_noted("sweep", old, new)).union(
        name
        for name in names
        if old.drivers.get(name) != new.drivers.get(name)
        or old.plans.get(name) != new.plans.get(name)
        or any(row["trial_id"] in trials for row in new.plans.get(name, ()))
    )


def _noted(kind: str, old: Snapshot, new: Snapshot) -> set[str]:
    """Trials or sweeps with a note that is only in one of the snapshots."""
    if old.notes == new.notes:
        return set()
    differing = {*old.notes} ^ {*new.notes}
    subjects = {subject(note) for note in differing}
    return {name for of_kind, name in subjects if of_kind == kind}


def _bounded(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    changes = changes[-MAX_CHANGES:]
    ids = sum(len(change.trials) for change in changes)
    while len(changes) > 1 and ids > MAX_IDS:
        ids -= len(changes[0].trials)
        changes = changes[1:]
    return changes
