"""A follower: signals that are for rank 0 do not end it, and the end of rank 0 does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Starts a follower that waits for rank 0, tells its pid, and stays until stdin ends.
PARENT = """
import json, os, subprocess, sys
request = json.loads(sys.argv[1]) | {"parent": os.getpid()}
follower = subprocess.Popen(
    [sys.executable, "-m", "trainer.parallel.follower"], stdin=subprocess.PIPE, text=True
)
follower.stdin.write(json.dumps(request) + chr(10))
follower.stdin.flush()
print(follower.pid, flush=True)
sys.stdin.read()
"""


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def request_of(tmp_path):
    import dataclasses

    from trainer.config.own_images import Reading
    from trainer.config.trial import trial_config

    config = trial_config("toy", "ring8", "simgd", 0, world_size=2)
    (tmp_path / "folder").mkdir()
    return {
        "trial": dataclasses.asdict(config),
        "root": None,
        "reading": dataclasses.asdict(Reading()),
        "folder": str(tmp_path / "folder"),
        "rank": 1,
    }


@pytest.mark.slow
def test_a_follower_ends_with_rank_0_alone(request_of):
    folder = Path(request_of["folder"])
    command = [sys.executable, "-c", PARENT, json.dumps(request_of)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_until((folder / "ready-1").exists)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        time.sleep(1)
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    wait_until(lambda: not folder.exists())
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
