"""DuckDB in memory, which can reach nothing but what is handed to it, within bounds of memory."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

import duckdb

# Beside what DuckDB counts: the Arrow rows of files, the answer, allocations that it counts late.
UNCOUNTED_BYTES = 512 * 2**20


def sandbox(memory_bytes: int, threads: int) -> duckdb.DuckDBPyConnection:
    """Opens an empty database in memory, without files, network, extensions or other settings.

    Without a folder for temporary files, what needs more memory fails instead of filling a disk.
    """
    connection = duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_extension_repositories": "forbidden",
            "allow_persistent_secrets": "false",
            # Else the name of a Python variable would be a table.
            "python_enable_replacements": "false",
            "temp_directory": "",
            "max_temp_directory_size": "0KiB",
            "memory_limit": f"{memory_bytes // 2**20}MiB",
            "threads": str(threads),
        },
    )
    connection.execute("SET lock_configuration = true")
    return connection


@contextlib.contextmanager
def bounded_data(more_bytes: int):
    """Lets this process allocate `more_bytes` B more than it has, where the system can bound that.

    DuckDB then fails with an error of its own, before the machine runs out of memory.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    data = _data_bytes()
    if data is not None:
        bound = data + more_bytes
        hard = before[1]
        soft = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int | None:
    """What RLIMIT_DATA counts of this process; None where there is no /proc to tell it."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("VmData:"))
        return int(kilobytes) * 1024
    return None
