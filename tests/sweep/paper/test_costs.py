"""What a method costs beside SN, by hand."""

from __future__ import annotations

import json

import pytest

from sweep.paper.costs import cost


def test_the_time_is_the_median_over_the_seeds_that_sn_has_on_the_same_host(trial) -> None:
    sn = [trial(seed=s, seconds=100.0, iteration=1000, host="a") for s in (0, 1, 2, 3)]
    sr = [
        trial(seed=0, seconds=110.0, iteration=1000, host="a"),
        trial(seed=1, seconds=130.0, iteration=1000, host="a"),
        trial(seed=2, seconds=60.0, iteration=500, host="a"),  # stopped: 1.2 an iteration
        trial(seed=3, seconds=900.0, iteration=1000, host="b"),  # another machine
        trial(seed=4, seconds=900.0, iteration=1000, host="a"),  # no twin
    ]
    measured = cost(sr, sn)
    assert (measured.time_ratio, measured.n) == (pytest.approx(1.2), 3)


def test_hours_are_of_threads_or_of_shares_of_a_gpu(trial) -> None:
    cpu = trial(seconds=1800.0) | {"config": json.dumps({"device": "cpu", "threads": 2})}
    gpu = trial(seconds=3600.0, gpus=0.25) | {"config": json.dumps({"device": "cuda:0"})}
    whole = trial(seconds=3600.0, gpus=None) | {"config": json.dumps({"device": "cuda"})}
    measured = cost([cpu, gpu, whole], [])
    assert (measured.cpu_hours, measured.gpu_hours) == (1.0, 1.25)


def test_what_has_not_ended_has_no_time_per_iteration(trial) -> None:
    sn = [trial(seconds=100.0, iteration=1000)]
    running = trial(seconds=10.0, iteration=100, status="running")
    empty = trial(seconds=None, iteration=0)
    assert cost([running, empty], sn).time_ratio is None
