"""Contract of every kind of root: a folder, and a bucket behind a real S3 protocol."""

from __future__ import annotations

import io
import math
import os
import pickle
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sweep.store.retry import UNREACHABLE, trouble
from sweep.store.schemas import SCHEMA_VERSION, SCHEMAS
from sweep.store.store import Store, StoreError
from sweep.store.tables import columns, parse, rows_by_key
from tests.conftest import free_port
from tests.sweep.store.rows import trial_row

TIME = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Store(tmp_path / "results")
    return Store(request.getfixturevalue("bucket_root"))


def test_a_file_is_replaced_whole(store: Store) -> None:
    assert store.read("sweeps/a.json") is None
    store.write("sweeps/a.json", b"1" * 100)
    store.write("sweeps/a.json", b"2")
    assert store.read("sweeps/a.json") == b"2"


def test_files_are_listed_by_name_without_what_is_hidden(store: Store) -> None:
    assert store.list("samples/x") == []
    for name in ("b.png", "a.png", ".a.png.tmp"):
        store.write(f"samples/x/{name}", b"abc")
    files = store.list("samples/x")
    assert [(f.path, f.size, f.key) for f in files] == [
        ("samples/x/a.png", 3, "a"),
        ("samples/x/b.png", 3, "b"),
    ]
    assert all(file.mtime_ns > 0 for file in files)


def test_a_file_is_removed(store: Store) -> None:
    store.write("claims/a.json", b"1")
    store.delete("claims/a.json")
    store.delete("claims/a.json")
    assert store.read("claims/a.json") is None


def test_an_update_is_made_of_what_is_there(store: Store) -> None:
    for changed, stored in ((b"1", b"1"), (b"12", b"12"), (None, b"12")):
        before: list[bytes | None] = []

        def change(content: bytes | None, changed=changed, before=before) -> bytes | None:
            before.append(content)
            return changed

        expected = store.read("sweeps/a.json")
        store.update("sweeps/a.json", change)
        assert (before, store.read("sweeps/a.json")) == ([expected], stored)
    assert store.has_exclusive_updates("sweeps/a.json")
    assert store.read_at_once("sweeps/a.json") == b"12"
    assert store.read_at_once("sweeps/b.json") is None


def test_an_update_to_nothing_removes_a_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("sweeps/a.json", b"1")
    store.update("sweeps/a.json", lambda content: b"")
    assert store.read("sweeps/a.json") is None


def test_rows_come_back_as_they_were(store: Store) -> None:
    row = {
        "trial_id": "digits.C_8-32.sr-static.0.5.s0-00000000",
        "seed": 3,
        "best_fd_digits": math.nan,
        "started_at": datetime(2026, 1, 2, tzinfo=UTC),
    }
    store.write_rows("trials", row["trial_id"], [row])
    (stored,) = store.read_rows("trials", row["trial_id"])
    assert (stored["seed"], stored["started_at"]) == (3, row["started_at"])
    assert math.isnan(stored["best_fd_digits"])
    assert stored["best_fid"] is None
    assert list(store.read_all("trials", [row["trial_id"], "none"])) == [row["trial_id"]]
    assert [file.key for file in store.list("trials")] == [row["trial_id"]]


def test_an_unknown_column_is_refused_before_anything_is_written(store: Store) -> None:
    with pytest.raises(KeyError, match="sigma"):
        store.write_rows("trials", "a", [{"sigma": 1}])
    assert store.read_rows("trials", "a") == []


def test_a_file_of_an_older_schema_is_read_with_nulls(store: Store) -> None:
    old = pa.table({"trial_id": ["a"], "iteration": [5]})
    sink = io.BytesIO()
    pq.write_table(old, sink)
    store.write("evaluations/a.parquet", sink.getvalue())
    (row,) = store.read_rows("evaluations", "a")
    assert (row["iteration"], row["fid"], set(row)) == (5, None, set(SCHEMAS["evaluations"].names))


