"""Tables of a comparison of rivals: what stands in a cell, and in one that has no number."""

from __future__ import annotations

from typing import Any

from sweep.paper.final_scores import final_scores
from sweep.paper.rivals_sheets import scores_sheet, tuning_sheet
from tests.sweep.paper.test_final_scores import trial


def rows() -> list[dict[str, Any]]:
    return [
        trial("sn", 10, 1000.0, mode_collapse_at=300),
        trial("sn", 11, 1100.0),
        trial("sn", 12, 1300.0),
        trial("pacgan", 10, 900.0),
        trial("pacgan", 11, 1000.0),
        trial("pacgan", 12, 1200.0),
        trial("r1", 10, 950.0),
    ]


def test_a_line_per_method_with_what_was_not_run() -> None:
    sheet = scores_sheet(final_scores(rows()), ["sn", "pacgan", "r1", "unrolled"], ["C_32-32"], 3)
    ((sn, pacgan, r1, unrolled),) = sheet.blocks
    assert sn == (
        "C_32-32", "sn", "3", "1133 ± 153", "1123", "111", "", "", "", "M 1/3",
    )  # fmt: skip
    # The three differences are equal: the interval is a point.
    assert pacgan[6:] == ("−100 [−100, −100]", "", "", "")
    assert (r1[2], r1[6]) == ("1 of 3", "−50")
    assert unrolled[2:] == ("0 of 3", "", "", "", "", "", "", "not run")
    assert {len(line) for line in sheet.blocks[0]} == {len(sheet.header)}


def method(name: str, winner: dict[str, Any] | None, *objectives: float | None) -> dict[str, Any]:
    candidates = [{"values": {}, "objective": value, "trials": []} for value in objectives]
    return {
        "method": name,
        "note": None,
        "budget": 4,
        "candidates": candidates,
        "winner": winner,
    }


def test_what_was_tuned_and_what_was_not_to_the_end() -> None:
    r1 = {
        "values": {"penalty_weight": 31.6, "discriminator_rate_factor": 2.0},
        "candidates": 4,
        "objective": 511.4,
        "published_objective": 10_000.0,
    }
    sn = {"values": {}, "candidates": 0, "objective": None}
    contest = {
        "tuning_setting": "C_32-32",
        "tuning_seeds": [0, 1],
        "methods": [
            method("sn", sn),
            method("r1", r1, 10_000.0, 511.4, 700.0, 800.0),
            method("rpgan", None, 900.0, None),
        ],
    }
    sheet = tuning_sheet(contest)
    assert sheet.title == "Tuned on C_32-32, seeds 0, 1"
    assert [line[:5] for line in sheet.blocks[0]] == [
        ("sn", "–", "0", "–", "–"),
        ("r1", "penalty_weight 31.6, discriminator_rate_factor 2", "4", "511", "no score"),
        ("rpgan", "not tuned to the end", "1 of 4", "", ""),
    ]
