"""Arrow without pandas, which it looks for before its first array. A leaf: pyarrow alone."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

import pyarrow as pa


class _Hidden:
    """Finds no pandas."""

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is hidden from Arrow", name=name)
        return None


def keep_arrow_from_pandas() -> None:
    """Lets Arrow find no pandas: it loads it for its first array, 34 MiB that the process has no
    use for, and a third of a second.

    Arrow looks once in a process. Not for one that wants `to_pandas` of Arrow's own.
    """
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)
