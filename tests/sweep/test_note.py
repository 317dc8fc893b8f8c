"""The command that writes and lists notes, and the commands that show tags."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest

from sweep import export, ls, note
from sweep.store.notes import read_notes
from sweep.store.store import Store

TRIAL = "digits.B_64-64.sn.-.s0-00000000"


def command(store: Store, *arguments: str) -> int:
    return note.main([*arguments, f"--results={store.root}"])


def test_notes_are_written_and_listed(mixed: Store, capsys, monkeypatch) -> None:
    monkeypatch.setenv("SWEEP_AUTHOR", "Ada")
    assert command(mixed, "mixed", "a **run**", "--tag", "baseline") == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("two\nlines\n"))
    assert command(mixed, TRIAL, "-", "--tag", "odd,new", "--author", "Bob") == 0
    assert command(mixed, TRIAL, "--untag", "new") == 0
    capsys.readouterr()
    assert command(mixed, "mixed", "--json") == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(n["sweep"], n["trial_id"], n["author"], n["text"]) for n in listed] == [
        ("mixed", None, "Ada", "a **run**"),
        (None, TRIAL, "Bob", "two\nlines"),
        (None, TRIAL, "Ada", ""),
    ]
    assert [(n["tags"], n["removed_tags"]) for n in listed] == [
        (["baseline"], []), (["odd", "new"], []), ([], ["new"]),
    ]  # fmt: skip
    assert command(mixed, TRIAL) == 0
    assert [line.split("  ")[1:] for line in capsys.readouterr().out.splitlines()] == [
        ["Bob", TRIAL, "+odd", "+new"], ["", "two"], ["", "lines"], ["Ada", TRIAL, "-new"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mixt", "x"], "unknown sweep or trial 'mixt'; did you mean: mixed?"),
        (["mixed", "--tag", "a b<c"], "tag 'b<c'"),
        (["mixed", "x" * 4001], "4001 characters"),
    ],
)
def test_bad_input_is_one_line(mixed: Store, capsys, arguments: list[str], says: str) -> None:
    assert command(mixed, *arguments) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert read_notes(mixed) == ([], {})


def test_tags_are_listed_filtered_and_exported(mixed: Store, capsys) -> None:
    assert command(mixed, TRIAL, "=1+1", "--tag", "odd,talk") == 0
    results = f"--results={mixed.root}"
    capsys.readouterr()
    assert ls.main([results, "--tag", "t*", "--json"]) == 0
    (found,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (found["trial_id"], found["tags"]) == (TRIAL, ["odd", "talk"])
    assert ls.main([results]) == 0
    header, *lines, _ = capsys.readouterr().out.splitlines()
    assert header.split()[-1] == "tags"
    assert [line for line in lines if line.endswith("odd talk")] == [lines[0]]
    assert ls.main([results, "--tag", "tolk"]) == 2
    assert "unknown tag 'tolk'; did you mean: talk" in capsys.readouterr().err


def test_exports_have_tags_and_notes(mixed: Store, capsysbinary, tmp_path) -> None:
    assert command(mixed, TRIAL, "=1+1", "--tag", "odd,talk") == 0
    results = f"--results={mixed.root}"
    out = tmp_path / "trials.parquet"
    assert export.main(["mixed", results, "--format", "parquet", "--out", str(out)]) == 0
    tags = {row["trial_id"]: row["tags"] for row in pq.read_table(out).to_pylist()}
    assert tags[TRIAL] == ["odd", "talk"]
    assert all(own == [] for trial_id, own in tags.items() if trial_id != TRIAL)
    capsysbinary.readouterr()
    assert export.main(["mixed", results, "--format", "csv", "--table", "notes"]) == 0
    header, line = capsysbinary.readouterr().out.decode().splitlines()
    assert header == "id,trial_id,sweep,author,at,text,tags,removed_tags"
    assert '"' + '[""odd"", ""talk""]' + '"' in line
    assert ",'=1+1," in line  # no formula
    assert export.main(["mixed", results, "--json"]) == 0
    rows = [json.loads(text) for text in capsysbinary.readouterr().out.splitlines()]
    assert {row["trial_id"]: row["tags"] for row in rows} == tags
