from __future__ import annotations

import math
import shutil
import time
from pathlib import Path

import pytest

from sweep.query.answer import Limits, answer
from sweep.query.statement import QueryError
from sweep.store.store import Store

SMALL = Limits(seconds=20, memory_bytes=2**28, threads=1)


def test_tables_are_joined(three: Path) -> None:
    sql = """
        select s.trial_id, t.best_fd_digits best, count(e.iteration) n
        from sweeps s left join trials t using (trial_id) left join evaluations e using (trial_id)
        group by all order by all
    """
    found = answer(Store(three), sql, SMALL)
    rows = [tuple(row.values()) for row in found.rows.to_pylist()]
    assert str(rows) == str([("t0", 300.0, 5), ("t1", math.nan, 5), ("t2", None, 0),
                             ("t3", None, 0)])  # fmt: skip
    assert (found.cut, found.left_out) == (None, {})


def test_rows_are_bounded_and_that_is_said(three: Path) -> None:
    started = time.monotonic()
    limits = Limits(seconds=20, rows=7)
    found = answer(Store(three), "select range r, range * 2 from range(1000000000000)", limits)
    assert found.rows["r"].to_pylist() == list(range(7))
    assert found.cut == "the first 7 rows of more: add LIMIT, or aggregate"
    assert answer(Store(three), "from range(7)", limits).cut is None
    assert time.monotonic() - started < 15


def test_the_size_of_an_answer_is_bounded(three: Path) -> None:
    limits = Limits(seconds=20, rows=10**6, answer_bytes=10**6)
    found = answer(Store(three), "select repeat('x', 1000) from range(100000)", limits)
    assert len(found.rows) < 10_000
    assert found.cut is not None
    assert "MB) of more" in found.cut


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select count(*) from range(1000000) a, range(1000000) b, range(1000000) c", "longer"),
        ("select a.range from range(1000000) a, range(1000000) b order by random()", "MiB"),
        ("select nothing from trials", 'column "nothing" not found'),
        ("select * from nothing", "trials, evaluations, spectra, outputs, sweeps"),
        ("select 1 // 'a'", "Error"),
        ("select seed from trials group by method", "GROUP BY"),
        ("select * from '/etc/passwd'", "does not exist"),
        ("select * from read_text('/etc/passwd')", "not answered"),
    ],
)
def test_what_fails_says_why_in_one_line(three: Path, sql: str, reason: str) -> None:
    # Only the first one is to run out of time, on a machine that is busy too.
    seconds = 1.0 if reason == "longer" else 60.0
    limits = Limits(seconds=seconds, memory_bytes=2**27, threads=1)
    with pytest.raises(QueryError) as failed:
        answer(Store(three), sql, limits)
    assert reason in str(failed.value)
    assert len(str(failed.value).splitlines()) == 1


def test_the_statement_writes_nothing(three: Path, tmp_path: Path) -> None:
    """But for the index, which is derived."""
    root = shutil.copytree(three, tmp_path / "copied")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.parquet")}
    answer(Store(root), "from trials join evaluations using (trial_id)", SMALL)
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*.parquet")}
    assert {path: after[path] for path in before} == before
    assert all("index" in path.parts for path in after.keys() - before.keys())


def test_a_damaged_file_is_named(three: Path, tmp_path: Path) -> None:
    root = shutil.copytree(three, tmp_path / "copied")
    for path in ("trials/t2.parquet", "evaluations/t1.parquet"):
        (root / path).write_bytes(b"PAR1")
    found = answer(Store(root), "select count(*) from trials join evaluations using (trial_id)",
                   SMALL)  # fmt: skip
    assert found.rows.to_pylist() == [{"count_star()": 5}]
    assert sorted(found.left_out) == ["evaluations/t1.parquet", "trials/t2.parquet"]
