"""Hangs: a process lives, but for long nothing that it writes or says has changed."""

from __future__ import annotations

import json
import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# No progress and no word for so long is a hang.
HANG_SECONDS = 120.0
# Folders whose files change while nothing goes forward.
HEARTBEATS = ("claims", ".tmp")


@dataclass(slots=True)
class Stillness:
    """Measures for how long what is looked at has been the same."""

    state: Hashable = None
    since: float = field(default_factory=time.monotonic)

    def seconds(self, state: Hashable, now: float) -> float:
        """Seconds since the state last changed, seen at `now` of the monotonic clock."""
        if state != self.state:
            self.state, self.since = state, now
        return now - self.since


def store_state(root: Path) -> Hashable:
    """A value that changes whenever results are written: how many files, and the newest."""
    times = []
    for path in root.rglob("*"):
        if (
            path.is_dir()
            or path.suffix == ".json"
            or path.relative_to(root).parts[0] in HEARTBEATS
        ):
            continue
        try:
            times.append(path.stat().st_mtime_ns)
        except FileNotFoundError:
            continue
    return len(times), max(times, default=0)


def events_in(logs: Sequence[Path]) -> list[dict[str, Any]]:
    """The JSON objects of the logs, a line each, in their order."""
    events = []
    for line in _lines(logs):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def words_in(logs: Sequence[Path]) -> int:
    """How many lines the logs have, summaries aside: those come by the clock."""
    return sum('"event": "summary"' not in line for line in _lines(logs))


def _lines(logs: Sequence[Path]) -> Iterator[str]:
    """The lines that are complete."""
    for log in logs:
        text = log.read_text(errors="replace") if log.exists() else ""
        yield from text.split("\n")[:-1]
