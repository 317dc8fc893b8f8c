"""The words at the end of a contest, from trials with a known answer."""

from __future__ import annotations

import math
from typing import Any

from sweep.plan.tuning_space import TuningSpace
from sweep.run.rivals_report import final_lines, tuning_lines
from sweep.run.rows import PENALTY
from sweep.run.tuning import Tuning
from trainer.config.trial import trial_config


def tuned(*objectives: tuple[float, float]) -> Tuning:
    space = TuningSpace(profile="digits", setting="C_32-32", method="pacgan")
    tuning = Tuning(space, [0, 1], budget=len(objectives), seed=0)
    for pair in objectives:
        for config, value in zip(tuning.next(), pair, strict=True):
            tuning.tell(
                config.trial_id, {"status": "completed", "objective": value, "diverged_at": None}
            )
    return tuning


def line(*objectives: tuple[float, float]) -> str:
    heading, words = tuning_lines([tuned(*objectives)], "C_32-32", [0, 1])
    assert heading == (
        "tuned on C_32-32, seeds 0, 1: mean best FD-digits before mode collapse, lower is better"
    )
    return words


def test_the_winner_stands_with_its_values_its_place_and_its_objective() -> None:
    words = line((500.0, 600.0), (300.0, 400.0), (900.0, 900.0))
    assert words.startswith("  pacgan  350 with packing ")
    assert words.endswith(": candidate 2 of 3; as published 550")


def test_seeds_without_a_score_are_counted() -> None:
    words = line((PENALTY, PENALTY), (300.0, PENALTY))
    assert words.startswith("  pacgan  5150 (no score on 1 of 2 seeds) with packing ")
    assert words.endswith("as published no score")


def test_winners_are_summed_up_by_setting() -> None:
    def trials(setting: str) -> list[Any]:
        return [trial_config("digits", setting, "sn", seed) for seed in (10, 11, 12)]

    a, b = trials("C_8-32"), trials("C_16-32")
    bests = (1.0, 2.0, 3.0, 7.0, math.nan, None)
    values = dict(zip([c.trial_id for c in (*a, *b)], bests, strict=True))
    rows = {i: {"status": "completed", "best_fd_digits": value} for i, value in values.items()}
    rows[b[2].trial_id] = {"status": "failed", "best_fd_digits": 1.0}
    heading, settings, cells = final_lines(
        {"sn": [*a, *b]}, rows, ["C_8-32", "C_16-32", "E_64-128"]
    )
    assert heading == "the winners on fresh seeds: best FD-digits, mean ± sd (n)"
    assert settings.split() == ["C_8-32", "C_16-32", "E_64-128"]
    assert cells.split("  ")[1:] == ["sn", "2 ± 1 (3)", "7 (1 of 3)", "cannot run"]
    assert final_lines({}, rows, ["C_8-32"]) == []
    assert "no score (0 of 3)" in "\n".join(final_lines({"sn": a}, {}, ["C_8-32"]))
