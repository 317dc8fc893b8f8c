from __future__ import annotations

import dataclasses
import json
import math

import pytest

from sweep.paper.pairs import configuration, paired_differences
from sweep.paper.scores import sample_sd, t_interval, t_quantile
from trainer.config.trial import trial_config

# Published tables of Student's t, two-sided 95 %.
TABLE = {
    1: 12.706,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    9: 2.262,
    10: 2.228,
    29: 2.045,
    30: 2.042,
}


@pytest.mark.parametrize(("degrees", "expected"), TABLE.items())
def test_t_quantile_is_the_tables(degrees: int, expected: float) -> None:
    assert t_quantile(degrees) == pytest.approx(expected, abs=5e-4)


def test_t_interval_by_hand() -> None:
    # mean 2, sd 1, half = 4.303 * 1 / sqrt(3)
    low, high = t_interval([1.0, 2.0, 3.0])
    assert (low, high) == (
        pytest.approx(2 - 2.4843, abs=1e-3),
        pytest.approx(2 + 2.4843, abs=1e-3),
    )


def test_nan_stays_nan() -> None:
    assert math.isnan(sample_sd([1.0, math.nan, 2.0]))
    assert all(math.isnan(bound) for bound in t_interval([1.0, math.nan, 2.0]))


def _curves(trial_id: str) -> list[dict]:
    """sn of seed 0 was stopped at 150; sn of seed 1 has no score at 225."""
    method, seed = trial_id.rsplit("-", 1)
    if method == "sn":
        values = {
            "0": {0: 1600.0, 75: 1300.0, 150: 1200.0},
            "1": {0: 1600.0, 150: 1000.0, 225: None},
        }
        return [{"iteration": iteration, "fd_digits": v} for iteration, v in values[seed].items()]
    return [
        {"iteration": iteration, "fd_digits": v}
        for iteration, v in {0: 1600.0, 75: 1100.0, 150: 900.0, 225: 500.0}.items()
    ]


def configured(row: dict, profile: str, method: str, **changes) -> dict:
    """The row with the configuration that the trainer gives such a trial."""
    config = trial_config(profile, "C_32-32", method, 0, **changes)
    return row | {"config": json.dumps(dataclasses.asdict(config))}


def test_pairs_are_at_the_last_common_evaluation(trial) -> None:
    methods = {
        "sn": [trial(seed=0, status="collapsed"), trial(seed=1), trial(seed=2, status="running")],
        "sr-static": [trial(method="sr-static", seed=seed) for seed in (0, 1, 2, 3)],
    }
    pair = paired_differences(methods, _curves)["sr-static"]
    assert [(s.seed, s.iteration, s.baseline, s.other, s.difference) for s in pair.seeds] == [
        (0, 150, 1200.0, 900.0, -300.0),
        (1, 150, 1000.0, 900.0, -100.0),
    ]
    assert (pair.n, pair.mean, pair.interval) == (2, -200.0, None)


def test_which_gpu_ran_a_trial_makes_no_other_configuration(trial) -> None:
    config = json.loads(trial()["config"])
    first, second, cpu = (
        configuration(trial() | {"config": json.dumps({**config, "device": device})})
        for device in ("cuda", "cuda:1", "cpu")
    )
    assert first == second != cpu


def test_an_interval_needs_three_seeds(trial) -> None:
    methods = {m: [trial(method=m, seed=s) for s in range(3)] for m in ("sn", "sn-renorm")}
    ends = {"sn": (1000.0, 900.0, 800.0), "sn-renorm": (700.0, 500.0, 300.0)}

    def curves(trial_id: str) -> list[dict]:
        method, seed = trial_id.rsplit("-", 1)
        return [{"iteration": 1500, "fd_digits": ends[method][int(seed)]}]

    pair = paired_differences(methods, curves)["sn-renorm"]
    assert pair.mean == -400.0  # of -300, -400, -500: sd 100, half 4.303 * 100 / sqrt(3)
    assert pair.interval is not None
    assert pair.interval == (pytest.approx(-648.4, abs=0.1), pytest.approx(-151.6, abs=0.1))


def test_best_scores_are_paired_too(trial) -> None:
    """Each at an iteration of its own; a seed without one is left out of them."""
    bests = {"sn": (900.0, 800.0, 700.0), "sr-static": (500.0, 500.0, None)}
    methods = {
        method: [trial(method=method, seed=s, best_fd_digits=v) for s, v in enumerate(values)]
        for method, values in bests.items()
    }
    pair = paired_differences(methods, lambda i: [{"iteration": 0, "fd_digits": 1.0}])["sr-static"]
    assert [s.best_difference for s in pair.seeds] == [-400.0, -300.0, None]
    assert (pair.n, pair.best_mean, pair.best_interval) == (3, -350.0, None)


def test_what_is_the_methods_own_does_not_part_a_pair(trial) -> None:
    """SN never projects, SR-static every fifth iteration, as the trainer writes it."""
    names = ("sn", "sn-ttur", "sr-static", "sr-dynamic-reparam", "pacgan", "nugan", "r1")
    methods = {m: [configured(trial(method=m), "digits", m)] for m in names}
    pairs = paired_differences(methods, lambda i: [{"iteration": 0, "fd_digits": 1.0}])
    assert set(pairs) == set(names) - {"sn"}


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "bf16"},
        {"threads": 2},
        {"parent": "x", "parent_iteration": 5},
        {"discriminator_rate_factor": 4.0},
    ],
)
def test_a_pair_differs_in_nothing_else(trial, change) -> None:
    methods = {
        "sn": [configured(trial(), "digits", "sn")],
        "sr-static": [configured(trial(method="sr-static"), "digits", "sr-static", **change)],
    }
    assert paired_differences(methods, lambda i: [{"iteration": 0, "fd_digits": 1.0}]) == {}


def test_where_an_iteration_is_other_work_there_is_no_pair(trial) -> None:
    """JARE steps both players once on the paper's data, SN updates D five times."""
    methods = {
        m: [configured(trial(method=m, dataset="cifar10"), "paper", m)] for m in ("sn", "jare")
    }
    assert paired_differences(methods, lambda i: [{"iteration": 0, "fid": 1.0}]) == {}


def test_different_configurations_make_no_pair(trial) -> None:
    methods = {"sn": [trial()], "sr-static": [trial(method="sr-static", iterations=40)]}
    assert paired_differences(methods, _curves) == {}
