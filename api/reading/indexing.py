"""Index of a big store that has none yet, made by a process of its own at the service's start.

Reading ten thousand files leaves holes between what stays in memory, about 50 MiB that a process
never gives back. They go with that process, and the service begins as one that found an index.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from api.reading.snapshot import Watcher, log
from sweep.store.store import Store, default_root

LOOK_SECONDS = 0.05


def index_apart(store: Store, cache_folder: Path | None, stop: threading.Event) -> None:
    """Has the store's index, or a private copy in the folder, made anew, and waits for it.

    If that fails, or `stop` is set before, there is no index and the caller reads by itself.
    """
    folder = [] if cache_folder is None else [str(cache_folder)]
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.reading.indexing", *folder],
            # Not as an argument: the root may hold an access key.
            env=os.environ | {"SWEEP_RESULTS": store.root},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # Files that are left out are named once, by the service.
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends the service, which ends this
        )
    except OSError as error:
        log.warning("no process could be started to read the store: %s", error)
        return
    while process.poll() is None:
        if stop.wait(LOOK_SECONDS):
            process.kill()
    if process.returncode and not stop.is_set():
        log.warning("the process that reads the store ended with %s", process.returncode)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    watcher = Watcher(Store(default_root()), folder)
    watcher.load_index()
    watcher.refresh()
    watcher.stop()


if __name__ == "__main__":
    main()
