"""A root of files, read and replaced whole, through pyarrow.fs."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.fs as pafs

from sweep.store.buckets import ordered_objects
from sweep.store.filesystems import (
    check_permissions,
    obstacle,
    open_root,
    read_object,
    remove_abandoned,
    replace,
    room_left,
    without_details,
    without_secrets,
)
from sweep.store.locks import has_locks, locked
from sweep.store.ordered import change_in_order, put_in_order
from sweep.store.processes import name_in_files
from sweep.store.retry import T, patiently
from sweep.store.schemas import SCHEMAS
from sweep.store.tables import columns, file_of, parse, pylist, table_path

if TYPE_CHECKING:
    from sweep.store.objects import Objects, Version

# File systems keep times as coarse as 2 s; a younger file may change again under the same time.
YOUNG_NS = 2_000_000_000
# Folder of files that are being written. Hidden: it holds no results.
TEMPORARY = ".tmp"
# Folders that a sweep writes to: others in a root, like `lost+found`, are none of its own.
WRITTEN_FOLDERS = (*SCHEMAS, "samples", "checkpoints", "claims", TEMPORARY)

# A lock is held for one read and one write. Who holds it longer is suspended, or its disk hangs.
LOCK_SECONDS = 5.0


class StoreError(OSError):
    """The store cannot be read or, if `writing`, written; says where and why."""

    writing = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store as a listing shows it: `path` from the root, `mtime_ns` of Unix time."""

    path: str
    size: int
    mtime_ns: int

    @property
    def key(self) -> str:
        name = self.path.rpartition("/")[2]
        return name.rpartition(".")[0] or name

    def is_settled(self) -> bool:
        """Tells whether the listed time can hide no second change any more."""
        return time.time_ns() - self.mtime_ns > YOUNG_NS


