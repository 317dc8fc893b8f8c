"""The grid and the sentence at the end of a sweep."""

from __future__ import annotations

from sweep.paper.table2 import table2
from sweep.report.rivals_text import rival_lines


def table(trial, ends):
    trials = [
        trial(method=m, seed=s, iteration=1000, seconds=100.0 * (1.2 if m == "sr-static" else 1.0))
        | {"trial_id": f"{m} {s}"}
        for m, values in ends.items()
        for s in range(len(values))
    ]

    def curves(trial_id: str) -> list[dict]:
        method, seed = trial_id.split()
        return [{"iteration": 675, "fd_digits": ends[method][int(seed)]}]

    return table2(trials, curves)


def test_a_line_per_method_with_every_baseline_and_its_cost(trial) -> None:
    ends = {
        "sn": (1000.0, 900.0, 1100.0),
        "sr-static": (500.0, 400.0, 600.0),
        "sn-renorm": (520.0, 390.0, 605.0),
    }
    lines = [" ".join(line.split()) for line in rival_lines(table(trial, ends), "digits")]
    assert "C_32-32 sn-renorm −495 [−532, −458] (n = 3) – no seed of both 1.00 0.00 0.08" in lines
    sr = next(line for line in lines if line.startswith("C_32-32 sr-static"))
    assert sr.startswith("C_32-32 sr-static −500 [−500, −500] (n = 3) −5 [")
    assert sr.endswith("no seed of both 1.20 0.00 0.10")
    assert lines[-1].endswith("not run beside it.")


def test_two_seeds_are_two_values(trial) -> None:
    ends = {"sn": (1000.0, 900.0), "sr-static": (500.0, 450.0)}
    text = "\n".join(rival_lines(table(trial, ends), "digits"))
    assert "−500, −450 (n = 2)" in text
    assert "[−" not in text


def test_nothing_is_said_without_a_pair(trial) -> None:
    assert rival_lines(table(trial, {"sn": (1.0,)}), "digits") == []
