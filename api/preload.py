"""Prepares the process at the start: loads what libraries would load in a request, bounds memory.

In a request loading takes up to seconds, and the threads of others meet modules half loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from importlib.machinery import ModuleSpec

import anyio
import pyarrow as pa
import pyarrow.compute  # which Arrow loads for its first cast

from api.pages.rendering import compile_templates


def load() -> None:
    """Loads what requests need: the templates, and what Arrow and the static files look for."""
    compile_templates()
    pa.array([0])
    _ = anyio.open_file


# glibc's number of the parameter (malloc.h).
M_ARENA_MAX = -8
# Objects made before the young, the middle and the old ones are collected (700, 10, 10 in Python).
# Rarer collections leave what refers to itself, as errors do, in memory for minutes.
COLLECTIONS = (2_000, 10, 10)


def keep_memory_small() -> None:
    """Lets the threads of a service share two heaps, not eight for each core, which keep what is
    freed; Arrow's memory is of the same. Where there is no glibc, as before."""
    pa.set_memory_pool(pa.system_memory_pool())
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def settle() -> None:
    """Takes what is in memory as here to stay: collections pass over the rest alone."""
    gc.set_threshold(*COLLECTIONS)
    gc.collect()
    gc.freeze()
    give_back()


def give_back() -> None:
    """Gives freed memory back to the system, which takes some ms; does nothing without glibc."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class _Hidden:
    """Finds no pandas."""

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is hidden from Arrow", name=name)
        return None


def keep_arrow_from_pandas() -> None:
    """Lets Arrow find no pandas: it loads it for its first array, 34 MiB that the service has no
    use for.

    Arrow looks once in a process. Not for one that wants `to_pandas` of Arrow's own.
    """
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)
