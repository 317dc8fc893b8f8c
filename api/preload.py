"""Prepares the process at the start: loads what libraries would load in a request, bounds memory.

In a request loading takes up to seconds, and the threads of others meet modules half loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

import anyio
import pyarrow as pa
import pyarrow.compute  # which Arrow loads for its first cast

from api.pages.rendering import compile_templates


def load() -> None:
    """Loads what requests need: the templates, and what Arrow and the static files look for."""
    compile_templates()
    pa.array([0])
    _ = anyio.open_file


# glibc's numbers of the parameters (malloc.h).
M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
# B from which a block is mapped by itself, and given back when it is freed. glibc's own threshold
# grows with each block that is freed, to 32 MiB: what stands above such a block stays for good.
MAPPED_BYTES = 128 * 1024
# s that a thread computes while others wait for the interpreter. The event loop lets go of it at
# each read, write and random number, and with four workers waits four times as long to go on.
SWITCH_SECONDS = 0.0005
# Objects made before the young, the middle and the old ones are collected (700, 10, 10 in Python).
# Rarer collections leave what refers to itself, as errors do, in memory for minutes.
COLLECTIONS = (2_000, 10, 10)


def keep_memory_small() -> None:
    """Lets the threads of a service share two heaps, not eight for each core, which keep what is
    freed, and large blocks have none; Arrow's memory is of the same. Without glibc, as before."""
    pa.set_memory_pool(pa.system_memory_pool())
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 2)
        libc.mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


def share_interpreter() -> None:
    """Lets threads take turns often: a probe is answered beside figures that take long."""
    sys.setswitchinterval(SWITCH_SECONDS)


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
