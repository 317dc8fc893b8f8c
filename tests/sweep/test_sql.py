"""`python -m sweep.sql`: formats, bounds and what is refused; the sandbox has tests of its own."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sweep.sql import CUT, LEFT_OUT, main
from sweep.store.store import Store
from tests.sweep.store.rows import trial_row

SCORES = "select trial_id, best_fd_digits score, seed from trials order by trial_id"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    store = Store(tmp_path_factory.mktemp("store"))
    for k, score in enumerate([300.5, math.nan, None]):
        row = trial_row(trial_id=f"t{k}", seed=k, best_fd_digits=score)
        store.write_rows("trials", f"t{k}", [row])
    return store.root


def test_a_table_for_a_person(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([SCORES, "--results", root]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["trial_id", "score", "seed"], ["t0", "300.5", "0"], ["t1", "nan", "1"], ["t2", "2"],
        ["3", "rows"],
    ]  # fmt: skip


def test_json_names_what_is_not_finite(root: str, capsysbinary: pytest.CaptureFixture) -> None:
    assert main([SCORES, "--results", root, "--json"]) == 0
    rows = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert rows == [
        {"trial_id": "t0", "score": 300.5, "seed": 0, "nonfinite": {}},
        {"trial_id": "t1", "score": None, "seed": 1, "nonfinite": {"score": "nan"}},
        {"trial_id": "t2", "score": None, "seed": 2, "nonfinite": {}},
    ]


def test_files(root: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture) -> None:
    csv, parquet = tmp_path / "scores.csv", tmp_path / "scores.parquet"
    assert main([SCORES, "--results", root, "--format", "csv", "--out", str(csv)]) == 0
    assert csv.read_text().splitlines() == [
        "trial_id,score,seed", "t0,300.5,0", "t1,nan,1", "t2,,2",
    ]  # fmt: skip
    assert main([SCORES, "--results", root, "--format", "parquet", "--out", str(parquet)]) == 0
    table = pq.read_table(parquet)
    assert table["seed"].to_pylist() == [0, 1, 2]
    assert math.isnan(table["score"].to_pylist()[1])
    assert capsysbinary.readouterr().out == b""


def test_an_arrow_stream_says_what_is_left_out(
    root: str, capsysbinary: pytest.CaptureFixture
) -> None:
    assert main([SCORES, "--results", root, "--format", "arrow", "--limit", "2"]) == 0
    table = pa.ipc.open_stream(capsysbinary.readouterr().out).read_all()
    notes = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert len(table) == 2
    assert notes == {CUT: "the first 2 rows of more: add LIMIT, or aggregate", LEFT_OUT: "{}"}


def test_a_bound_is_said_on_standard_error(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([SCORES, "--results", root, "--limit", "1"]) == 0
    assert capsys.readouterr().err == "cut: the first 1 rows of more: add LIMIT, or aggregate\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["copy trials to 'a'"], "only a SELECT"),
        (["select nothing from trials"], "nothing"),
        (["select 1", "--format", "xml"], "xml"),
        (["select 1", "--json", "--format", "csv"], "give one"),
        (["select 1", "--limit", "0"], "--limit"),
        (["select 1", "--seconds", "nan"], "--seconds"),
        ([], "SQL"),
    ],
)
def test_bad_input_is_one_line(
    root: str, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--results", root]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert reason in err
    assert len(err.splitlines()) == 1


def test_the_statement_may_come_from_standard_input(
    root: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("select count(*) n\nfrom trials;\n"))
    assert main(["-", "--results", root]) == 0
    assert capsys.readouterr().out.split() == ["n", "3", "1", "rows"]


def test_a_process_needs_neither_torch_nor_ray_nor_pandas(root: str) -> None:
    program = (
        "import sys\n"
        "from sweep.store.arrow_start import keep_arrow_from_pandas\n"
        "keep_arrow_from_pandas()\n"
        "from sweep.sql import main\n"
        f"assert main(['from trials', '--results', {root!r}, '--json']) == 0\n"
        "print(sorted({'torch', 'ray', 'pandas', 'fastapi'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == "[]\n"
    assert len(done.stdout.splitlines()) == 3