def test_a_file_of_schema_version_1_is_read_with_nulls(store: Store) -> None:
    """Version 1 had no stable ranks; losses of the hinge, no precision, no parent."""
    spectra = pa.schema(
        [
            pa.field("trial_id", pa.string()),
            pa.field("iteration", pa.int64()),
            pa.field("layer", pa.int64()),
            pa.field("singular_values", pa.list_(pa.float32())),
        ],
        metadata={"schema_version": "1"},
    )
    row = {"trial_id": "a", "iteration": 50, "layer": 3, "singular_values": [1.0, 0.5]}
    for table, stored in (
        ("spectra", pa.Table.from_pylist([row], schema=spectra)),
        ("evaluations", pa.table({"trial_id": ["a"], "iteration": [50], "modes": [12]})),
        ("trials", pa.table({"trial_id": ["a"], "seed": [0], "best_fd_digits": [900.0]})),
    ):
        sink = io.BytesIO()
        pq.write_table(stored, sink)
        store.write(f"{table}/a.parquet", sink.getvalue())
    assert store.read_rows("spectra", "a") == [row | {"stable_ranks": None}]
    (evaluation,) = store.read_rows("evaluations", "a")
    assert (evaluation["modes"], evaluation["d_test"], evaluation["gpu_memory"]) == (
        12,
        None,
        None,
    )
    (trial,) = store.read_rows("trials", "a")
    assert (trial["best_fd_digits"], trial["precision"], trial["parent"]) == (900.0, None, None)
    assert set(trial) == set(SCHEMAS["trials"].names)
    assert store.read_rows("outputs", "a") == []
    # What is read can be written again, in the current version.
    store.write_rows("spectra", "a", store.read_rows("spectra", "a"))
    assert store.read_rows("spectra", "a") == [row | {"stable_ranks": None}]


def test_some_columns_are_read_in_the_order_asked_for() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"trial_id": ["a"], "iteration": pa.array([5], pa.int32())}), sink)
    names = ["iteration", "fid", "trial_id"]
    table = parse(sink.getvalue(), "evaluations", names)
    assert table.to_pylist() == [{"iteration": 5, "fid": None, "trial_id": "a"}]
    assert table.schema.names == names
    with pytest.raises(KeyError, match="sigma"):
        parse(sink.getvalue(), "evaluations", ["sigma"])


@pytest.mark.parametrize("bad", [[], ["b"], ["a", "c"], ["a", "b", "c"]])
def test_rows_of_many_tables_leave_out_what_cannot_be_read(bad: list[str], with_host) -> None:
    tables = {
        key: with_host(
            columns("trials", [trial_row(trial_id=key)]), b"\xff" if key in bad else b"here"
        )
        for key in "abc"
    }
    rows, unreadable = rows_by_key(tables)
    assert [*rows] == [key for key in "abc" if key not in bad]
    assert all(row["trial_id"] == key and row["host"] == "here" for key, row in rows.items())
    assert [*unreadable] == bad
    assert all("utf-8" in problem for problem in unreadable.values())


def test_a_row_that_breaks_a_rule_is_left_out_with_the_reason() -> None:
    odd = {"a": {}, "b": {"iterations": 0}, "c": {"config": "[1]"}}
    tables = {
        key: columns("trials", [trial_row(trial_id=key, **changes)])
        for key, changes in odd.items()
    }
    rows, problems = rows_by_key(tables)
    assert [*rows] == ["a"]
    assert problems == {
        "b": "iterations is 0, where a whole number from 1 is needed",
        "c": "config is '[1]', where a JSON object, or null is needed",
    }


def test_rows_of_no_table_are_none() -> None:
    assert rows_by_key({}) == ({}, {})


def test_the_folders_of_a_folder(store: Store) -> None:
    assert store.folders("samples") == []
    for path in ("samples/b/0.png", "samples/a/0.png", "samples/a/1.png", "samples/c.png"):
        store.write(path, b"1")
    assert store.folders("samples") == ["a", "b"]


def test_the_single_rows_of_keys(store: Store) -> None:
    assert store.read_all("trials", ["a"]) == {}
    for key in "ab":
        store.write_rows("trials", key, [{"trial_id": key, "updated_at": TIME}])
    store.write_rows("trials", "empty", [])
    rows = store.read_all("trials", ["b", "none", "empty", "a"])
    assert {key: row["updated_at"] for key, row in rows.items()} == {"b": TIME, "a": TIME}
    assert rows["a"] == store.read_rows("trials", "a")[0]


def test_the_schema_version_is_in_the_file(store: Store) -> None:
    assert columns("trials", []).schema.metadata == {
        b"schema_version": str(SCHEMA_VERSION).encode()
    }


def test_a_store_travels_to_a_worker(store: Store) -> None:
    store.write("sweeps/a.json", b"1")
    assert pickle.loads(pickle.dumps(store)).read("sweeps/a.json") == b"1"


