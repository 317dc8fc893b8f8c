"""`python -m sweep.ls` over a store that holds every state."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from sweep.ls import ago, main
from sweep.store.store import Store


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main([*arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_trials_one_a_line_in_the_papers_order(mixed: Store, capsys) -> None:
    header, *lines, summary = said(capsys, "--results", mixed.root)
    assert header.split() == [
        "trial", "status", "iteration", "best", "final", "seen", "updated",
    ]  # fmt: skip
    assert [line.split()[0].removesuffix("-00000000") for line in lines] == [
        "digits.B_64-64.sn.-.s0",
        "digits.B_64-64.sn.-.s1",
        "digits.B_64-64.sr-static.0.5.s0",
        "digits.B_64-64.sr-static.0.5.s1",
        "digits.C_32-32.sn.-.s0",
        "digits.C_32-32.sn.-.s1",
        "digits.C_32-32.sr-static.0.5.s0",
        "digits.C_32-32.sr-static.0.5.s1",
    ]
    collapsed = lines[4].split()
    assert collapsed[1:5] == ["collapsed", "600/1500", "900", "950"]
    assert "mode collapse at 300" in lines[4]
    assert " nan " in lines[5]
    assert summary == (
        "8 of 8 trials: 2 planned, 2 running, 1 completed, 1 collapsed, 1 failed, 1 stopped"
    )


@pytest.mark.parametrize(
    ("flags", "n"),
    [
        (("--setting", "B_*"), 4),
        (("--setting", "B_*,C_32-32"), 8),
        (("--method", "sr-*", "--status", "planned,running"), 4),
        (("--status", "failed"), 1),
        (("--profile", "paper"), 0),
        (("--setting", "A_*"), 0),
        (("--sweep", "mixed"), 8),
        (("--sweep", "other"), 1),
        (("--setting", "U_*"), 1),
        ((), 9),
    ],
)
def test_filters(mixed: Store, write_sweep, trial, capsys, flags, n) -> None:
    write_sweep(mixed, "other", [trial(trial_id="other", setting="U_9-9")])
    lines = said(capsys, "--json", "--results", mixed.root, *flags)
    assert len(lines) == n
    *_, summary = said(capsys, "--results", mixed.root, *flags)
    assert summary.startswith(f"{n} of {8 if 'mixed' in flags else 1 if 'other' in flags else 9} ")


def test_json(mixed: Store, capsys) -> None:
    flags = ("--json", "--results", mixed.root, "--setting", "C_32-32", "--method", "sn")
    first, second = map(json.loads, said(capsys, *flags))
    assert (first["score"], first["best"], first["verdict"]) == (
        "fd_digits",
        900.0,
        "mode collapse at 300",
    )
    assert second["best"] is None
    assert datetime.fromisoformat(second["updated_at"]).tzinfo is not None


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (("--setting", "B_64-65"), "unknown setting 'B_64-65'; did you mean: B_64-64"),
        (("--status", "done"), "unknown status 'done'"),
        (("--sweep", "mix"), "unknown sweep 'mix'; did you mean: mixed?"),
        (("--results", "/nowhere"), "no sweep in /nowhere"),
    ],
)
def test_bad_input(mixed: Store, capsys, monkeypatch, flags, hint) -> None:
    monkeypatch.setenv("SWEEP_RESULTS", mixed.root)
    assert main(list(flags)) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), hint in err) == ("", 1, True)


def test_an_unreadable_file_is_named(mixed: Store, capsys) -> None:
    mixed.write("trials/torn.parquet", b"PAR1")
    *_, count, name = said(capsys, "--results", mixed.root)
    assert count == "left out, as unreadable: 1 file of the store"
    assert name.startswith("  trials/torn.parquet: ")


def test_how_far_an_unreadable_trial_is_stays_open(mixed: Store, capsys) -> None:
    trial_id = mixed.list("trials")[0].key
    mixed.write(f"trials/{trial_id}.parquet", b"PAR1")
    _, line, *_ = said(capsys, "--results", mixed.root, "--status", "unreadable")
    assert line.split()[:2] == [trial_id, "unreadable"]
    assert "?/1500" in line
    (item,) = said(capsys, "--results", mixed.root, "--status", "unreadable", "--json")
    assert json.loads(item)["iteration"] is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s ago"), (40, "40 s ago"), (720, "12 min ago"), (2e4, "6 h ago"), (3e5, "3 d ago")],
)
def test_ages(seconds: float, text: str) -> None:
    now = datetime.now(UTC)
    assert ago(now - timedelta(seconds=seconds), now) == text


def test_a_misspelt_bucket_is_no_empty_store(bucket_root: str, capsys) -> None:
    assert main(["--results", bucket_root.replace("s3://sweeps/", "s3://sweps/")]) == 2
    assert capsys.readouterr().err.endswith("there is no bucket 'sweps'\n")
