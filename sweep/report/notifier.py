"""Follows a sweep in its store, and sends each notice once: what was sent is kept there.

`notifications/<sweep>/<key>.json` holds each message that was sent or refused, `first.json` the
notices that there were before anybody followed the sweep, which are no news, and
`notifications/<sweep>.owner.json` who sends: one process at a time. A message whose sender is
killed between the receiver's answer and the file is sent again, under the same Idempotency-Key.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sweep.report.changed_trials import ChangedTrials
from sweep.report.delivery import Outcome, deliver, place_of
from sweep.report.notices import COLUMNS, END_SENTENCES, Notice, body, sweep_notices, trial_notices
from sweep.store.index import trial_rows
from sweep.store.ownership import STALE_SECONDS, may_live, read_owner
from sweep.store.store import Store, StoreError
from sweep.store.watch import seconds_unchanged

FOLDER = "notifications"
FIRST = "first"
LOOK_SECONDS = 2.0
# A bucket is listed a thousand objects at a time, each list for money.
LOOK_SECONDS_IN_A_BUCKET = 15.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 300.0


@dataclass(slots=True, kw_only=True)
class Notifier:
    """Sends the notices of a sweep to a receiver. `say` is told, a line each, what goes wrong,
    and `report` of each notice as it is kept."""

    store: Store
    sweep: str
    receiver: str
    service: str | None
    say: Callable[[str], None]
    send: Callable[[str, str, Mapping[str, Any]], Outcome] = deliver
    report: Callable[[Mapping[str, Any]], None] | None = None
    queue: deque[tuple[Notice, datetime]] = field(default_factory=deque)
    attempt: str | None = None
    is_over: bool = False
    _keys: set[str] = field(default_factory=set)
    _changes: ChangedTrials = field(init=False)
    _pause: float = 0.0
    _next_try: float = 0.0
    _is_told: bool = False

    def __post_init__(self) -> None:
        self._changes = ChangedTrials(self.store, self.sweep, COLUMNS)

    def begin(self) -> None:
        """Takes in what was sent before; where nothing was, what there is now is no news."""
        folder = f"{FOLDER}/{self.sweep}"
        stored = {file.key for file in self.store.list(folder)}
        if FIRST in stored:
            content = self.store.read(f"{folder}/{FIRST}.json")
            self._keys = stored | set(json.loads(content or b"[]"))
            return
        self._changes.read_plan()
        rows = trial_rows(self.store, sorted(self._changes.planned), COLUMNS)
        earlier_keys = [notice.key for row in rows.values() for notice in trial_notices(row)]
        record = self._record()
        if record is not None and not self._is_silent(record):
            earlier_keys += [n.key for n in sweep_notices(self.sweep, record, silent=False)]
        self.store.write(f"{folder}/{FIRST}.json", json.dumps(sorted(earlier_keys)).encode())
        self._keys = stored | set(earlier_keys)

    def look(self) -> None:
        """Queues what is new in the store; what cannot be read now is looked at again."""
        try:
            record = self._record()
            self._take(self._trial_notices())
            if record is None:
                return
            silent = self._is_silent(record)
            self._take(sweep_notices(self.sweep, record, silent=silent))
        except StoreError as error:
            self.say(f"cannot look for what to notify of: {error}")
            return
        attempt = record.get("attempt")
        if self.attempt is None and not silent:
            self.attempt = attempt
        is_run = self.attempt in (None, attempt)
        self.is_over = not is_run or silent or record.get("state") in END_SENTENCES

    def _take(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            if notice.key not in self._keys:
                self._keys.add(notice.key)
                self.queue.append((notice, datetime.now(UTC)))

    def call(self) -> None:
        """Sends what is queued, unless a pause after a failure goes on."""
        while self.queue and time.monotonic() >= self._next_try:
            notice, noted_at = self.queue[0]
            message = body(notice, self.sweep, noted_at, self.service)
            outcome = self.send(self.receiver, notice.key, message)
            if not outcome.delivered and outcome.passing:
                self._wait(outcome)
                return
            if not outcome.delivered:
                place = place_of(self.receiver)
                self.say(f"{place} refuses the notice of {notice.event}: {outcome.reason}")
            self._keep(notice, message, outcome)
            self.queue.popleft()
            self._pause, self._is_told = 0.0, False

    def _wait(self, outcome: Outcome) -> None:
        if not self._is_told:
            self._is_told = True
            self.say(f"{place_of(self.receiver)} takes no notice: {outcome.reason}; trying again")
        self._pause = min(max(FIRST_PAUSE_SECONDS, 2 * self._pause), LONGEST_PAUSE_SECONDS)
        self._next_try = time.monotonic() + max(self._pause, outcome.retry_after or 0.0)

    def _keep(self, notice: Notice, message: Mapping[str, Any], outcome: Outcome) -> None:
        refused = None if outcome.delivered else outcome.reason
        sent = {**message, "refused": refused, "sent_at": datetime.now(UTC).isoformat()}
        if self.report is not None:
            self.report(sent)
        path = f"{FOLDER}/{self.sweep}/{notice.key}.json"
        try:
            self.store.write(path, json.dumps(sent).encode())
        except StoreError as error:
            self.say(f"a notice was sent, and may be sent again: {error}")

    def _record(self) -> dict[str, Any] | None:
        return read_owner(self.store, self._record_path)

    @property
    def _record_path(self) -> str:
        return f"sweeps/{self.sweep}.json"

    def _is_silent(self, record: Mapping[str, Any]) -> bool:
        """Tells whether a driver that should be at work is gone, or has not been heard of."""
        if record.get("state") != "running":
            return False
        silence = seconds_unchanged(self.store, self._record_path, record)
        return not may_live(record) or silence > STALE_SECONDS

    def _trial_notices(self) -> list[Notice]:
        """Notices on the planned trials whose files have changed since the last look."""
        rows = [row for read in self._changes.read() for row in read.rows]
        return [notice for row in rows for notice in trial_notices(row)]
