"""A store that counts what it is asked, and is asked as a bucket is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from sweep.store.store import Store


class CountingFileSystem:
    """A folder in the place of a bucket; `asked` has every request, as its kind and its path."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.inner = pafs.LocalFileSystem()
        self.asked: list[tuple[str, str]] = []

    def get_file_info(self, target: Any) -> Any:
        is_list = isinstance(target, pafs.FileSelector)
        self._note("list" if is_list else "stat", target.base_dir if is_list else target)
        return self.inner.get_file_info(target)

    def open_input_file(self, path: str) -> Any:
        self._note("read", path)
        return self.inner.open_input_file(path)

    def _note(self, kind: str, path: str) -> None:
        self.asked.append((kind, path.removeprefix(f"{self.root}/")))

    def take(self, *tables: str) -> Counter[tuple[str, str]]:
        """How often each table was asked for since the last call, by kind and table."""
        asked, self.asked = self.asked, []
        counts = Counter((kind, path.partition("/")[0]) for kind, path in asked)
        return Counter({key: n for key, n in counts.items() if not tables or key[1] in tables})


def counting_store(root: Path) -> tuple[Store, CountingFileSystem]:
    """The store in that folder, which takes it for a bucket, and what counts."""
    store = Store(root)
    fs = CountingFileSystem(store.base)
    store.fs, store.is_local = fs, False  # pyright: ignore[reportAttributeAccessIssue] - as a bucket
    store._buckets.add(store.base.partition("/")[0])  # it is known to be there
    return store, fs
