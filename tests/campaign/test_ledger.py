"""The ledger: which rounds failed, and what is summed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.campaign import ledger
from tests.campaign.__main__ import _line
from tests.campaign.commands import Course
from tests.campaign.comparison import Differences
from tests.campaign.rounds import failed_outcome, outcome_from
from tests.campaign.schedule import draw


def line(seed: int, kind: str = "kill", version: str = "abc") -> dict[str, Any]:
    course = Course(codes=[-9, 0], done=["kill driver"])
    outcome = outcome_from(draw(kind, seed), course, Differences(), 10.0 + seed)
    return {"version": version, **outcome}


@pytest.mark.parametrize("fault", ledger.FAULTS)
def test_any_fault_fails_a_round(fault: str) -> None:
    assert not ledger.is_failed(line(0))
    assert ledger.is_failed(line(0) | {fault: 1})
    assert f"1 {fault}" in _line(line(0) | {fault: 1})


def test_a_round_without_an_outcome_failed() -> None:
    outcome = failed_outcome(draw("s3", 3), "Traceback:\nOSError: no room", 1.0)
    assert ledger.is_failed(outcome)
    assert "s3-3: OSError: no room" in _line(outcome)


def test_rounds_are_summed_by_version_and_kind() -> None:
    rounds = [line(0), line(1) | {"lost": 2}, line(2, version="def"), line(3, kind="s3")]
    head, *rows = [row.split() for row in ledger.summary(rounds)]
    sums = [dict(zip(head, row, strict=False)) for row in rows]
    assert [(row["version"], row["kind"]) for row in sums] == [
        ("abc", "kill"), ("def", "kill"), ("abc", "s3"),
    ]  # fmt: skip
    assert [(row["rounds"], row["failed"], row["lost"], row["starts"]) for row in sums] == [
        ("2", "1", "2", "4"), ("1", "0", "0", "2"), ("1", "0", "0", "2"),
    ]  # fmt: skip


def test_a_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    book = tmp_path / "rounds.jsonl"
    assert ledger.read(book) == []
    ledger.append(book, line(0))
    with book.open("a") as file:
        file.write('{"version": "ab')
    assert [r["seed"] for r in ledger.read(book)] == [0]
