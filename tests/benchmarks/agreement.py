"""Whether a service's list of trials is that of the store: read from the files, one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from processes import Server

from sweep.store.read_files import read_files
from sweep.store.store import Store
from sweep.store.vocabulary import UNREADABLE

# From the last change of the store to an answer that must have it: a pass over the store, and the
# longest pause before it.
SETTLING_SECONDS = 60.0
NAMED = 20
# Status and iteration of a trial.
Standing = tuple[str, int | None]


def differences(server: Server, root: Path) -> list[str]:
    """Trials that the service has otherwise than their files, the first; nobody writes any more.

    Asked for until there are none, for a minute at most.
    """
    stored = _stored(root)
    deadline = time.monotonic() + SETTLING_SECONDS
    while (lines := _differences(stored, dict(_served(server)))) and time.monotonic() < deadline:
        time.sleep(2)
    return lines[:NAMED]


def _differences(stored: Mapping[str, Standing], served: Mapping[str, Standing]) -> list[str]:
    lines = [
        f"{trial_id} is {served.get(trial_id)} where its file says {standing}"
        for trial_id, standing in stored.items()
        # Of a trial that is in no plan nothing is known if its file cannot be read.
        if served.get(trial_id, (UNREADABLE, None)) != standing
    ]
    begun = {trial_id for trial_id, (status, _) in served.items() if status != "planned"}
    return lines + [f"{trial_id} has begun, and has no file" for trial_id in begun - {*stored}]


def _stored(root: Path) -> dict[str, Standing]:
    store = Store(root)
    files = [file for file in store.list("trials") if file.path.endswith(".parquet")]
    rows = {read.file.key: read.rows for read in read_files(store, "trials", files)}
    return {
        trial_id: (row[0]["status"], row[0]["iteration"]) if row else (UNREADABLE, None)
        for trial_id, row in rows.items()
    }


def _served(server: Server) -> Iterator[tuple[str, Standing]]:
    cursor = ""
    while True:
        page = server.get(f"/results?fields=status,iteration&limit=1000{cursor}")
        for row in page["items"]:
            yield row["trial_id"], (row["status"], row["iteration"])
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"