def test_a_reader_never_sees_a_torn_file(store: Store) -> None:
    """Rows of one write all say the same; a torn or empty file would not parse."""
    # More than one buffer of any layer between here and the file.
    rows = 20_000
    store.write_rows("evaluations", "a", [{"trial_id": "a", "iteration": 0}] * rows)
    done = threading.Event()
    failures: list[str] = []
    iterations_read: set[int] = set()

    def read() -> None:
        reader = Store(store.root)
        while not done.is_set():
            try:
                table = reader.read_table("evaluations", "a")
                assert table is not None
                values = set(table.column("iteration").to_pylist())
            except Exception as error:
                failures.append(repr(error))
                return
            if len(values) != 1 or len(table) != rows:
                failures.append(f"{len(table)} rows of {values}")
            iterations_read.update(values)

    reader = threading.Thread(target=read)
    reader.start()
    for iteration in range(1, 16):
        content = [{"trial_id": "a", "iteration": iteration}] * rows
        store.write_rows("evaluations", "a", content)
    done.set()
    reader.join(60)
    assert failures == []
    assert iterations_read


def test_a_root_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write results to .*file/results"):
        Store(tmp_path / "file" / "results").check_writable()


def test_a_folder_of_somebody_else_in_the_root_says_so_at_the_start() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as root:
        Path(root).chmod(0o777)
        (Path(root) / "claims").mkdir()
        (Path(root) / "claims").chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may write everywhere
        try:
            with pytest.raises(StoreError, match=f"cannot write results to {root}: .*claims"):
                Store(root, 600).check_writable()
        finally:
            os.seteuid(user)


@pytest.mark.parametrize(
    "root", ["nowhere://x", "az://b/r", "abfs://c@a/r", "hdfs://h/r", "S3://b/r"]
)
def test_a_root_that_is_no_place(root: str) -> None:
    scheme = root.partition("://")[0]
    said = rf"cannot open results at {scheme}://\S+: results cannot be in {scheme}://, but in a"
    with pytest.raises(StoreError, match=said) as caught:
        Store(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("root", ["s3://", "s3:///r", "gs://", "file:///"])
def test_a_root_that_names_no_bucket(root: str) -> None:
    with pytest.raises(StoreError, match=f"cannot open results at {root}: "):
        Store(root)


@pytest.mark.parametrize("root", ["s3:/b/r", "gs:/b/r", "az:/b/r"])
def test_a_uri_without_a_slash_is_no_folder(root: str) -> None:
    with pytest.raises(StoreError, match=f"two slashes: {root.replace(':/', '://')}"):
        Store(root)


def test_a_bucket_that_is_not_there_is_no_empty_store(bucket_root: str) -> None:
    misspelt = bucket_root.replace("s3://sweeps/", "s3://sweps/")
    attempts: list[Callable[[Store], object]] = [
        lambda store: store.list("trials"),
        lambda store: store.folders("samples"),
        lambda store: store.read("sweeps/a.json"),
        lambda store: store.check_bucket(),
    ]
    for attempt in attempts:
        with pytest.raises(StoreError, match="there is no bucket 'sweps'"):
            attempt(Store(misspelt))
        attempt(Store(bucket_root))


def test_a_bucket_of_google_says_soon_that_it_cannot_be_reached() -> None:
    """Google's library alone tries for a quarter of an hour."""
    root = f"gs://anonymous@b/r?scheme=http&endpoint_override=127.0.0.1:{free_port()}"
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot list trials in gs://b/r") as caught:
        Store(root).list("trials")
    assert time.monotonic() - began < 60
    assert trouble(caught.value) == UNREACHABLE
    assert "\n" not in str(caught.value)
    assert "error_info" not in str(caught.value)


def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "sweeps" / "a.json").mkdir(parents=True)
    with pytest.raises(OSError, match=r"a\.json"):
        store.write("sweeps/a.json", b"1")
    assert [path.name for path in (tmp_path / "sweeps").iterdir()] == ["a.json"]


def test_pandas_reads_a_folder_of_the_store_while_it_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for trial_id in ("a", "b"):
        rows = [{"trial_id": trial_id, "iteration": k, "sigma1": [1.0, k]} for k in (0, 50)]
        store.write_rows("evaluations", trial_id, rows)
    (tmp_path / "evaluations/.b.parquet.7.tmp").write_bytes(b"half a file")
    frame = pd.read_parquet(tmp_path / "evaluations")
    assert sorted(zip(frame.trial_id, frame.iteration, strict=True)) == [
        ("a", 0),
        ("a", 50),
        ("b", 0),
        ("b", 50),
    ]
    assert frame.sigma1.iloc[1].tolist() == [1.0, 50.0]
