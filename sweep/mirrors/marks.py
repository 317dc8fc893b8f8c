"""Marks of what a mirror has sent of each trial, kept in the store by tracker and project.

`mirrors/<sweep>.<tracker>-<hash8>.json` names the place and has by trial id a mark, and
`....owner.json` who mirrors: one process at a time. Before trials are sent their marks are in
doubt, and after it they are not. After a kill in between the tracker is asked what it has, or the
run is replaced as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sweep.store.store import Store, StoreError

FOLDER = "mirrors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A tracker's state of a trial: its own id of the run, points up to iteration `through`,
    and of tags, status and scores the digest. `in_doubt` while a call is under way."""

    run_id: str | None = None
    through: int = -1
    tags: str = ""
    in_doubt: bool = False

    @property
    def record(self) -> dict[str, str | int | bool | None]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True, kw_only=True)
class Marks:
    """Marks by trial id, and the file that keeps them."""

    store: Store
    sweep: str
    tracker: str
    place: str
    by_trial: dict[str, Mark] = field(default_factory=dict)

    @property
    def name(self) -> str:
        digest = hashlib.sha256(self.place.encode()).hexdigest()[:8]
        return f"{FOLDER}/{self.sweep}.{self.tracker}-{digest}"

    def read(self) -> None:
        """Takes in what was kept. Raises StoreError for a file that is none of a mirror's."""
        path = f"{self.name}.json"
        content = self.store.read(path)
        try:
            trials = json.loads(content)["trials"] if content else {}
            self.by_trial = {trial_id: Mark(**mark) for trial_id, mark in trials.items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(
                f"{path} in {self.store.place} is no file of a mirror: {error}; without it every "
                "point is looked for at the tracker, or sent again"
            ) from error

    def of(self, trial_id: str) -> Mark:
        """The mark of a trial, of one that was never sent a new one."""
        return self.by_trial.get(trial_id, Mark())

    def doubt(self, trial_ids: Iterable[str]) -> None:
        """Keeps that these trials are about to be sent. Raises StoreError."""
        self.note({trial_id: replace(self.of(trial_id), in_doubt=True) for trial_id in trial_ids})

    def note(self, marks: Mapping[str, Mark]) -> None:
        """Keeps the marks of trials. Raises StoreError."""
        self.by_trial |= marks
        about = {"tracker": self.tracker, "place": self.place, "sweep": self.sweep}
        trials = {trial_id: mark.record for trial_id, mark in self.by_trial.items()}
        content = json.dumps({**about, "trials": trials})
        self.store.write(f"{self.name}.json", content.encode())