class Store:
    """Files under one root, through pyarrow.fs. Paths are relative, with forward slashes."""

    def __init__(self, root: str | Path, patience: float = 0.0) -> None:
        """`root` is a folder or a URI, else StoreError; `patience` in s. Creates nothing."""
        text = str(root)
        self.patience = patience
        self.place = without_secrets(text)
        try:
            self.fs, base = self.patiently(lambda: open_root(text))
        except (ValueError, OSError) as error:  # Arrow's own is a ValueError
            reason = without_details(error)
            raise StoreError(f"cannot open results at {self.place}: {reason}") from error
        self.base = base.rstrip("/")
        self.root = text if "://" in text else self.base
        self.place = self.place if "://" in text else self.base
        self.is_local = isinstance(self.fs, pafs.LocalFileSystem)
        # Of the objects that were written, to replace no other; a copy shares them.
        self._versions: dict[str, Version | None] = {}
        self._buckets: set[str] = set()

    def __reduce__(self) -> tuple[type[Store], tuple[str, float]]:
        return Store, (self.root, self.patience)

    def __copy__(self) -> Store:
        # Else copy() would open the root again, by what is above for other processes.
        other = object.__new__(Store)
        other.__dict__.update(self.__dict__)
        return other

    def patiently(self, action: Callable[[], T], stop: threading.Event | None = None) -> T:
        """Calls `action` until no passing trouble makes it fail, or until `stop` is set; returns
        its result."""
        return patiently(action, self.place, self.patience, stop)

    def hasty(self) -> Store:
        """Returns this store without patience: for steps that are retried as a whole."""
        return self.with_patience(0.0)

    def with_patience(self, seconds: float) -> Store:
        """Returns this store with another patience, in s."""
        changed = copy(self)
        changed.patience = seconds
        return changed

    def write(self, path: str, content: bytes, confirm: Callable[[], None] = lambda: None) -> None:
        """Replaces the file as a whole.

        In a bucket with ordered puts, what this store has given up cannot come back later. What
        somebody else wrote since is replaced, too, after `confirm`, which may raise.
        """
        full = f"{self.base}/{path}"

        def replace_file() -> None:
            objects = self.objects
            if self.is_local:
                replace(full, content, self._temporary_path(path))
            elif objects is not None:
                put_in_order(objects, self._versions, path, content, confirm)
            else:
                with self.fs.open_output_stream(full) as stream:
                    stream.write(content)

        self._try(f"write {path}, {len(content)} bytes,", replace_file, writing=True)

    @property
    def objects(self) -> Objects | None:
        """The objects of a bucket with ordered puts, else None; found out once in a process.

        Raises OSError while the store cannot be reached.
        """
        return None if self.is_local else ordered_objects(self.root, self.fs, self.base)

    def _temporary_path(self, path: str) -> str:
        return f"{self.base}/{TEMPORARY}/{path.replace('/', '.')}.{name_in_files()}"

    def update(self, path: str, change: Callable[[bytes | None], bytes | None]) -> None:
        """Replaces a file by what `change` makes of its bytes, None if there is no file.

        For no bytes it removes the file, for None it leaves it as it is. Where updates are
        exclusive, nobody else's comes in between.
        """
        objects = self._try(f"read {path}", lambda: self.objects)
        if objects is not None:
            self._try(f"replace {path}", lambda: change_in_order(objects, path, change))
            return
        with ExitStack() as stack:
            self._lock(path, stack)
            content = change(self.read(path))
            if content:
                self.write(path, content)
            elif content is not None:
                self.delete(path)

    def has_exclusive_updates(self, path: str) -> bool:
        """Tells whether two updates of the file at the same time come one after the other."""
        if self.is_local:
            return has_locks(self._folder(path))
        return self._try(f"read {path}", lambda: self.objects) is not None

    def _lock(self, path: str, stack: ExitStack) -> None:
        """Locks the file's folder until `stack` is left, where the store is a file system."""
        folder = self._folder(path)
        if self.is_local:

            def lock() -> None:
                stack.enter_context(locked(folder, LOCK_SECONDS))

            self._try(f"lock {path}", lock, writing=True)

    def _folder(self, path: str) -> Path:
        return (Path(self.base) / path).parent

    def read(self, path: str) -> bytes | None:
        """The file's bytes; None if there is none."""

        full = f"{self.base}/{path}"

        def read_file() -> bytes | None:
            try:
                if not self.is_local:
                    return read_object(self.fs, full)
                with self.fs.open_input_file(full) as stream:
                    return stream.read()
            except FileNotFoundError:
                return None

        content = self._try(f"read {path}", read_file)
        if content is None:
            self.check_bucket()
        return content

    def read_at_once(self, path: str) -> bytes | None:
        """Reads a file that this process writes: by one request in a bucket with ordered puts."""
        objects = self._try(f"read {path}", lambda: self.objects)
        if objects is None:
            return self.read(path)
        return self._try(f"read {path}", lambda: objects.get(path)[0])

    def delete(self, path: str) -> None:
        """Removes the file if it is there."""
        full = f"{self.base}/{path}"

        def remove() -> None:
            if self.fs.get_file_info(full).type == pafs.FileType.File:
                self.fs.delete_file(full)
            self._versions[path] = None

        self._try(f"remove {path}", remove, writing=True)

    def list(self, folder: str) -> list[StoredFile]:
        """The finished files of a folder, by name; none if there is no such folder."""
        return sorted(
            (
                StoredFile(f"{folder}/{info.base_name}", info.size, info.mtime_ns or 0)
                for info in self._infos(folder)
                if info.type == pafs.FileType.File and not info.base_name.startswith(".")
            ),
            key=lambda file: file.path,
        )

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in a folder, in order; none if there is no such folder."""
        infos = self._infos(folder)
        return sorted(i.base_name for i in infos if i.type == pafs.FileType.Directory)

    def _infos(self, folder: str) -> list[pafs.FileInfo]:
        selector = pafs.FileSelector(f"{self.base}/{folder}", allow_not_found=True)
        infos = self._try(f"list {folder}", lambda: self.fs.get_file_info(selector))
        if not infos:
            self.check_bucket()
        return infos

    def check_bucket(self) -> None:
        """Raises StoreError if the root is in a bucket that is not there.

        To Arrow all of it is absent then, as in an empty one. Asked until it is known to be there.
        """
        bucket = self.base.partition("/")[0]
        if self.is_local or bucket in self._buckets:
            return
        try:
            is_missing = self.fs.get_file_info(bucket).type == pafs.FileType.NotFound
        except OSError:
            return  # who may read a bucket may not be allowed to ask for it
        if is_missing:
            raise StoreError(f"cannot read {self.place}: there is no bucket {bucket!r}")
        self._buckets.add(bucket)

    def obstacle(self) -> str | None:
        """Returns why nobody can write, as far as this host can see it without writing."""
        return obstacle(self.base) if self.is_local else None

    def check_writable(self) -> None:
        """Writes, reads, lists and removes a probe, at once. Raises StoreError with the reason.

        Also removes the temporary files of writers that are gone, or were killed days ago.
        """
        hasty = self.hasty()
        try:
            hasty.write(".writable", b"")
            hasty.read(".writable")
            hasty.list("trials")
            hasty.delete(".writable")
            if self.is_local:
                own_folders = [f"{self.base}/{folder}" for folder in WRITTEN_FOLDERS]
                hasty._try("write", lambda: check_permissions(own_folders))
                remove_abandoned(f"{self.base}/{TEMPORARY}", time.time())
        except StoreError as error:
            reason = without_details(error.__cause__ or error)
            raise StoreError(f"cannot write results to {self.place}: {reason}") from error

    def _try(self, attempt: str, action: Callable[[], T], *, writing: bool = False) -> T:
        def explained_action() -> T:
            try:
                return action()
            except OSError as error:
                room = f" ({room_left(self.base)})" if error.errno == errno.ENOSPC else ""
                reason = without_details(error)
                failed = StoreError(f"cannot {attempt} in {self.place}: {reason}{room}")
                failed.errno, failed.writing = error.errno, writing
                raise failed from error

        return self.patiently(explained_action)

    def write_rows(self, table: str, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replaces the table's file of that key."""
        self.write(table_path(table, key), file_of(table, columns(table, rows)))

    def read_rows(self, table: str, key: str) -> list[dict[str, Any]]:
        """The rows of the table's file of that key; none if there is no such file."""
        stored = self.read_table(table, key)
        return [] if stored is None else pylist(stored)

    def read_table(self, table: str, key: str) -> pa.Table | None:
        """Reads the file as an Arrow table of the current schema: columns added since are null."""
        content = self.read(table_path(table, key))
        return None if content is None else parse(content, table)

    def read_all(self, table: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The single row of each key that has a file."""
        stored_tables = {key: self.read_table(table, key) for key in keys}
        tables = {key: stored.slice(0, 1) for key, stored in stored_tables.items() if stored}
        rows = pylist(pa.concat_tables(tables.values())) if tables else []
        return dict(zip(tables, rows, strict=True))


def default_root() -> str:
    """`SWEEP_RESULTS`, else ./results."""
    return os.environ.get("SWEEP_RESULTS") or "results"
