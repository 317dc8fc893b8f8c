"""A store that is away, full or read-only: a real S3 protocol behind a port that is cut off, and
a real file system without room or mounted again."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweep.store import ownership, retry
from sweep.store.ownership import Ownership, Superseded, acquire
from sweep.store.retry import FULL, READ_ONLY, UNREACHABLE, patiently, told_elsewhere, trouble
from sweep.store.store import Store, StoreError

OWNER = "claims/t.json"
PLAN = ("--profile=digits", "--settings=C_8-32", "--iterations=2")


@pytest.fixture(autouse=True)
def untroubled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_troubled", "_refused", "_line_times", "_recovered"):
        monkeypatch.setattr(retry, name, {})
    monkeypatch.setattr(retry, "FIRST_DELAY_SECONDS", 0.2)
    monkeypatch.setattr(retry, "LONGEST_DELAY_SECONDS", 1.0)


def wait_until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def calls_in_trouble() -> int:
    """How many calls were refused and wait. S3's own client tries a few times before that."""
    return sum(map(len, retry._troubled.values()))


@contextmanager
def outage(proxy: Any, *, calls: int = 1, seconds: float = 0.0) -> Iterator[None]:
    """The port is cut off on entry, and is back once so many calls of the block were refused and
    `seconds` later."""
    proxy.cut()
    errors: list[AssertionError] = []

    def end() -> None:
        try:
            wait_until(lambda: calls_in_trouble() >= calls)
            time.sleep(seconds)
        except AssertionError as error:
            errors.append(error)
        proxy.restore()

    ending = threading.Thread(target=end)
    ending.start()
    yield
    ending.join()
    assert errors == [], "the block was not refused"


def refused(errno_: int, *, writing: bool) -> StoreError:
    error = StoreError("cannot do it")
    error.errno, error.writing = errno_, writing
    return error


AWS = "When uploading object with key 'r/x' in bucket 'b': AWS Error "


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FULL),
        (OSError(errno.ESTALE, "Stale file handle"), UNREACHABLE),
        (OSError(errno.EIO, "Input/output error"), UNREACHABLE),
        (OSError(errno.ENOTCONN, "Transport endpoint is not connected"), UNREACHABLE),
        (OSError(errno.EROFS, "Read-only file system"), READ_ONLY),
        (refused(errno.EACCES, writing=True), READ_ONLY),
        (refused(errno.EPERM, writing=True), READ_ONLY),
        (refused(errno.EACCES, writing=False), None),
        (OSError(AWS + "NETWORK_CONNECTION during PutObject operation: curlCode: 7"), UNREACHABLE),
        (OSError(AWS + "SLOW_DOWN during PutObject operation: m"), UNREACHABLE),
        (OSError(AWS + "UNKNOWN (HTTP status 503) during HeadObject operation"), UNREACHABLE),
        (OSError(AWS + "UNKNOWN (HTTP status 429) during PutObject operation"), UNREACHABLE),
        (OSError(AWS + "UNKNOWN (HTTP status 400) during HeadObject operation"), None),
        (OSError(AWS + "ACCESS_DENIED during PutObject operation: m"), None),
        (OSError(AWS + "NO_SUCH_BUCKET during PutObject operation: 503 m"), None),
        (PermissionError(errno.EACCES, "Permission denied"), None),
    ],
)
def test_what_passes_by_itself(error: OSError, kind: str | None) -> None:
    assert trouble(error) == kind


