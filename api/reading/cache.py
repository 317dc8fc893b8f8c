"""Caches the rows of a store's trials on disk, so that the service starts warm.

One Parquet file per store in a folder of the user's own, never in the store. It holds the row of
every trial whose file no longer changes, and that file's path, size and time: a row counts only
while the store still lists the very same file. It may be deleted at any time. One that is damaged,
or that another version of the code or of the schema wrote, is as good as none.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from api.reading.version import code_version
from sweep.store.schemas import SCHEMA_VERSION, SCHEMAS
from sweep.store.store import Store, StoredFile
from sweep.store.tables import parquet_of, pylist

_DIGEST_BYTES = hashlib.sha256().digest_size
_FILE = pa.schema(
    [
        ("file_path", pa.string()),
        ("file_size", pa.int64()),
        ("file_mtime_ns", pa.int64()),
        ("file_digest", pa.string()),
    ]
)
_SCHEMA = pa.schema([*_FILE, *SCHEMAS["trials"]])


@dataclass(frozen=True, slots=True)
class CachedRow:
    """The row that a file holds, and the SHA-256 of the file's content."""

    file: StoredFile
    digest: str
    row: Mapping[str, Any]


def default_folder() -> Path:
    """`srgan-sweep` in XDG_CACHE_HOME, else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "srgan-sweep"


def cache_path(folder: Path, store: Store) -> Path:
    """The store's cache file, named by a digest of its root, which may hold an access key."""
    return folder / f"{hashlib.sha256(store.root.encode()).hexdigest()[:32]}.parquet"


def load(path: Path) -> Iterator[CachedRow]:
    """Yields the rows that `save` wrote.

    Raises OSError, ValueError or an Arrow error for a file that cannot be trusted.
    """
    raw = path.read_bytes()
    digest, content = raw[-_DIGEST_BYTES:], raw[:-_DIGEST_BYTES]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("it is damaged")
    table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    if (table.schema.metadata or {}).get(b"version") != _version():
        raise ValueError("another version wrote it")
    for row in pylist(table):
        file_path, size, mtime_ns, file_digest = (row.pop(name) for name in _FILE.names)
        yield CachedRow(StoredFile(file_path, size, mtime_ns), file_digest, row)


def save(path: Path, cached_rows: Sequence[CachedRow]) -> None:
    """Replaces the whole file: of two services the later one wins. Raises OSError."""
    rows = [{**_file_row(cached), **cached.row} for cached in cached_rows]
    table = pa.Table.from_pylist(rows, schema=_SCHEMA.with_metadata({"version": _version()}))
    content = parquet_of(table)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Readable by the user alone, as mkstemp makes it: the store may not be for everyone.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.stem}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content + hashlib.sha256(content).digest())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _file_row(cached: CachedRow) -> dict[str, Any]:
    file = cached.file
    return dict(
        zip(_FILE.names, (file.path, file.size, file.mtime_ns, cached.digest), strict=True)
    )


def _version() -> bytes:
    return f"{SCHEMA_VERSION} {code_version()}".encode()
