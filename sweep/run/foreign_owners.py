"""Foreign owners: other starts that train what this sweep would train. Their trials wait.

A trial whose files have a live owner is not handed out: a worker could only wait in its place. So
the driver looks into the store before it hands one out, now and then as long as the owner lives,
and says what waits for whom.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sweep.report.display import Show
from sweep.report.progress import Progress
from sweep.store.store import Store
from sweep.store.trial_ownership import live_owner, owner_in_words, silent_seconds

# From one look at an owner to the next: the first, and the longest, each twice the one before.
FIRST_LOOK_SECONDS = 1.0
LONGEST_LOOK_SECONDS = 10.0
SAY_SECONDS = 60.0
# A record of a sweep stays small.
MOST_IN_RECORD = 20


@dataclass(slots=True, kw_only=True)
class Wait:
    """A trial's wait for its owner, as that was seen last; `first_heartbeat` is as it was first.
    Times are monotonic, in s, but for `since` and the heartbeat."""

    owner: Mapping[str, Any]
    first_heartbeat: str | None
    since: str
    next_look: float
    next_word: float


class ForeignOwners:
    """Waits of this sweep's trials by trial id. What begins to wait is said, and again each minute
    while it lasts; its status is `waiting` until it is over."""

    def __init__(self, store: Store, progress: Progress, show: Show) -> None:
        self.store = store
        self.progress = progress
        self.show = show
        self.waits: dict[str, Wait] = {}
        # The latest pause of each trial until it trains: where the driver finds a trial free that
        # a worker on another host does not, no worker is started every second.
        self.pauses: dict[str, float] = {}

    def allow(self, trial_id: str) -> bool:
        """Tells whether a worker that starts the trial now will own it; if not, it waits."""
        if trial_id in self.waits:
            return False
        owner = live_owner(self.store, trial_id)
        if owner is not None:
            self.refuse(trial_id, owner)
        return owner is None

    def refuse(self, trial_id: str, owner: Mapping[str, Any]) -> None:
        """Lets a trial wait for its owner until the next look."""
        now = time.monotonic()
        wait = self.waits.get(trial_id)
        if wait is None:
            started = datetime.now(UTC).isoformat()
            wait = Wait(
                owner=owner,
                first_heartbeat=owner.get("heartbeat"),
                since=started,
                next_look=now,
                next_word=now,
            )
            self.waits[trial_id] = wait
        pause = min(2 * self.pauses.get(trial_id, FIRST_LOOK_SECONDS / 2), LONGEST_LOOK_SECONDS)
        self.pauses[trial_id] = pause
        wait.owner, wait.next_look = owner, now + pause
        if now >= wait.next_word:
            wait.next_word = now + SAY_SECONDS
            self._say(trial_id, owner)

    def look(self) -> list[str]:
        """Looks at the owners for which it is time; returns the trials whose wait is over."""
        over = []
        for trial_id, wait in list(self.waits.items()):
            if time.monotonic() < wait.next_look:
                continue
            owner = live_owner(self.store, trial_id)
            if owner is not None:
                self.refuse(trial_id, owner)
            else:
                self._end(trial_id)
                over.append(trial_id)
        return over

    def is_seen_alive(self, trial_id: str) -> bool:
        """Tells whether the owner for which the trial waits has moved meanwhile.

        One that was lost without a word owns for a minute what nobody will train.
        """
        wait = self.waits.get(trial_id)
        return wait is not None and wait.owner.get("heartbeat") != wait.first_heartbeat

    def forget(self, trial_id: str) -> None:
        """Ends the trial's wait, if it has one: it trains, or shall not."""
        self.pauses.pop(trial_id, None)
        self._end(trial_id)

    def _end(self, trial_id: str) -> None:
        if self.waits.pop(trial_id, None) is not None:
            self.progress.set_status(trial_id, "planned")

    def forget_all(self) -> None:
        for trial_id in list(self.waits):
            self.forget(trial_id)

    def _say(self, trial_id: str, owner: Mapping[str, Any]) -> None:
        self.progress.set_status(trial_id, "waiting")
        self.show(
            "waiting",
            text=f"{trial_id} is being trained by {owner_in_words(owner)}: it waits, others run",
            trial_id=trial_id,
            host=owner.get("host"),
            pid=owner.get("pid"),
            silent_seconds=silent_seconds(owner),
        )

    def records(self) -> list[dict[str, Any]]:
        """What waits for whom, for the sweep's record; of many the first ones."""
        return [
            {
                "trial_id": trial_id,
                "host": wait.owner.get("host"),
                "pid": wait.owner.get("pid"),
                "heartbeat": wait.owner.get("heartbeat"),
                "since": wait.since,
            }
            for trial_id, wait in list(self.waits.items())[:MOST_IN_RECORD]
        ]
