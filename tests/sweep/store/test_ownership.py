from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sweep.store.ownership import Claim, Superseded, acquire, is_live, process_started, read
from sweep.store.store import Store

PATH = "claims/t.json"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def held(store: Store, **options) -> Claim:
    claim = acquire(store, PATH, **options)
    assert claim is not None
    return claim


@pytest.fixture
def holder(store: Store, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the claim until it is killed."""
    code = (
        "import sys, time\n"
        "from sweep.results import Store\n"
        "from sweep.store.ownership import acquire\n"
        f"acquire(Store(sys.argv[1]), {PATH!r}); print('held', flush=True); time.sleep(120)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, store.root],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait(10)
    process.stdout.close()


def test_a_claim_says_who_holds_it(store: Store) -> None:
    claim = held(store, sweep="s")
    record = read(store, PATH)
    assert record is not None
    assert record["attempt"] == claim.attempt
    assert (record["pid"], record["pid_started"]) == (os.getpid(), process_started(os.getpid()))
    assert record["sweep"] == "s"
    assert datetime.fromisoformat(record["heartbeat"]).tzinfo is not None
    claim.release()
    assert read(store, PATH) is None


def test_a_live_claim_is_waited_for(store: Store, holder: subprocess.Popen[str]) -> None:
    assert acquire(store, PATH, wait=False) is None
    told: list[int] = []
    taken: list[Claim] = []

    def wait() -> None:
        taken.append(held(store, waiting=lambda record: told.append(record["pid"])))

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(1.5)
    assert told == [holder.pid]
    assert taken == []
    # Killed and not yet waited for: a zombie writes no more, and counts as gone.
    os.kill(holder.pid, signal.SIGKILL)
    waiter.join(10)
    assert len(taken) == 1
    taken[0].release()


def test_a_process_that_is_gone_loses_its_claim_at_once(
    store: Store, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait(10)
    before = time.monotonic()
    held(store, wait=False).release()
    assert time.monotonic() - before < 5  # and not after the 60 s of a heartbeat


def record_of(**says) -> dict:
    base = {
        "attempt": "x",
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "pid_started": process_started(os.getpid()),
        "heartbeat": datetime.now(UTC).isoformat(),
    }
    return base | says


def test_when_a_claim_is_live() -> None:
    old = (datetime.now(UTC) - timedelta(seconds=61)).isoformat()
    recent = (datetime.now(UTC) - timedelta(seconds=50)).isoformat()
    assert is_live(record_of())
    assert is_live(record_of(heartbeat=recent))
    assert is_live(record_of(host="elsewhere", pid=1, pid_started=1))
    assert not is_live(record_of(heartbeat=old))
    assert not is_live(record_of(host="elsewhere", heartbeat=old))
    assert not is_live(record_of(pid_started=1)), "a reused pid is not the holder"
    assert not is_live(record_of(state="finished"))


def test_a_superseded_writer_writes_nothing_more(store: Store) -> None:
    claim = held(store, every=0.1)
    claim.write("samples/t/0.png", b"first")
    other = record_of(attempt="another")
    store.write(PATH, json.dumps(other).encode())
    with pytest.raises(Superseded, match=r"claims/t\.json was taken over"):
        claim.write("samples/t/0.png", b"second")
    with pytest.raises(Superseded):
        claim.write_rows("trials", "t", [{"trial_id": "t"}])
    with pytest.raises(Superseded):
        claim.delete("samples/t/0.png")
    time.sleep(0.3)
    claim.release()
    assert store.read("samples/t/0.png") == b"first"
    assert read(store, PATH) == other, "neither its heartbeat nor its release touch the new claim"


def test_the_heartbeat_goes_on_and_tells(store: Store) -> None:
    claim = held(store, every=0.1)
    first = read(store, PATH)
    claim.tell(counts={"running": 2})
    time.sleep(0.5)
    second = read(store, PATH)
    claim.release(state="finished")
    last = read(store, PATH)
    assert first is not None
    assert second is not None
    assert last is not None
    assert second["heartbeat"] > first["heartbeat"]
    assert second["counts"] == last["counts"] == {"running": 2}
    assert last["state"] == "finished"
    held(store, wait=False).release()


def test_of_many_starts_one_holds_the_claim(store: Store, environment: dict[str, str]) -> None:
    """All find the claim of a dead process; only one may take it over."""
    store.write(PATH, json.dumps(record_of(pid_started=1)).encode())
    code = (
        "import sys, time\n"
        "from sweep.results import Store\n"
        "from sweep.store.ownership import acquire\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        f"claim = acquire(Store(sys.argv[1]), {PATH!r}, wait=False)\n"
        "print('none' if claim is None else claim.attempt, flush=True); sys.stdin.readline()"
    )
    at = str(time.time() + 3)
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, store.root, at],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = [start.stdout.readline().strip() for start in starts if start.stdout]
    record = read(store, PATH)
    for start in starts:
        start.communicate("\n", timeout=30)
    assert record is not None
    assert sorted(said) == sorted(["none"] * 3 + [record["attempt"]])


def test_a_claim_in_a_bucket(bucket_root: str) -> None:
    store = Store(bucket_root)
    first = held(store)
    assert acquire(store, PATH, wait=False) is None
    first.write("samples/t/0.png", b"1")
    store.write(PATH, json.dumps(record_of(attempt="another")).encode())
    with pytest.raises(Superseded):
        first.write("samples/t/0.png", b"2")
    first.release()
    assert store.read("samples/t/0.png") == b"1"


def test_what_is_no_claim_is_free(store: Store) -> None:
    store.write(PATH, b"{half")
    held(store, wait=False).release()
