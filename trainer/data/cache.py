"""The user's cache folder: what is expensive to compute and always the same."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trainer.config.lookup import UsageError


def cache_folder(subject: str) -> Path:
    """srgan-sweep/`subject` in the user's cache, or in the temporary folder where that cannot be
    written, as in a container that runs as any user; made if absent.

    Raises UsageError if neither can be made or written to.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    try:
        return writable(home / "srgan-sweep" / subject)
    except UsageError:
        folder = Path(tempfile.gettempdir()) / f"srgan-sweep-{os.getuid()}"
        return writable(folder / subject)


def writable(folder: Path) -> Path:
    """The folder, made if absent. Raises UsageError if it cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the cache folder {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"cannot write to the cache folder {folder}")
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock, so that processes that start together compute once; none where it is
    refused."""
    with path.open("w") as lock:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