def test_an_outage_is_waited_out_and_said_once(
    proxied: tuple[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    root, proxy = proxied
    store = Store(root, 60)
    store.write("sweeps/a.json", b"1")
    with outage(proxy):
        assert store.read("sweeps/a.json") == b"1"
        store.write("sweeps/a.json", b"2")
    assert [file.key for file in store.list("sweeps")] == ["a"]
    assert store.read("sweeps/a.json") == b"2"
    begin, end = capsys.readouterr().err.splitlines()
    assert re.search(r"cannot be reached, trying again for up to 60 s: .*curlCode", begin)
    assert re.search(r" is back after \d+ s: what waited for it goes on$", end)


def test_a_store_that_refuses_otherwise_is_back_too(capsys: pytest.CaptureFixture[str]) -> None:
    """As when the ownership went to another start during the outage."""
    answers = iter([OSError(errno.ESTALE, "Stale file handle"), Superseded("taken over")])

    def action() -> None:
        raise next(answers)

    with pytest.raises(Superseded):
        retry.patiently(action, "place", 60)
    assert "place is back after" in capsys.readouterr().err
    assert retry.got_through_within("place", 60)


def test_patience_ends(proxied: tuple[str, Any]) -> None:
    root, proxy = proxied
    store = Store(root, 2)
    proxy.cut()
    start = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot read sweeps/a\.json in s3://.*curlCode"):
        store.read("sweeps/a.json")
    assert 2 <= time.monotonic() - start < 100
    proxy.restore()
    assert store.read("sweeps/a.json") is None


def test_a_reader_is_told_at_once(
    proxied: tuple[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    root, proxy = proxied
    proxy.cut()
    start = time.monotonic()
    for ask in (lambda: Store(root).list("trials"), Store(root, 300).check_writable):
        with pytest.raises(StoreError, match="NETWORK_CONNECTION"):
            ask()
    assert time.monotonic() - start < 100
    assert capsys.readouterr().err == ""
    proxy.restore()


def test_secrets_are_not_in_errors(proxied: tuple[str, Any]) -> None:
    root, proxy = proxied
    proxy.cut()
    with pytest.raises(StoreError) as caught:
        Store(root.replace("s3://", "s3://AKIA123:hush@")).check_writable()
    assert "hush" not in str(caught.value)
    proxy.restore()


def acquired(store: Store, **options: Any) -> Ownership:
    owned = acquire(store, OWNER, **options)
    assert owned is not None
    return owned


def heartbeat(store: Store) -> datetime:
    owner = ownership.read_owner(store, OWNER)
    assert owner is not None
    return datetime.fromisoformat(owner["heartbeat"])


@pytest.mark.slow
def test_an_outage_longer_than_a_heartbeat_lasts_supersedes_nobody(
    proxied: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "STALE_SECONDS", 4.0)
    root, proxy = proxied
    holder = acquired(Store(root, 60), every=0.2)
    waiting = threading.Event()
    ownerships: list[Ownership] = []

    def wait() -> None:
        ownerships.append(acquired(Store(root, 60), waiting=lambda record: waiting.set()))

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert waiting.wait(60)
    with outage(proxy, calls=3, seconds=4.5):  # of the write, the heartbeat and the waiter
        holder.write("samples/t/0.png", b"in the middle")
    back = datetime.now(UTC)
    near = Store(root, 60)
    wait_until(lambda: heartbeat(near) > back)
    holder.check()
    assert ownerships == []
    holder.release()
    waiter.join(60)
    assert len(ownerships) == 1
    ownerships[0].release()


def test_who_was_superseded_during_an_outage_writes_nothing(proxied: tuple[str, Any]) -> None:
    """The ownership goes to one who still reaches the store."""
    root, proxy = proxied
    near = Store(root.replace(f":{proxy.port}", f":{proxy.target[1]}"))
    cut_off = acquired(Store(root, 60), every=0.2)
    cut_off.write("samples/t/0.png", b"first")
    proxy.cut()
    errors: list[BaseException] = []

    def write() -> None:
        try:
            cut_off.write("samples/t/0.png", b"second")
        except Superseded as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    # The write and the heartbeat: neither has anything under way any more that could land late.
    wait_until(lambda: calls_in_trouble() == 2)
    foreign = b'{"attempt": "another", "heartbeat": "%s"}' % datetime.now(UTC).isoformat().encode()
    near.write(OWNER, foreign)
    proxy.restore()
    writer.join(60)
    assert len(errors) == 1
    cut_off.release()
    assert near.read("samples/t/0.png") == b"first"
    assert near.read(OWNER) == foreign


def test_a_full_disk_is_waited_for(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(small_disk / "results", 60)
    store.write("checkpoints/t/1.pt", b"1" * 300_000)
    (small_disk / "of somebody else").write_bytes(b"x" * 600_000)
    owned = acquired(store, every=600)  # a heartbeat could be refused first
    writer = threading.Thread(target=owned.write, args=("checkpoints/t/1.pt", b"2" * 400_000))
    writer.start()
    wait_until(calls_in_trouble)
    assert writer.is_alive()
    # A reader sees the old file whole; what was begun is not even left as a temporary file.
    assert Store(small_disk / "results").read("checkpoints/t/1.pt") == b"1" * 300_000
    assert [path.name for path in (small_disk / "results/checkpoints/t").iterdir()] == ["1.pt"]
    (small_disk / "of somebody else").unlink()
    writer.join(60)
    assert not writer.is_alive()
    assert store.read("checkpoints/t/1.pt") == b"2" * 400_000
    owned.release()
    assert store.list("claims") == []
    begin, end = capsys.readouterr().err.splitlines()
    assert f"{small_disk}/results has no room, trying again until there is: cannot write" in begin
    assert re.search(r"checkpoints/t/1\.pt, 400000 bytes, .* \(\d+ bytes are free\)$", begin)
    assert end.startswith(f"{small_disk}/results is back after")


def test_a_read_only_store_is_waited_for(
    small_disk: Path, remount: Callable[[Path, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """By who writes, by the heartbeat, and by who gives its ownership up."""
    store = Store(small_disk / "results", 60)
    owned = acquired(store, every=600)
    owned.write("samples/t/0.png", b"1")
    remount(small_disk, "ro")

    def write() -> None:
        with suppress(Superseded):  # of the two that wait, any may be the first to go on
            owned.write("samples/t/0.png", b"2")

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(calls_in_trouble)
    begin = capsys.readouterr().err
    assert f"{small_disk}/results cannot be written, trying again until it can: " in begin
    assert "cannot write samples/t/0.png, 1 bytes, in" in begin
    assert "Read-only file system" in begin
    ending = threading.Thread(target=owned.release)
    ending.start()
    wait_until(lambda: calls_in_trouble() == 2)
    assert store.read("samples/t/0.png") == b"1"
    # Who still owns nothing does not wait at the start.
    with pytest.raises(StoreError, match=r"cannot write results to .*Read-only"):
        store.check_writable()
    remount(small_disk, "rw")
    writer.join(60)
    ending.join(60)
    assert store.list("claims") == []
    assert "is back after" in capsys.readouterr().err


def test_who_is_interrupted_does_not_wait_for_a_read_only_store(
    small_disk: Path, remount: Callable[[Path, str], None]
) -> None:
    """Neither for its heartbeat, which does wait."""
    owned = acquired(Store(small_disk / "results", 600), every=0.05)
    remount(small_disk, "ro")
    wait_until(calls_in_trouble)
    ending = threading.Thread(target=owned.release, args=("interrupted",), kwargs={"wait": False})
    ending.start()
    ending.join(60)
    assert not ending.is_alive()
    assert calls_in_trouble() == 0
    remount(small_disk, "rw")
    record = ownership.read_owner(Store(small_disk / "results"), OWNER)
    assert record is not None
    assert "state" not in record, "as one that was killed leaves it"


def test_who_is_waited_for_gives_a_full_disk_up(small_disk: Path) -> None:
    """A request to a sweep, from a command or the service."""
    with pytest.raises(StoreError, match="No space left"):
        Store(small_disk / "results", 1.0).write("sweeps/s.control.json", b"1" * 2_000_000)


class Refusals:
    """An action that is refused so many times."""

    def __init__(self, count: int, error: OSError) -> None:
        self.left, self.error = count, error

    def __call__(self) -> None:
        self.left -= 1
        if self.left >= 0:
            raise self.error


def test_a_trouble_that_lasts_is_said_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(retry, "LONGEST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(retry, "REPEAT_SECONDS", 0.0)
    full = OSError(errno.ENOSPC, "No space left on device")
    patiently(Refusals(3, full), "here", 60)
    *lines, end = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[-1].startswith("here has no room, for 0 s now, trying again until there is: ")
    assert end == "here is back after 0 s: what waited for it goes on"
    with told_elsewhere():
        patiently(Refusals(3, full), "here", 60)
    assert capsys.readouterr().err == ""
    assert retry.troubles() == []
    assert retry.got_through_within("here", 60)


def test_a_call_that_gives_up_is_not_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY_SECONDS", 0.01)
    with pytest.raises(TimeoutError):
        patiently(Refusals(10**6, TimeoutError(errno.ETIMEDOUT, "no answer")), "there", 0.1)
    (begin,) = capsys.readouterr().err.splitlines()
    assert begin.startswith("there cannot be reached, trying again for up to 0 s: ")
    assert retry.troubles() == []
    assert not retry.got_through_within("there", 60)


def test_without_patience_a_full_disk_is_an_error(small_disk: Path) -> None:
    with pytest.raises(StoreError, match=r"No space left on device \(\d+ bytes are free\)"):
        Store(small_disk / "results").write("checkpoints/t/1.pt", b"1" * 2_000_000)
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []


@pytest.fixture(scope="module")
def guarded(environment: dict[str, str]) -> Iterator[str]:
    """An S3 server in a process of its own that knows no key at all."""
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        env=environment | {"INITIAL_NO_AUTH_ACTION_COUNT": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    port = None
    while port is None and (line := server.stderr.readline()):
        port = re.search(r"http://127\.0\.0\.1:(\d+)", line)
    assert port is not None
    yield f"s3://sweeps/r?endpoint_override=127.0.0.1:{port[1]}&scheme=http&region=us-east-1"
    server.kill()
    server.communicate()


def test_wrong_credentials_fail_before_training(
    guarded: str, table1: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    run = table1(*PLAN, f"--results={guarded}", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1), run.stderr
    assert "cannot write results to s3://sweeps/r" in run.stderr
    assert "INVALID_ACCESS_KEY_ID" in run.stderr


@pytest.mark.parametrize("wrong", ["bucket", "port"])
def test_a_bucket_or_server_that_is_not_there_fails_before_training(
    s3_root: str, table1: Callable[..., subprocess.CompletedProcess[str]], wrong: str
) -> None:
    root = s3_root.replace("//sweeps", f"//none-{uuid.uuid4().hex}")
    if wrong == "port":
        root = re.sub(r":\d+&", ":1&", s3_root)
    start = time.monotonic()
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    run = table1(*PLAN, f"--results={root}", **keys)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1), run.stderr
    assert ("NO_SUCH_BUCKET" if wrong == "bucket" else "NETWORK_CONNECTION") in run.stderr
    assert time.monotonic() - start < 60
