"""Ray's temporary folder on this host: without room in it no further trial is started.

Sockets, logs and what Tune keeps of each trial stand there. What a trial that runs writes goes to
the store.
"""

from __future__ import annotations

import os
import tempfile

from sweep.store import filesystems
from trainer.config.lookup import UsageError

# Ray and a worker need some 100 kB to start, and a log grows.
ENOUGH_BYTES = 16 * 2**20


def folder() -> str:
    """The folder of the Ray session that this process is in, else where one would be started."""
    from ray._private import worker

    # As Tune itself asks; there is none before Ray has started and once it has ended.
    if worker._global_node is not None:
        return worker._global_node.get_session_dir_path()
    return os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()


def shortage(place: str) -> str | None:
    """Returns in words how much room there is if that is too little for a trial to start."""
    return filesystems.shortage(place, ENOUGH_BYTES)


def check_room() -> None:
    """Raises UsageError if there is too little room for Ray to start here."""
    place = folder()
    if (words := shortage(place)) is not None:
        raise UsageError(
            f"the temporary folder {place} has no room for Ray ({words}): make room, or name "
            "another one in RAY_TMPDIR"
        )
