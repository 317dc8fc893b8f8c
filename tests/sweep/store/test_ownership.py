from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sweep.store import ownership as ownership_module
from sweep.store import watch
from sweep.store.ownership import Ownership, Superseded, acquire, is_live, read_owner
from sweep.store.processes import own_record, process_started
from sweep.store.store import Store

PATH = "claims/t.json"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def acquired(store: Store, **options) -> Ownership:
    ownership = acquire(store, PATH, **options)
    assert ownership is not None
    return ownership


HOLD = f"""
import sys, time
from sweep.results import Store
from sweep.store.ownership import acquire
acquire(Store(sys.argv[1]), {PATH!r})
print("held", flush=True)
time.sleep(120)
"""


@contextmanager
def holding(
    store: Store, environment: dict[str, str], *prefix: str
) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the file until it is killed."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", HOLD, store.root],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def holder(store: Store, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with holding(store, environment) as process:
        yield process


def test_the_record_says_who_owns_the_files(store: Store) -> None:
    ownership = acquired(store, sweep="s")
    record = read_owner(store, PATH)
    assert record is not None
    assert record["attempt"] == ownership.attempt
    assert (record["pid"], record["pid_started"]) == (os.getpid(), process_started(os.getpid()))
    assert record["machine"] == own_record()["machine"]
    assert record["sweep"] == "s"
    assert datetime.fromisoformat(record["heartbeat"]).tzinfo is not None
    ownership.release()
    assert read_owner(store, PATH) is None


def test_a_live_owner_is_waited_for(store: Store, holder: subprocess.Popen[str]) -> None:
    assert acquire(store, PATH, wait=False) is None
    holder_pids: list[int] = []
    ownerships: list[Ownership] = []

    def wait() -> None:
        ownerships.append(
            acquired(store, waiting=lambda record: holder_pids.append(record["pid"]))
        )

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(1.5)
    assert holder_pids == [holder.pid]
    assert ownerships == []
    # Killed and not yet waited for: a zombie writes no more, and counts as gone.
    os.kill(holder.pid, signal.SIGKILL)
    waiter.join(10)
    assert len(ownerships) == 1
    ownerships[0].release()


def test_a_process_that_is_gone_loses_its_ownership_at_once(
    store: Store, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait(10)
    before = time.monotonic()
    acquired(store, wait=False).release()
    assert time.monotonic() - before < 5  # and not after the 60 s of a heartbeat


def record_of(**fields) -> dict:
    base = {"attempt": "x", "heartbeat": datetime.now(UTC).isoformat()}
    return base | own_record() | fields


def hours_from_now(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


@pytest.fixture
def short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner is dead after a second without a change."""
    monkeypatch.setattr(ownership_module, "STALE_SECONDS", 1.0)


def test_a_live_owner_whose_clock_is_behind_is_not_superseded(store: Store) -> None:
    """Nor does the contender's clock decide, which is ahead of it by as much."""
    record = record_of(host="elsewhere", heartbeat=hours_from_now(-1))
    store.write(PATH, json.dumps(record).encode())
    assert acquire(store, PATH, wait=False) is None
    assert read_owner(store, PATH) == record


@pytest.mark.usefixtures("short_silence")
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_silent_owner_elsewhere_is_dead_whatever_its_clock_says(
    store: Store, hours: float
) -> None:
    record = record_of(host="elsewhere", heartbeat=hours_from_now(hours))
    store.write(PATH, json.dumps(record).encode())
    start = time.monotonic()
    acquired(store).release()
    assert 1 < time.monotonic() - start < 20


@pytest.mark.usefixtures("short_silence")
def test_an_owner_that_beats_lives_whatever_its_clock_says(store: Store) -> None:
    end, beats = time.monotonic() + 2, itertools.count()
    while time.monotonic() < end:
        heartbeat = f"2001-01-01T00:00:00.{next(beats):06d}+00:00"
        record = record_of(host="elsewhere", heartbeat=heartbeat)
        store.write(PATH, json.dumps(record).encode())
        assert acquire(store, PATH, wait=False) is None
        time.sleep(0.2)


@pytest.mark.usefixtures("short_silence")
def test_what_another_contender_saw_is_not_waited_for_again(store: Store) -> None:
    store.write(PATH, json.dumps(record_of(host="elsewhere")).encode())
    assert acquire(store, PATH, wait=False) is None
    seen = watch.sighting(store, PATH)
    assert seen is not None
    watch.forget(store, PATH)
    watch.remember(store, PATH, {**seen, "seconds": 2.0})
    acquired(store, wait=False).release()


@pytest.mark.usefixtures("short_silence")
def test_a_record_without_the_words_of_one_is_waited_for_and_then_free(store: Store) -> None:
    store.write(PATH, b'{"host": 3, "heartbeat": null}')
    assert acquire(store, PATH, wait=False) is None
    acquired(store).release()


def test_another_pid_namespace_is_another_machine(
    store: Store, environment: dict[str, str]
) -> None:
    """Two containers on one host: the holder's pid means another process here, or none."""
    unshare = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    refused = subprocess.run([*unshare, "true"], capture_output=True, text=True, check=False)
    if refused.returncode:
        pytest.skip(f"no PID namespace can be made here: {refused.stderr.strip()}")
    with holding(store, environment, *unshare):
        record = read_owner(store, PATH)
        assert record is not None
        assert record["host"] == os.uname().nodename
        assert acquire(store, PATH, wait=False) is None
        assert is_live(record)


@pytest.mark.usefixtures("without_locks")
def test_a_file_system_without_locks_is_owned_as_an_object_store_is(store: Store) -> None:
    first = acquired(store)
    assert acquire(store, PATH, wait=False) is None
    first.write("samples/t/0.png", b"1")
    first.release()
    second = acquired(store, wait=False)
    store.write(PATH, json.dumps(record_of(attempt="another")).encode())
    with pytest.raises(Superseded):
        second.check()
    second.release()


def test_when_an_owner_is_live() -> None:
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
    ownership = acquired(store, every=0.1)
    ownership.write("samples/t/0.png", b"first")
    foreign = record_of(attempt="another")
    store.write(PATH, json.dumps(foreign).encode())
    with pytest.raises(Superseded, match=r"claims/t\.json was taken over"):
        ownership.write("samples/t/0.png", b"second")
    with pytest.raises(Superseded):
        ownership.write_rows("trials", "t", [{"trial_id": "t"}])
    with pytest.raises(Superseded):
        ownership.delete("samples/t/0.png")
    time.sleep(0.3)
    ownership.release()
    assert store.read("samples/t/0.png") == b"first"
    assert read_owner(store, PATH) == foreign, "heartbeat and release leave the new owner alone"


def test_the_heartbeat_goes_on_and_tells(store: Store) -> None:
    ownership = acquired(store, every=0.1)
    first = read_owner(store, PATH)
    ownership.tell(counts={"running": 2})
    time.sleep(0.5)
    second = read_owner(store, PATH)
    ownership.release(state="finished")
    last = read_owner(store, PATH)
    assert first is not None
    assert second is not None
    assert last is not None
    assert second["heartbeat"] > first["heartbeat"]
    assert second["counts"] == last["counts"] == {"running": 2}
    assert last["state"] == "finished"
    acquired(store, wait=False).release()


def test_of_many_starts_one_becomes_the_owner(store: Store, environment: dict[str, str]) -> None:
    """All find the record of a dead process; only one may take it over."""
    store.write(PATH, json.dumps(record_of(pid_started=1)).encode())
    code = (
        "import sys, time\n"
        "from sweep.results import Store\n"
        "from sweep.store.ownership import acquire\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        f"owned = acquire(Store(sys.argv[1]), {PATH!r}, wait=False)\n"
        "print('none' if owned is None else owned.attempt, flush=True); sys.stdin.readline()"
    )
    start_time = str(time.time() + 3)
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, store.root, start_time],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    attempts = [start.stdout.readline().strip() for start in starts if start.stdout]
    record = read_owner(store, PATH)
    for start in starts:
        start.communicate("\n", timeout=30)
    assert record is not None
    assert sorted(attempts) == sorted(["none"] * 3 + [record["attempt"]])


def test_ownership_in_a_bucket(bucket_root: str) -> None:
    store = Store(bucket_root)
    first = acquired(store)
    assert acquire(store, PATH, wait=False) is None
    first.write("samples/t/0.png", b"1")
    store.write(PATH, json.dumps(record_of(attempt="another")).encode())
    with pytest.raises(Superseded):
        first.write("samples/t/0.png", b"2")
    first.release()
    assert store.read("samples/t/0.png") == b"1"


def test_a_file_that_names_no_owner_is_free(store: Store) -> None:
    store.write(PATH, b"{half")
    acquired(store, wait=False).release()
