"""What a sweep survives: real processes, killed and cut off, on a Ray cluster of two raylets.

After each fault every row is there once, the numbers are those of a sweep without it, nothing that
had a checkpoint was computed again, and no process is left.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.run.ray_cluster import EMPTY_STATE
from sweep.store.owners import owned_keys
from sweep.store.store import Store
from tests.processes import descendants, kill, trains
from tests.sweep.small_sweep import (
    ITERATIONS,
    PLAN,
    SN,
    SR,
    WORKER,
    Driver,
    assert_kept,
    checkpointed,
    results,
    wait_until,
)

# Clusters that start, fail and are found out, on a machine that may have two cores.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def raylets(
    cluster: Callable[..., Any],
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A head and a node, of one CPU each."""
    with cluster(tmp_path_factory.mktemp("raylets") / "home", environment, cpus=1) as head:
        head.environment = head.environment | {"RAY_ADDRESS": head.address}
        head.add_node(1)
        wait_for_nodes(head, 2)
        yield head


def wait_for_nodes(head: Any, count: int) -> None:
    def there() -> bool:
        try:
            nodes = head.ask("/api/v0/nodes")["data"]["result"]["result"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False  # the dashboard starts, or is busy
        return sum(node["state"] == "ALIVE" for node in nodes) == count

    wait_until(there, 200, every=1)


@pytest.fixture
def drive(raylets: Any, tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    """Starts drivers on the cluster; at the end none of them, nor of their workers, is left."""
    drivers: list[Driver] = []

    def start(*arguments: str) -> Driver:
        command = arguments or ("sweep.table1", *PLAN, f"--results={tmp_path / 'r'}", "--json")
        log = tmp_path / f"driver-{len(drivers)}.log"
        drivers.append(Driver(raylets.environment, log, *command))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.process.kill()
        driver.process.wait(10)
    wait_until(lambda: not workers(), 60)


def workers() -> list[int]:
    """The trials' processes of every cluster that this process started."""
    return [pid for pid in descendants(os.getpid()) if trains(pid)]


def holder(root: Path, trial_id: str) -> int:
    """The process that trains, as the file of its ownership says."""
    return json.loads((root / f"claims/{trial_id}.json").read_text())["pid"]


def attempt(root: Path, trial_id: str) -> str:
    return Store(root).read_rows("trials", trial_id)[0]["attempt"]


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder in which the names of Ray's sockets fit into 107 bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.slow
def test_a_worker_that_is_killed(
    whole: dict[str, Any], environment: dict[str, str], short_folder: Path, tmp_path: Path
) -> None:
    """On a Ray of the command's own. Ray starts the trial again, it goes on from the store; of
    Tune's state nothing grows in the temporary folder."""
    root = tmp_path / "r"
    environment = environment | {"TMPDIR": str(short_folder)}
    command = ("sweep.table1", *PLAN, f"--results={root}", "--json")
    driver = Driver(environment, tmp_path / "log", *command)
    driver.wait_for(root, sn=2)
    family = descendants(driver.process.pid)
    assert any(map(trains, family))
    kill(holder(root, SN))
    before, first = checkpointed(root), attempt(root, SN)
    assert driver.wait() == 0, driver.said()
    assert attempt(root, SN) != first
    resumed = {e["trial_id"]: e for e in driver.events() if e["event"] == "trial"}
    assert set(resumed) == {SN, SR}
    assert_kept(root, before)
    assert results(root) == whole
    assert Store(root).list("claims") == []
    wait_until(lambda: not any(map(trains, family)), 30)
    states = [path.read_text() for path in short_folder.rglob("experiment_state-*.json")]
    assert set(states) == {EMPTY_STATE}
    assert list(short_folder.glob("sweep-*")) == []


RANKS = """
import sys
from sweep.run.trainable import Task, run
from trainer.config.trial import TrialConfig, trial_config
config = trial_config("digits", "C_8-32", "sr-static", 0, iterations=10, world_size=2)
print(config.trial_id)
run(config, Task(results=sys.argv[1], cpus=2, stop_on_collapse=False), lambda report: None)
"""


@pytest.mark.slow
def test_a_rank_that_is_killed(
    environment: dict[str, str], short_folder: Path, tmp_path: Path
) -> None:
    """A trial of two ranks has two CPUs; it loses one rank, goes on from its checkpoint, and is
    that which has lost none."""
    root, undisturbed = tmp_path / "r", tmp_path / "undisturbed"
    command = [sys.executable, "-c", RANKS, str(undisturbed)]
    ran = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    trial_id = ran.stdout.strip()
    flags = ("--methods=sr-static", "--world-size=2", f"--results={root}", "--json")
    environment = environment | {"TMPDIR": str(short_folder)}
    driver = Driver(environment, tmp_path / "log", "sweep.table1", *PLAN, *flags)

    def is_trained() -> bool:
        assert driver.process.poll() is None, driver.said()
        return any((root / "checkpoints" / trial_id).glob("[1-9].pt"))

    wait_until(is_trained, 200)
    (follower,) = descendants(holder(root, trial_id))
    kill(follower)
    assert driver.wait() == 0, driver.said()
    assert "lost its worker" in driver.said()
    (row,) = Store(root).read_rows("trials", trial_id)
    assert (row["status"], row["iteration"], row["cpus"]) == ("completed", ITERATIONS, 2)
    assert json.loads(row["config"])["world_size"] == 2
    assert results(root, trial_id) == results(undisturbed, trial_id)


@pytest.mark.slow
def test_a_worker_that_is_killed_on_a_cluster(
    whole: dict[str, Any], drive: Callable[..., Driver], tmp_path: Path
) -> None:
    root = tmp_path / "r"
    driver = drive()
    driver.wait_for(root, sr=2)
    kill(holder(root, SR))
    before = checkpointed(root)
    assert driver.wait() == 0, driver.said()
    assert_kept(root, before)
    assert results(root) == whole


@pytest.mark.slow
def test_a_driver_that_is_killed_twice(
    whole: dict[str, Any], drive: Callable[..., Driver], tmp_path: Path
) -> None:
    """The cluster survives; the same command takes over at once, twice."""
    root = tmp_path / "r"
    kept: dict[str, int] = {}
    for at in (1, 4):
        driver = drive()
        driver.wait_for(root, sn=at, sr=at)
        assert_kept(root, kept or checkpointed(root))
        assert driver.end(signal.SIGKILL) == -signal.SIGKILL
        kept = checkpointed(root)
    assert results(root) != whole
    last = drive()
    assert last.wait() == 0, last.said()
    assert "waiting for it" not in last.said()
    assert_kept(root, kept)
    assert results(root) == whole
    assert Store(root).list("claims") == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_loses_no_evaluation(
    whole: dict[str, Any], drive: Callable[..., Driver], tmp_path: Path, number: int
) -> None:
    root = tmp_path / "r"
    driver = drive()
    driver.wait_for(root, sn=2, sr=2)
    assert driver.end(number) == 130, driver.said()
    reported = {e["trial_id"]: e["iteration"] for e in driver.events() if e["event"] == "trial"}
    rows = Store(root).read_all("trials", [SN, SR])
    # On a busy machine the first trial has ended before the second has evaluated twice.
    ended = {row["status"] for row in rows.values()}
    assert ended in ({"stopped"}, {"stopped", "completed"})
    for trial_id, row in rows.items():
        evaluations = Store(root).read_rows("evaluations", trial_id)
        assert [e["iteration"] for e in evaluations] == list(range(row["iteration"] + 1))
        assert row["iteration"] >= reported[trial_id]
    assert Store(root).list("claims") == []
    wait_until(lambda: not workers(), 30)
    kept = checkpointed(root)
    again = drive()
    assert again.wait() == 0, again.said()
    assert_kept(root, kept)
    assert results(root) == whole


@pytest.mark.slow
def test_a_trial_that_raises_is_tried_again_by_the_next_run(
    whole: dict[str, Any], drive: Callable[..., Driver], tmp_path: Path
) -> None:
    root = tmp_path / "r"
    broken = Store(root)
    broken.write(f"checkpoints/{SN}/3.pt", b"no checkpoint")
    for _ in range(2):
        driver = drive()
        assert driver.wait() == 3, driver.said()
        (row,) = broken.read_rows("trials", SN)
        assert (row["status"], row["iteration"]) == ("failed", 0)
        assert "Traceback" in row["traceback"]
        assert results(root, SR) == {key: whole[key] for key in results(root, SR)}
    kept = {f.path: f.mtime_ns for f in broken.list(f"samples/{SR}")}
    broken.delete(f"checkpoints/{SN}/3.pt")
    again = drive()
    assert again.wait() == 0, again.said()
    assert results(root) == whole
    assert_kept(root, kept)


@pytest.mark.slow
def test_two_drivers_of_one_sweep(
    whole: dict[str, Any], drive: Callable[..., Driver], tmp_path: Path
) -> None:
    root = tmp_path / "r"
    first = drive()
    first.wait_for(root, sn=0)
    second = drive()
    assert first.wait() == 0, first.said()
    kept = checkpointed(root)
    assert second.wait() == 0, second.said()
    assert f"is being run by process {first.process.pid}" in second.said()
    (start,) = [event for event in second.events() if event["event"] == "start"]
    assert (start["planned"], start["done"]) == (2, 2)
    assert_kept(root, kept)
    assert results(root) == whole


@pytest.mark.slow
def test_two_sweeps_that_share_a_running_trial(
    whole: dict[str, Any], drive: Callable[..., Driver], tmp_path: Path
) -> None:
    """SR with i = 0.5 is in both; whoever comes second waits for it."""
    root = tmp_path / "r"
    plan = (*PLAN, "--methods=sr-static", f"--results={root}", "--json")
    first = drive("sweep.table1", *plan)
    wait_until(lambda: (root / f"checkpoints/{SR}/1.pt").exists(), 120)
    second = drive("sweep.fig8", *plan, "--i-ratios=0.5,1")
    assert first.wait() == 0, first.said()
    kept = checkpointed(root)
    assert len(kept) == ITERATIONS + 1
    assert second.wait() == 0, second.said()
    assert_kept(root, kept)
    expected = {key: value for key, value in whole.items() if SR in key}
    assert results(root, SR) == expected
    rows = [Store(root).read_rows("trials", f.key)[0] for f in Store(root).list("trials")]
    assert sorted((row["i_ratio"], row["status"]) for row in rows) == [
        (0.5, "completed"),
        (1.0, "completed"),
    ]


@pytest.mark.slow
def test_a_node_that_is_lost(
    whole: dict[str, Any], raylets: Any, drive: Callable[..., Driver], tmp_path: Path
) -> None:
    """SIGKILL of the second raylet, its agents and the trial that it runs.

    The last test on this cluster: the trial waits for the CPU that is left.
    """
    root = tmp_path / "r"
    driver = drive()
    driver.wait_for(root, sn=1, sr=1)
    before = checkpointed(root)
    node = raylets.nodes[-1].pid
    family = descendants(node)
    lost = [i for i in (SN, SR) if holder(root, i) in family]
    assert len(lost) == 1, "each raylet runs one trial"
    first = attempt(root, lost[0])
    kill(node, *family)
    assert driver.wait() == 0, driver.said()
    assert attempt(root, lost[0]) != first
    assert_kept(root, before)
    assert results(root) == whole


def suspend(process: subprocess.Popen[str], root: Path) -> None:
    """Stops a worker, but not while it holds the lock of the owners' records: nobody else, on
    the same machine, could look at them until it goes on."""
    while True:
        process.send_signal(signal.SIGSTOP)
        with open(root / "claims/.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                process.send_signal(signal.SIGCONT)
                time.sleep(0.05)


@pytest.mark.slow
def test_a_worker_that_was_cut_off_writes_nothing_more(
    whole: dict[str, Any], environment: dict[str, str], tmp_path: Path
) -> None:
    root = tmp_path / "r"
    command = [sys.executable, "-c", WORKER, str(root), "2", "sr-static"]
    options: Any = {"env": environment, "stdout": subprocess.PIPE, "text": True}
    cut_off = subprocess.Popen(command, **options)
    wait_until(lambda: (root / f"checkpoints/{SR}/2.pt").exists(), 120)
    suspend(cut_off, root)
    held = attempt(root, SR)
    other = subprocess.Popen(command, **options)
    wait_until(lambda: (root / f"checkpoints/{SR}/6.pt").exists(), 120)
    cut_off.send_signal(signal.SIGCONT)
    said, _ = cut_off.communicate(timeout=60)
    assert said.split()[-1] == "superseded"
    assert other.wait(120) == 0
    other.communicate()
    assert attempt(root, SR) != held
    assert results(root, SR) == {key: value for key, value in whole.items() if SR in key}
    assert Store(root).list("claims") == []


@pytest.mark.slow
def test_an_outage_of_30_s_loses_nothing(
    whole: dict[str, Any],
    environment: dict[str, str],
    proxied: tuple[str, Any],
    tmp_path: Path,
) -> None:
    """Of a bucket in mid-sweep: driver and trials wait, and say so."""
    root, proxy = proxied
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    command = ("sweep.table1", *PLAN, f"--results={root}", "--json")
    driver = Driver(environment | keys, tmp_path / "log", *command)

    def under_way() -> bool:
        assert driver.process.poll() is None, driver.said()
        return any(e.get("iteration", 0) >= 2 for e in driver.events())

    wait_until(under_way, 200)
    near = root.replace(f":{proxy.port}", f":{proxy.target[1]}")
    proxy.cut()
    before = checkpointed(near)
    back = threading.Timer(30, proxy.restore)
    back.start()
    assert driver.wait() == 0, driver.said()
    back.join()
    notes = [event["text"] for event in driver.events() if event["event"] == "note"]
    begin, end = [note for note in notes if note.startswith("s3://")]
    assert "cannot be reached, trying again for up to 300 s" in begin
    assert "is back after" in end
    assert "goes on" in end
    assert_kept(near, before)
    assert results(near) == whole
    assert owned_keys(Store(near), "claims") == set()


def fill(disk: Path, left: int) -> None:
    """Takes the room of a disk but for `left` bytes."""
    with open(disk / "of somebody else", "ab", buffering=0) as file, contextlib.suppress(OSError):
        while (free := shutil.disk_usage(disk).free) > left:
            file.write(b"x" * (free - left))


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["full", "full for checkpoints", "read-only"])
def test_a_store_that_nobody_can_write_to_for_a_while(
    whole: dict[str, Any],
    environment: dict[str, str],
    sweep_disk: Path,
    remount: Callable[[Path, str], None],
    tmp_path: Path,
    fault: str,
) -> None:
    """The screen names it, also what a worker alone sees; then all goes on as if nothing was."""
    root = sweep_disk / "r"
    command = ("sweep.table1", *PLAN, f"--results={root}", "--json")
    driver = Driver(environment, tmp_path / "log", *command)

    def notes() -> list[str]:
        events = driver.events()
        return [e["text"] for e in events if e["event"] == "note" and str(root) in e["text"]]

    def keep_out() -> None:
        assert driver.process.poll() is None, driver.said()
        if fault == "read-only":
            remount(sweep_disk, "ro")
        else:
            # Room for a heartbeat, or for nothing; a write that fails gives back what it took.
            fill(sweep_disk, 32_768 if "checkpoints" in fault else 0)

    def status() -> str:
        keep_out()
        command = [sys.executable, "-m", "sweep.status", f"--results={root}"]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    def noted() -> bool:
        keep_out()
        return bool(notes())

    driver.wait_for(root, sn=1)
    wait_until(noted, 60)
    reason = "cannot be written" if fault == "read-only" else "has no room"
    assert f"{root} {reason}, trying again until" in notes()[0]
    wait_until(lambda: "trials wait" in " ".join(status().split()), 60)
    if fault == "read-only":
        remount(sweep_disk, "rw")
    else:
        (sweep_disk / "of somebody else").unlink()
    assert driver.wait() == 0, driver.said()
    assert "goes on" in notes()[-1]
    assert "Traceback" not in driver.said()
    assert results(root) == whole
    rows = Store(root).read_all("trials", [SN, SR])
    assert [row["failures"] for row in rows.values()] == [0, 0]
    assert Store(root).list("claims") == []


@pytest.mark.slow
def test_an_interrupt_while_the_store_is_read_only(
    whole: dict[str, Any],
    environment: dict[str, str],
    sweep_disk: Path,
    remount: Callable[[Path, str], None],
    tmp_path: Path,
) -> None:
    """It does not wait for the store; the next start takes what was left."""
    root = sweep_disk / "r"
    command = ("sweep.table1", *PLAN, f"--results={root}", "--json")
    driver = Driver(environment, tmp_path / "log", *command)
    driver.wait_for(root, sn=1)
    remount(sweep_disk, "ro")
    wait_until(lambda: "cannot be written" in driver.said(), 60)
    kept = checkpointed(root)
    assert driver.end(signal.SIGINT) == 130, driver.said()
    assert "Traceback" not in driver.said()
    remount(sweep_disk, "rw")
    again = Driver(environment, tmp_path / "again", *command)
    assert again.wait() == 0, again.said()
    assert_kept(root, kept)
    assert results(root) == whole
