"""A tracker, as far as a mirror needs it, and how it says that it takes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sweep.mirrors.runs import Point, Run


class Away(Exception):
    """A tracker that cannot be reached, or not now: the same may go well later."""


class Refused(Exception):
    """A tracker that takes this run as little later as now."""


class Tracker(Protocol):
    """A tracker with the project that is mirrored into.

    `place` names both without secrets, in the same way each time: by it the mirror keeps what was
    sent.
    """

    @property
    def place(self) -> str: ...

    def send(
        self, run: Run, points: Sequence[Point], run_id: str | None, *, in_doubt: bool
    ) -> str:
        """Sends points of a run that were not sent before, its tags and its status.

        `run_id` is the tracker's own id of the run, None if none is known; it is returned. When
        `in_doubt`, an earlier call was cut off: some of the points may have arrived, and are not
        sent again. Raises Away or Refused; StoreError where it has to read more of the run.
        """
        ...

    def close(self) -> None:
        """Ends what the tracker's package has started."""
        ...
