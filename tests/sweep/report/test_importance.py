"""PED-ANOVA against Optuna's own, and its intervals over resamples."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator

from sweep.report import importance
from sweep.report.importance import Axis, axis_of, importances

METHODS = ["sn", "sn-renorm", "sr-static"]
WIDTHS = [32, 64, 128]


def drawn_trials(n: int, seed: int) -> tuple[list[dict[str, Any]], list[float]]:
    """Trials of which some lift, and whose objective is of all their parameters but the width,
    which does nothing."""
    draw = random.Random(seed)
    trials, objectives = [], []
    for _ in range(n):
        trial: dict[str, Any] = {"method": draw.choice(METHODS), "channels": draw.choice(WIDTHS)}
        penalty = 1.0 + METHODS.index(trial["method"])
        if trial["method"] == "sr-static":
            trial["i_ratio"] = draw.uniform(0.0, 1.0)
            trial["batch_size"] = 2 ** draw.randrange(3, 12)
            penalty = 4 * abs(trial["i_ratio"] - 0.3)
        trials.append(trial)
        objectives.append(penalty + 0.2 * draw.random())
    return trials, objectives


def narrow_trials() -> tuple[list[dict[str, Any]], list[float]]:
    """Trials whose best have one and the same i: no width of a kernel follows from these."""
    ratios = [0.5] * 5 + [k / 10 for k in range(1, 11)]
    return [{"i_ratio": i} for i in ratios], [float(k) for k in range(15)]


def optunas(
    trials: Sequence[Mapping[str, Any]], objectives: Sequence[float], axes: Mapping[str, Axis]
) -> dict[str, float]:
    distributions: dict[str, BaseDistribution] = {
        name: CategoricalDistribution(list(axis.choices))
        if axis.choices
        else FloatDistribution(axis.low, axis.high, log=axis.log)
        for name, axis in axes.items()
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for trial, value in zip(trials, objectives, strict=True):
        own = {name: distributions[name] for name in trial}
        study.add_trial(optuna.create_trial(params=dict(trial), distributions=own, value=value))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=importance.target_share(len(trials)))
    return evaluator.evaluate(study)


def axes_of(trials: Sequence[Mapping[str, Any]]) -> dict[str, Axis]:
    names = dict.fromkeys(name for trial in trials for name in trial)
    return {name: axis_of([t[name] for t in trials if name in t]) for name in names}


@pytest.mark.parametrize(
    "made",
    [drawn_trials(12, 0), drawn_trials(40, 1), drawn_trials(201, 3), narrow_trials()],
    ids=["few", "some", "many", "narrow"],
)
def test_importances_are_optunas(made: tuple[list[dict[str, Any]], list[float]]) -> None:
    trials, objectives = made
    axes = axes_of(trials)
    cells = {
        name: [axis.cell(trial[name]) if name in trial else None for trial in trials]
        for name, axis in axes.items()
    }
    raw = importance.raw_importances(range(len(trials)), objectives, cells, axes)
    wanted = optunas(trials, objectives, axes)
    assert raw.keys() == wanted.keys()
    for name, value in wanted.items():
        assert raw[name] == pytest.approx(value, rel=1e-6, abs=1e-12), name


def test_equal_objectives_are_told_apart_by_nothing() -> None:
    trials, _ = drawn_trials(30, 0)
    found = importances(trials, [1.0] * 30, axes_of(trials))
    assert [each.share for each in found] == pytest.approx([1 / 4] * 4)


def test_the_interval_narrows_with_trials_and_holds_the_share() -> None:
    widths = {}
    for n in (30, 1000):
        trials, objectives = drawn_trials(n, 5)
        found = {each.name: each for each in importances(trials, objectives, axes_of(trials))}
        assert math.fsum(each.share for each in found.values()) == pytest.approx(1)
        assert found["i_ratio"].trials == sum("i_ratio" in trial for trial in trials)
        assert all(0 <= each.low <= each.high <= 1 for each in found.values())
        assert min(found["method"].share, found["i_ratio"].share) > found["channels"].share
        widths[n] = {name: each.high - each.low for name, each in found.items()}
    assert all(widths[1000][name] < widths[30][name] / 2 for name in widths[30])


def test_the_same_trials_have_the_same_intervals() -> None:
    trials, objectives = drawn_trials(40, 1)
    axes = axes_of(trials)
    assert importances(trials, objectives, axes) == importances(trials, objectives, axes)


def test_too_few_trials_have_no_importance() -> None:
    trials, objectives = drawn_trials(9, 1)
    with pytest.raises(ValueError, match="9 trials are too few"):
        importances(trials, objectives, axes_of(trials))


def test_axes_are_steps_for_many_numbers_alone() -> None:
    assert axis_of([3, 1, 2, 1]) == Axis(choices=[1, 2, 3])
    assert axis_of([0.5, 0.1, 0.2, 0.3, 0.4, 0.7]) == Axis(low=0.1, high=0.7)
    assert axis_of([8, 16, 64, 128, 512, 2048]) == Axis(low=8, high=2048, log=True)
    assert axis_of([True, False, 2]).choices  # a flag is no number
