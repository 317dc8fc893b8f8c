"""Processes as records and names of files tell them apart. Standard library only.

A pid names a process only on one machine, since one boot and within one PID namespace: two
containers may share the name of their host, and each has a process 7. `machine` holds both.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def own_record() -> dict[str, Any]:
    """Names this process: host, machine, pid, and the time when it started."""
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "machine": machine(),
        "pid": pid,
        "pid_started": process_started(pid),
    }


def machine() -> str | None:
    """Names the boot and the PID namespace of this process; None where they cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
        pid_in_proc = os.readlink("/proc/self")
    except OSError:
        return None
    # A /proc that was mounted in another namespace has other processes under these pids.
    return f"{boot} {namespace}" if pid_in_proc == str(os.getpid()) else None


def is_gone(record: Mapping[str, Any]) -> bool:
    """Tells whether the recorded process has ended; False also where that cannot be seen."""
    own_machine, pid = machine(), record.get("pid")
    if own_machine is None or record.get("machine") != own_machine:
        return False
    if record.get("host") != socket.gethostname() or not isinstance(pid, int):
        return False
    return process_started(pid) != record.get("pid_started")


def name_in_files() -> str:
    """Names this process in the names of its files: pid, start and a digest of the machine."""
    record = own_record()
    return f"{record['pid']}-{record['pid_started']}-{_digest(record['machine'])}"


def is_gone_by_name(name: str) -> bool:
    """Tells whether the process that a file names has ended; False also where that is not seen."""
    pid, _, rest = name.partition("-")
    start, _, digest = rest.partition("-")
    own_machine = machine()
    if own_machine is None or digest != _digest(own_machine) or not pid.isdecimal():
        return False
    return str(process_started(int(pid))) != start


def _digest(machine: str | None) -> str:
    return hashlib.sha256(f"{socket.gethostname()} {machine}".encode()).hexdigest()[:12]


def process_started(pid: int) -> int | None:
    """Start time of the process in clock ticks since boot; None if it is gone, a zombie, or
    there is no /proc to see it in."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
