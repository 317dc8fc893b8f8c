"""Requests to a running sweep, in the store: stop it, stop or retry one of its trials.

A leaf. `sweeps/<sweep>.control.json` holds {"requests": [{"id", "action", "trial_id", "at"}]}. The
driver looks at it every few seconds and lets trials know at once, a trial at every evaluation. A
request holds for the run that it was made to: the next start of the sweep clears the file.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from sweep.store.store import Store

STOP_SWEEP, STOP_TRIAL, RETRY_TRIAL = ACTIONS = ("stop-sweep", "stop-trial", "retry-trial")


def path(sweep: str) -> str:
    return f"sweeps/{sweep}.control.json"


def read_requests(store: Store, sweep: str) -> list[dict[str, Any]]:
    """Requests to the sweep, oldest first; what is no request is left out."""
    return _parsed(store.read(path(sweep)))


def _parsed(content: bytes | None) -> list[dict[str, Any]]:
    try:
        requests = json.loads(content)["requests"] if content else []
        return [r for r in requests if r["action"] in ACTIONS and isinstance(r["id"], str)]
    except (ValueError, TypeError, KeyError):
        return []


def new_id() -> str:
    return uuid.uuid4().hex[:12]


def ask(
    store: Store, sweep: str, action: str, trial_id: str | None = None, id: str | None = None
) -> str:
    """Adds a request; returns its id, which several sweeps that are asked the same may share.

    Of two that are made at once where updates are not exclusive, the later may replace the
    earlier: look whether it took effect.
    """
    request = {
        "id": id or new_id(),
        "action": action,
        "trial_id": trial_id,
        "at": datetime.now(UTC).isoformat(),
    }

    def added(content: bytes | None) -> bytes:
        # It is there already if the answer to an earlier try was lost.
        requests = [r for r in _parsed(content) if r["id"] != request["id"]]
        return json.dumps({"requests": [*requests, request]}).encode()

    store.update(path(sweep), added)
    return request["id"]


def clear(store: Store, sweep: str) -> None:
    """Drops the requests to an earlier run, also such as may come late."""
    store.update(path(sweep), lambda content: None if content is None else _dropped(store))


def _dropped(store: Store) -> bytes:
    return b"" if store.objects is None else json.dumps({"requests": []}).encode()


def stops(store: Store, sweep: str | None, trial_id: str) -> bool:
    """Tells whether the trial is to end: with its sweep, or alone and without a later retry."""
    requests = [] if sweep is None else read_requests(store, sweep)
    of_trial = [r["action"] for r in requests if r["trial_id"] == trial_id]
    return any(r["action"] == STOP_SWEEP for r in requests) or of_trial[-1:] == [STOP_TRIAL]
