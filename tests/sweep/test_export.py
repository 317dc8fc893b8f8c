"""`python -m sweep.export`: what is written, read back by others."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars
import pyarrow.parquet as pq
import pytest

from sweep.export import flat_rows, main
from sweep.store.store import Store


@pytest.fixture
def measured(mixed: Store) -> Store:
    """The same with curves of the trials that have begun."""
    for file in mixed.list("trials"):
        rows = [{"trial_id": file.key, "iteration": at, "fd_digits": 950.0} for at in (0, 300)]
        mixed.write_rows("evaluations", file.key, rows)
    return mixed


def export(store: Store, path: Path, *flags: str) -> Path:
    assert main(["mixed", "--results", store.root, "--out", str(path), *flags]) == 0
    return path


@pytest.mark.parametrize(("table", "n"), [("trials", 8), ("evaluations", 12), ("table2", 3)])
def test_csv_and_parquet_hold_the_same(measured: Store, tmp_path: Path, table, n) -> None:
    flags = ("--table", table)
    parquet = pd.read_parquet(export(measured, tmp_path / "t", "--format=parquet", *flags))
    text = pd.read_csv(export(measured, tmp_path / "u", "--format=csv", *flags))
    assert len(parquet) == len(text) == n
    assert list(parquet) == list(text)
    key = "trial_id" if "trial_id" in text else "method"
    assert list(parquet[key]) == list(text[key])


def test_trials_are_the_default_and_nan_is_not_null(measured: Store, tmp_path: Path) -> None:
    text = export(measured, tmp_path / "t.csv", "--format=csv").read_text()
    header, *lines = text.splitlines()
    cells = [dict(zip(header.split(","), line.split(","), strict=False)) for line in lines[:2]]
    assert [row["best_iteration"] for row in cells] == ["1425", "1425"]
    assert [row["i_ratio"] for row in cells] == ["", ""]
    assert ",nan," in lines[1]
    assert ",nan," not in lines[0]
    assert [line.split(",")[0] for line in lines[-1:]] == [
        "digits.B_64-64.sr-static.0.5.s1-00000000"
    ], "a planned trial is a row too"


def test_readers_of_parquet_find_nan(measured: Store, tmp_path: Path) -> None:
    file = export(measured, tmp_path / "t.parquet", "--format=parquet")
    rows = pq.read_table(file).to_pylist()
    nan = {name for row in rows for name, value in row.items() if value != value}
    assert nan
    for name in nan:
        found = duckdb.execute(f"SELECT count(*) FROM '{file}' WHERE isnan(\"{name}\")").fetchall()
        scanned = polars.scan_parquet(file).filter(polars.col(name).is_nan()).collect()
        assert found == [(len(scanned),)] != [(0,)]


@pytest.mark.parametrize(("format", "says"), [("latex", r"C\_32-32"), ("markdown", "C_32-32")])
def test_the_comparison(measured: Store, tmp_path: Path, format: str, says: str) -> None:
    text = export(measured, tmp_path / "t", "--format", format).read_text()
    assert says in text
    assert "Of 8 trials 6 are not finished." in text


def test_trials_outside_the_table_are_counted(mixed: Store, trial, write_sweep, capsys) -> None:
    rows = [trial(trial_id="a"), trial(trial_id="b", method="sr-static", i_ratio=0.25)]
    write_sweep(mixed, "ratios", rows)
    assert main(["ratios", "--results", mixed.root, "--format", "markdown"]) == 0
    assert "- 1 finished trials are left out: another i than 0.5" in capsys.readouterr().out
    write_sweep(mixed, "none", rows[1:])
    for flags in (("--format=latex",), ("--format=csv", "--table=table2")):
        assert main(["none", "--results", mixed.root, *flags]) == 2
        assert "no trial of sweep none has begun" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (("mixd", "--format=csv"), "did you mean: mixed?"),
        (("mixed", "--format=tex"), "unknown format 'tex'; did you mean: latex"),
        (("mixed", "--format=csv", "--table=trial"), "did you mean: trials"),
        (("mixed", "--format=latex", "--table=trials"), "give --format csv, parquet or json"),
        (("mixed",), "--format"),
        (("mixed", "--format=csv", "--out=/nowhere/x.csv"), "cannot write /nowhere/x.csv"),
    ],
)
def test_bad_input(mixed: Store, capsys, monkeypatch, flags, hint) -> None:
    monkeypatch.setenv("SWEEP_RESULTS", mixed.root)
    assert main(list(flags)) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), hint in err) == ("", 1, True)


def test_parquet_is_not_written_to_a_terminal(mixed: Store, environment) -> None:
    leader, follower = pty.openpty()
    command = ["sweep.export", "mixed", "--format=parquet", "--results", mixed.root]
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        env=environment, stdout=follower, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(follower)
    os.close(leader)
    assert ended.returncode == 2
    assert "give --out FILE" in ended.stderr
    piped = subprocess.run(
        [sys.executable, "-m", *command], env=environment, capture_output=True, check=True
    )
    assert piped.stdout[:4] == b"PAR1"


def test_an_unreadable_file_is_named_beside_the_export(mixed: Store, capsys) -> None:
    path = mixed.list("trials")[0].path
    mixed.write(path, b"PAR1")
    assert main(["mixed", "--results", mixed.root, "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith(f"left out, as unreadable: 1 file of the store\n  {path}: ")
    assert path not in out


def test_records(compared) -> None:
    sn, renorm, static = flat_rows(compared)
    assert (sn["method"], sn["mean"], sn["sd"], sn["pairs"]) == ("sn", 1001.0, 1.0, 0)
    assert (renorm["minus_sn"], renorm["minus_sn_low"]) == (20.0, None)
    assert (static["pairs"], static["minus_sn"], static["published_sr_fid"]) == (3, -110.0, 62.1)
    assert static["minus_sn_low"] == pytest.approx(-134.84, abs=0.01)
    assert static["seeds"] == [0, 1, 2]
