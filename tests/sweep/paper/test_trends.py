"""Sentences of the text on Figs. 8 and 12, against stored trials."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sweep.paper.table2 import table2
from sweep.paper.trends import fig8, fig12


def trial(
    setting: str,
    method: str,
    i_ratio: float | None,
    best: float | None,
    seed: int = 0,
    **changes: Any,
) -> dict[str, Any]:
    return {
        "trial_id": f"{setting}.{method}.{i_ratio}.{seed}", "profile": "digits",
        "setting": setting, "group": setting[0], "method": method, "i_ratio": i_ratio,
        "seed": seed, "parent": None, "dataset": "digits8", "iterations": 1000,
        "batch_size": 32, "channels": 16, "status": "completed",
        "config": json.dumps({"n_critic": 1}), "protocol": "{}", "best_fd_digits": best,
        "best_iteration": 900, "final_fd_digits": best, "final_modes": 500,
        "final_spectrum_left": 0.9, "updated_at": 0, "mode_collapse_at": None,
        "spectral_collapse_at": None, "dead_at": None, "diverged_at": None, **changes,
    }  # fmt: skip


def over_i(setting: str, *means: tuple[float, float]) -> list[dict[str, Any]]:
    return [trial(setting, "sr-static", i, mean) for i, mean in means]


@pytest.mark.parametrize(
    ("setting", "means", "verdict"),
    [
        ("A_64-128", [(0.25, 300), (0.5, 200), (1, 250)], "holds"),
        ("A_64-128", [(0.25, 300), (0.5, 200), (1, 150)], "does not hold"),
        ("D_128-256", [(0.25, 100), (0.5, 200), (1, 250)], "does not hold"),
        ("B_64-64", [(0.125, 1), (0.25, 300), (0.5, 200), (0.75, 180), (1, 150)], "holds"),
        ("B_64-64", [(0.25, 300), (0.5, 200), (0.75, 210), (1, 150)], "does not hold"),
        ("A_64-128", [(0.25, 300), (0.5, 200)], "not measured"),
        ("C_8-32", [(0.25, 300), (0.5, 200), (1, 250)], "not measured"),
    ],
)
def test_the_trend_over_i(setting: str, means: list[tuple[float, float]], verdict: str) -> None:
    (trend,) = fig8([*over_i(setting, *means), trial(setting, "sn", None, 400)])
    assert trend.agrees.verdict == verdict
    assert [point.i_ratio for point in trend.points] == [i for i, _ in means]
    assert trend.beside["sn"].mean == 400


def test_seeds_are_averaged_and_configurations_are_not() -> None:
    rows = [trial("A_64-128", "sr-static", i, 100 * i + s, s) for i in (0.25, 0.5) for s in (0, 1)]
    long_run = trial("A_64-128", "sr-static", 1.0, 5, config=json.dumps({"n_critic": 5}))
    short = json.dumps({"n_critic": 1, "iterations": 10})
    shorter = trial("A_64-128", "sr-static", 0.5, 5, 2, iterations=10, config=short)
    (trend,) = fig8([*rows, long_run | {"iterations": 10}, shorter])
    assert [(p.i_ratio, p.n, p.mean) for p in trend.points] == [(0.25, 2, 25.5), (0.5, 2, 50.5)]


def test_branches_and_methods_without_i_are_left_out() -> None:
    assert fig8([trial("A_64-128", "sr-static", 0.5, 1, parent="x")]) == []
    assert fig8([trial("A_64-128", "sn", None, 1)]) == []


def test_static_against_dynamic() -> None:
    rows = table2(
        [
            trial("A_128-128", "sr-static", 0.5, 100),
            trial("A_128-128", "sr-dynamic", None, 120),
            trial("A_128-128", "sr-dynamic-renorm", None, 90),
            trial("B_16-64", "sr-static", 0.5, 100),
            trial("B_8-64", "sr-static", 0.5, 100),
            trial("C_8-32", "sr-static", 0.5, 100),
            trial("C_8-32", "sr-dynamic", None, 90),
        ],
        lambda trial_id: [],
    )
    by_setting = {compensation.setting: compensation for compensation in fig12(rows)}
    assert set(by_setting) == {"A_128-128", "B_16-64", "C_8-32"}
    first = by_setting["A_128-128"]
    assert first.text == "static"
    assert {m: answer.verdict for m, answer in first.agrees.items()} == {
        "sr-dynamic": "holds", "sr-dynamic-renorm": "does not hold",
    }  # fmt: skip
    assert by_setting["B_16-64"].agrees == {}
    assert by_setting["C_8-32"].text is None
    assert "90 dynamic" in by_setting["C_8-32"].agrees["sr-dynamic"].says
