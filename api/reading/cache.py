"""Private copy of a store's index, for a service that cannot write into the store.

One file per store and table in a folder of the user's own. It may be deleted at any time; one that
is damaged or of another version is as good as none, as the index itself is.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from sweep.store.store import Store


def default_folder() -> Path:
    """`srgan-sweep` in XDG_CACHE_HOME, else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "srgan-sweep"


def cache_path(folder: Path, store: Store, table: str) -> Path:
    """The table's file, named by a digest of the store's root, which may hold an access key."""
    return folder / f"{hashlib.sha256(store.root.encode()).hexdigest()[:32]}.{table}.parquet"


def save(path: Path, content: bytes) -> None:
    """Replaces the file as a whole: of two services the later one wins. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Readable by the user alone, as mkstemp makes it: the store may not be for everyone.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.stem}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
