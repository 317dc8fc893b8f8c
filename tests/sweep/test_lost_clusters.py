"""What a sweep does when its cluster dies: its own raylet or its head, killed in mid-sweep."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweep.store.store import Store
from tests.processes import descendants, kill, trains
from tests.sweep.small_sweep import (
    PLAN,
    SN,
    SR,
    Driver,
    assert_kept,
    checkpointed,
    results,
    wait_until,
)

# Clusters that start, fail and are found out, on a machine that may have two cores.
pytestmark = pytest.mark.timeout(600)

# Ray finds a dead node out after 14 s, and ends a driver without a head after 60; a connection
# that is refused is as clear after these.
SOON = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "45",
}


def command(root: Path) -> tuple[str, ...]:
    """One trial after the other, so that one waits for a place when the cluster dies."""
    return "sweep.table1", *PLAN, f"--results={root}", "--name=s", "--max-concurrent=1", "--json"


def kill_with_workers(family: set[int], program: str) -> None:
    """Kills the process that runs Ray's program, and what trains.

    A worker alone would go on, and may have trained everything before the loss is found out.
    """
    (pid,) = [
        pid
        for pid in family
        if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(program.encode())
    ]
    kill(pid, *filter(trains, family))


def assert_whole(root: Path, whole: dict[str, Any], before: dict[str, int]) -> None:
    """Nothing was computed again that had a checkpoint, and no trial is blamed."""
    assert_kept(root, before)
    assert results(root) == whole
    rows = Store(root).read_all("trials", [SN, SR]).values()
    assert [row["failures"] for row in rows] == [0, 0]
    assert Store(root).list("claims") == []


@pytest.mark.slow
def test_a_ray_of_the_commands_own_is_started_again(
    whole: dict[str, Any], environment: dict[str, str], tmp_path: Path
) -> None:
    root = tmp_path / "r"
    driver = Driver(environment | SOON, tmp_path / "log", *command(root))
    driver.wait_for(root, sn=0)
    family = descendants(driver.process.pid)
    kill_with_workers(family, "raylet/raylet")
    before = checkpointed(root)
    assert driver.wait() == 0, driver.said()
    notes = [e["text"] for e in driver.events() if "starting it again" in e.get("text", "")]
    assert len(notes) == 1
    assert notes[0].startswith("the local Ray cluster died (")
    assert notes[0].endswith(": starting it again, 1 of 3")
    assert json.loads((root / "sweeps/s.json").read_text())["state"] == "finished"
    assert_whole(root, whole, before)
    wait_until(lambda: not any(map(trains, family)), 60)


@pytest.mark.slow
@pytest.mark.parametrize("program", ["raylet/raylet", "gcs/gcs_server"])
def test_another_cluster_that_is_lost_ends_the_command(
    whole: dict[str, Any],
    environment: dict[str, str],
    cluster: Callable[..., Any],
    tmp_path: Path,
    program: str,
) -> None:
    """With an exit code and a state of its own; the same command goes on elsewhere."""
    root = tmp_path / "r"
    with cluster(tmp_path / "home", environment | SOON) as head:
        # It would see the death of its child, and end the others.
        head.process.send_signal(signal.SIGSTOP)
        address = {"RAY_ADDRESS": head.address}
        driver = Driver(head.environment | address, tmp_path / "log", *command(root))
        try:
            driver.wait_for(root, sn=0)
            kill_with_workers(descendants(head.process.pid), program)
            before = checkpointed(root)
            assert driver.wait() == 4, driver.said()
        finally:
            driver.process.kill()
            driver.process.wait(10)
            head.process.send_signal(signal.SIGCONT)
    last = driver.events()[-1]["text"]
    assert last.startswith("the cluster was lost (")
    assert last.endswith("; the same command goes on from here")
    assert json.loads((root / "sweeps/s.json").read_text())["state"] == "lost"
    if program.startswith("raylet"):
        return  # what goes on is the same whatever was lost
    again = Driver(environment, tmp_path / "again", *command(root))
    assert again.wait() == 0, again.said()
    assert_whole(root, whole, before)
