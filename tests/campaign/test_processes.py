"""All that a round started is found and ended, whoever is its parent by then."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.processes import descendants

# Adopts a grandchild whose own parent has ended, and kills it.
ADOPTION = """
import os, subprocess, sys, time
from tests.campaign.processes import adopt_orphans, end_family, of_role
from tests.processes import descendants
adopt_orphans()
subprocess.run(["sh", "-c", "setsid sleep 300 & exit 0"], check=True)
members = descendants(os.getpid())
print(len(members), of_role("raylet", members), of_role("all", members) == sorted(members))
print(end_family(), len(descendants(os.getpid())))
"""


def test_orphans_are_adopted_and_ended() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ADOPTION], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout.splitlines() == ["1 [] True", "1 0"]


def test_descendants_are_found() -> None:
    parent = subprocess.Popen(["sh", "-c", "sleep 300; true"])
    try:
        deadline = time.monotonic() + 20
        while not (children := descendants(parent.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(children) == 1
        assert not descendants(children.pop())
    finally:
        for pid in descendants(parent.pid):
            subprocess.run(["kill", str(pid)], check=False)
        parent.kill()
        parent.wait()
