"""Signs of life of the trials that Ray says it runs: their reports, and their owners' heartbeats.

The last net under a driver that would wait for ever: nodes live and Tune hears of no death, and
yet no process trains. Silence alone tells nothing, for an evaluation may take an hour; a process
that is alive renews the record of its ownership meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from sweep.run.cluster_watch import ClusterLost
from sweep.store.retry import recovered_within
from sweep.store.store import Store
from sweep.store.trial_ownership import record_path

# Several heartbeats.
LOOK_SECONDS = 60.0
# A worker imports torch before it owns its trial, and an outage of the store is waited for.
LIFELESS_SECONDS = 900.0


class SignsOfLife:
    """Time since the last sign of life of any running trial."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.last_sign = self.last_look = time.monotonic()
        self._records: dict[str, bytes | None] = {}

    def note(self) -> None:
        """A trial has reported, or none is to."""
        self.last_sign = time.monotonic()

    def check(self, running: Collection[str]) -> None:
        """Raises ClusterLost if none of the running trials, by id, has lived for long.

        While the store cannot be written to, nothing tells.
        """
        if not running or recovered_within(self.store.place, LOOK_SECONDS):
            self.note()
        now = time.monotonic()
        if now - max(self.last_sign, self.last_look) < LOOK_SECONDS:
            return
        self.last_look = now
        records = {trial_id: self.store.read(record_path(trial_id)) for trial_id in running}
        if any(
            record is not None and record != self._records.get(trial_id)
            for trial_id, record in records.items()
        ):
            self.note()
        self._records = records
        if now - self.last_sign > LIFELESS_SECONDS:
            raise ClusterLost(
                f"by Ray {len(running)} trials run, but no process of theirs has been alive for "
                f"{LIFELESS_SECONDS / 60:.0f} min"
            )
