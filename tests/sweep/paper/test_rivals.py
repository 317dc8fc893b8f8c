"""Findings and the answer: never stronger than the interval."""

from __future__ import annotations

import pytest

from sweep.paper.rivals import answer, difference_text, finding, pair_of
from sweep.paper.table2 import table2

# Distances at the end by method and seed.
ENDS = {
    "sn": (1000.0, 900.0, 1100.0),
    "sr-static": (500.0, 410.0, 590.0),
    "sn-renorm": (520.0, 390.0, 605.0),
    "sn-ttur": (600.0, 520.0, 700.0),
    "pacgan": (1500.0, 1390.0, 1610.0),
}


def rows_of(trial, *methods: str, seeds: int = 3, setting: str = "C_32-32", ends=ENDS):
    trials = [
        trial(method=m, seed=s, setting=setting, i_ratio=0.5 if m == "sr-static" else None)
        | {"trial_id": f"{setting} {m} {s}"}
        for m in methods
        for s in range(seeds)
    ]

    def curves(trial_id: str) -> list[dict]:
        _, method, seed = trial_id.split()
        return [{"iteration": 675, "fd_digits": ends[method][int(seed)]}]

    return [row for row in table2(trials, curves) if row.measured]


def test_the_finding_is_where_the_interval_lies(trial) -> None:
    (row,) = rows_of(trial, *ENDS)
    found = {
        (method, base): finding(pair_of(row, "digits", method, base))
        for method in ENDS
        for base in ("sn", "sn-renorm", "sn-ttur")
        if method != base
    }
    assert found["sr-static", "sn"] == "better"
    # -20, 20, -15: 0 is inside.
    assert found["sr-static", "sn-renorm"] == "not resolved"
    assert found["sr-static", "sn-ttur"] == "better"
    assert found["pacgan", "sn"] == "worse"
    assert found["sn-renorm", "sn-ttur"] == "better"


def test_two_pairs_are_both_values_and_nothing_more(trial) -> None:
    (row,) = rows_of(trial, *ENDS, seeds=2)
    pair = pair_of(row, "digits", "sr-static", "sn-renorm")
    assert pair is not None
    assert finding(pair) == "not enough"
    assert difference_text(pair, 0) == "−20, +20 (n = 2)"


def test_the_answer_of_one_setting_has_its_numbers(trial) -> None:
    rows = rows_of(trial, "sn", "sr-static", "sn-renorm", "sn-ttur")
    text = answer(rows, "digits")
    assert text is not None
    assert text.startswith("sr-static by paired seeds, FD-digits, lower is better: minus sn −500")
    assert "minus sn-renorm −5 [−59, +49] (n = 3) on C_32-32 (not resolved)" in text
    assert text.endswith(
        "A gain beyond renormalising is shown in 0 of 1 setting; a gain beyond a faster D is "
        "shown in 1 of 1 setting."
    )


@pytest.mark.parametrize(
    ("seeds", "methods", "end"),
    [
        (3, ("sn", "sr-static"), "A gain beyond renormalising is open, sn-renorm was not run "
         "beside it; a gain beyond a faster D is open, sn-ttur was not run beside it."),
        (3, ("sn", "sr-static", "sn-renorm"), "A gain beyond renormalising is shown in 0 of 1 "
         "setting; a gain beyond a faster D is open, sn-ttur was not run beside it."),
        (2, ("sn", "sr-static", "sn-renorm", "sn-ttur"), "A gain beyond renormalising cannot be "
         "judged from fewer than three seeds; a gain beyond a faster D cannot be judged from "
         "fewer than three seeds."),
    ],
)  # fmt: skip
def test_the_answer_says_what_is_open(trial, seeds, methods, end) -> None:
    text = answer(rows_of(trial, *methods, seeds=seeds), "digits")
    assert text is not None
    assert text.endswith(end)


def test_several_settings_are_counted(trial) -> None:
    rows = [
        row
        for setting in ("C_32-32", "C_64-32")
        for row in rows_of(trial, "sn", "sr-static", "sn-renorm", setting=setting)
    ]
    text = answer(rows, "digits")
    assert text is not None
    assert "against sn better on 2 of 2 settings" in text
    assert "against sn-renorm not resolved on 2 of 2 settings" in text


def test_without_a_pair_there_is_no_answer(trial) -> None:
    assert answer(rows_of(trial, "sr-static"), "digits") is None
