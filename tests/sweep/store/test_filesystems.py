"""Files replaced whole, and objects that others replace between two requests of one read."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest

from sweep.store.filesystems import READS, obstacle, room_left
from sweep.store.store import Store, StoreError
from sweep.store.tables import columns, file_of

PATH = "evaluations/a.parquet"


class Raced:
    """A file system where something happens each time that an object's size has been asked."""

    def __init__(self, fs: pafs.FileSystem, happens: Callable[[], object]) -> None:
        self.fs, self.happens = fs, happens
        self.opened, self.asked = 0, 0

    def open_input_file(self, path: str) -> Any:
        stream = self.fs.open_input_file(path)
        self.opened += 1
        self.happens()
        return stream

    def get_file_info(self, path: str) -> Any:
        self.asked += 1
        return self.fs.get_file_info(path)


@pytest.fixture
def bucket(bucket_root: str) -> Store:
    return Store(bucket_root)


def raced(store: Store, happens: Callable[[], object]) -> tuple[Store, Raced]:
    reader = store.hasty()
    fs = Raced(store.fs, happens)
    reader.fs = fs  # pyright: ignore[reportAttributeAccessIssue] - has the methods that are called
    return reader, fs


def evaluations(rows: int) -> bytes:
    stored = [{"trial_id": "a", "iteration": 50 * k, "seconds": k / 7} for k in range(rows)]
    return file_of("evaluations", columns("evaluations", stored))


@pytest.mark.parametrize(("before", "after"), [(2, 40), (40, 2), (9, 9)])
def test_of_a_table_replaced_meanwhile_the_newer_is_read(
    bucket: Store, before: int, after: int
) -> None:
    bucket.write(PATH, evaluations(before))
    reader, _ = raced(bucket, lambda: bucket.write(PATH, evaluations(after)))
    stored = reader.read_table("evaluations", "a")
    assert stored is not None
    assert stored["iteration"].to_pylist() == [50 * k for k in range(after)]


@pytest.mark.parametrize("after", [b'{"state": "a longer one"}', b"{}"])
def test_of_a_text_replaced_meanwhile_the_newer_is_read(bucket: Store, after: bytes) -> None:
    bucket.write("sweeps/a.json", b'{"state": "x"}')
    reader, fs = raced(bucket, lambda: bucket.write("sweeps/a.json", after))
    assert reader.read("sweeps/a.json") == after
    assert fs.opened == 2


def test_a_whole_table_is_read_once_and_not_asked_about(bucket: Store) -> None:
    bucket.write(PATH, evaluations(3))
    reader, fs = raced(bucket, lambda: None)
    assert reader.read(PATH) == evaluations(3)
    assert (fs.opened, fs.asked) == (1, 0)


def test_of_an_object_deleted_meanwhile_there_is_none(bucket: Store) -> None:
    bucket.write("claims/a.json", b"{}")
    reader, _ = raced(bucket, lambda: bucket.delete("claims/a.json"))
    assert reader.read("claims/a.json") is None


def test_an_object_that_never_stands_still_is_given_up(bucket: Store) -> None:
    text = b"1"
    bucket.write("sweeps/a.json", text)

    def grow() -> None:
        nonlocal text
        text += b"1"
        bucket.write("sweeps/a.json", text)

    reader, fs = raced(bucket, grow)
    with pytest.raises(StoreError, match=r"cannot read sweeps/a\.json .* replaced each of the 5"):
        reader.read("sweeps/a.json")
    assert fs.opened == READS


def test_a_folder_of_temporary_files_that_is_removed_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    original = os.makedirs

    def makedirs(folder: str, exist_ok: bool) -> None:
        original(folder, exist_ok=exist_ok)
        made.append(folder)
        if made.count(f"{tmp_path}/.tmp") in (1, 2) and folder.endswith(".tmp"):
            os.rmdir(folder)

    monkeypatch.setattr(os, "makedirs", makedirs)
    Store(tmp_path).write("trials/a.parquet", b"x")
    assert made.count(f"{tmp_path}/.tmp") == 3
    assert Store(tmp_path).read("trials/a.parquet") == b"x"


def test_a_file_on_another_file_system_than_the_temporary_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.replace

    def replace(source: str, target: str) -> None:
        if "/.tmp/" in source:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        original(source, target)

    monkeypatch.setattr(os, "replace", replace)
    Store(tmp_path).write("trials/a.parquet", b"x")
    assert [path.name for path in (tmp_path / "trials").iterdir()] == ["a.parquet"]
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_what_keeps_writers_out_is_seen_without_writing(
    small_disk: Path, remount: Callable[[Path, str], None]
) -> None:
    assert obstacle(str(small_disk)) is None
    with contextlib.suppress(OSError):
        (small_disk / "of somebody else").write_bytes(b"x" * 2_000_000)
    assert obstacle(str(small_disk)) == "has no room (0 bytes are free)"
    remount(small_disk, "ro")
    assert obstacle(str(small_disk)) == "is read-only"
    assert obstacle(str(small_disk / "nowhere")) is None


def test_a_disk_without_room_for_a_file_more_says_so(small_disk: Path) -> None:
    remounting = ["mount", "-o", "remount,nr_inodes=3", str(small_disk)]
    subprocess.run(remounting, check=True)
    assert room_left(str(small_disk)).endswith("bytes are free")
    with contextlib.suppress(OSError):
        for place in range(4):
            (small_disk / f"{place}").touch()
    assert room_left(str(small_disk)) == "no more files fit"
    assert obstacle(str(small_disk)) == "has no room (no more files fit)"


WRITE = """
import os, sys, time
from sweep.store.store import Store
os.replace = lambda *names: (print("written", flush=True), time.sleep(120))
Store(sys.argv[1]).write("trials/a.parquet", b"half")
"""


def test_the_next_start_removes_what_a_killed_writer_left(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(tmp_path)], env=environment, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        writer.stdout.close()
    (tmp_path / ".tmp/trials.b.parquet.7-8-another").write_bytes(b"")
    (tmp_path / ".tmp/trials.b.parquet.7").write_bytes(b"")
    killed, live = writers
    killed.kill()
    killed.wait(10)
    Store(tmp_path).check_writable()
    left = sorted(path.name for path in (tmp_path / ".tmp").iterdir())
    live.kill()
    live.wait(10)
    assert left[0].startswith(f"trials.a.parquet.{live.pid}-")
    assert left[1:] == ["trials.b.parquet.7", "trials.b.parquet.7-8-another"]
    Store(tmp_path).check_writable()
    assert len(list((tmp_path / ".tmp").iterdir())) == 2
