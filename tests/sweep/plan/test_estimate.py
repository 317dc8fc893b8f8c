from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from sweep.plan.estimate import (
    Measured,
    cost,
    expected_seconds,
    gpu_hours,
    makespan,
    nominal_seconds,
)
from sweep.plan.resources import Share
from trainer.config.trial import TrialConfig, trial_config

CONFIG = trial_config("digits", "C_32-32", "sn", 0)


def row(config: TrialConfig, seconds: float, **changes: Any) -> dict[str, Any]:
    """Of the table `trials`, of a trial that ran to its end."""
    return {
        "status": "completed",
        "iteration": config.iterations,
        "seconds": seconds,
        "config": json.dumps(dataclasses.asdict(config)),
    } | changes


def test_nothing_measured_is_said_so() -> None:
    found = cost(CONFIG, Measured([]))
    assert found.rate is None
    assert found.seconds == nominal_seconds(CONFIG)
    assert found.gpu_bytes is None
    assert found.gpu_hours == 0
    assert found.cpu_hours == found.seconds / 3600


def test_trials_of_the_same_setting_and_method_tell_the_time() -> None:
    seeds = [dataclasses.replace(CONFIG, seed=seed) for seed in (1, 2, 3)]
    other = trial_config("digits", "A_64-128", "sn", 0)
    rows = [row(c, s) for c, s in zip(seeds, (40, 44, 60), strict=True)] + [row(other, 1000)]
    found = cost(CONFIG, Measured(rows))
    assert found.seconds == pytest.approx(44)
    assert found.rate
    assert found.rate.n == 3
    assert found.rate.low / found.rate.factor == pytest.approx(40 / 44)
    assert found.rate.high / found.rate.factor == pytest.approx(60 / 44)


def test_without_them_the_nearest_others_scale_the_model() -> None:
    other = trial_config("digits", "A_64-128", "jare", 0)
    found = cost(CONFIG, Measured([row(other, 2 * nominal_seconds(other))]))
    assert found.seconds == pytest.approx(2 * nominal_seconds(CONFIG))


def test_a_collapsed_trial_counts_by_its_iterations() -> None:
    part = row(CONFIG, 20, status="collapsed", iteration=500)
    assert cost(CONFIG, Measured([part])).seconds == pytest.approx(40)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "running"},
        {"status": "failed"},
        {"iteration": 0},
        {"seconds": None},
        {"config": '{"of": "another version"}'},
        {"config": "torn"},
    ],
)
def test_what_cannot_be_compared_is_left_out(changes: dict[str, Any]) -> None:
    assert Measured([row(CONFIG, 40) | changes]).rate(CONFIG) is None


def test_another_profile_or_device_tells_nothing() -> None:
    measured = Measured([row(CONFIG, 40)])
    assert measured.rate(trial_config("paper", "C_32-32", "sn", 0, device="cpu")) is None
    assert measured.rate(dataclasses.replace(CONFIG, device="cuda")) is None


def test_only_what_is_left_counts() -> None:
    whole = cost(CONFIG, Measured([]))
    part = cost(CONFIG, Measured([]), done=750)
    assert part.seconds == pytest.approx(whole.seconds / 4)
    assert part.teraflops == whole.teraflops
    assert cost(CONFIG, Measured([]), done=CONFIG.iterations).seconds == 0


def test_a_branch_costs_what_comes_after_its_parent() -> None:
    branch = dataclasses.replace(CONFIG, parent="p", parent_iteration=750)
    whole = cost(CONFIG, Measured([]))
    assert cost(branch, Measured([])).seconds == pytest.approx(whole.seconds / 4)
    assert cost(branch, Measured([]), done=875).seconds == pytest.approx(whole.seconds / 8)
    assert Measured([row(branch, 10)]).rate(CONFIG) is None


def test_any_gpu_of_a_host_costs_a_trial_alike() -> None:
    config = trial_config("paper", "C_32-32", "sn", 0)
    nominal = {
        device: nominal_seconds(dataclasses.replace(config, device=device))
        for device in ("cuda", "cuda:1", "cpu")
    }
    assert nominal["cuda:1"] == nominal["cuda"] != nominal["cpu"]


def test_gpu_hours_are_seconds_times_the_share() -> None:
    config = trial_config("paper", "B_64-64", "sn", 0)
    found = cost(config, Measured([], 80e9), request=Share(cpus=1, gpus=0.25))
    assert found.gpu_hours == pytest.approx(found.seconds / 3600 / 4)
    assert gpu_hours([config], 141e9) < gpu_hours([config], 80e9) < gpu_hours([config], 16e9)


@pytest.mark.parametrize(
    ("seconds", "slots", "whole"),
    [
        ([5, 4, 3, 3, 3], 2, 10),  # 5 + 3, 4 + 3 + 3
        ([5, 4, 3, 3, 3], 1, 18),
        ([5, 4], 9, 5),
        ([], 3, 0),
    ],
)
def test_each_trial_takes_the_slot_that_is_free_first(
    seconds: list[float], slots: int, whole: float
) -> None:
    assert makespan(seconds, slots) == whole


def test_the_time_of_a_plan_is_that_of_what_is_left_on_its_slots() -> None:
    other = dataclasses.replace(CONFIG, seed=1)
    whole = nominal_seconds(CONFIG)
    assert expected_seconds([], {}, 2) is None
    assert expected_seconds([CONFIG], {}, 0) is None
    assert expected_seconds([CONFIG, other], {}, 1) == pytest.approx(2 * whole)
    assert expected_seconds([CONFIG, other], {}, 2) == pytest.approx(whole)
    ended, half = row(other, 2 * whole), row(CONFIG, whole) | {"status": "stopped"}
    half["iteration"] = CONFIG.iterations // 2
    rows = {other.trial_id: ended, CONFIG.trial_id: half}
    left = expected_seconds([CONFIG], rows, 2)
    assert left == pytest.approx(whole), "twice the nominal time, and half of it is left"
