"""Faults of requests: by seed, method, key and number alone."""

from __future__ import annotations

import random

from tests.campaign.s3_faults import (
    DOUBLE,
    LATE,
    PUT_FAULTS,
    READ_FAULTS,
    Faults,
    draw_faults,
)

SEEDS = range(300)
METHODS = ("GET", "PUT")


def test_a_fault_depends_on_the_request_alone() -> None:
    faults = Faults(seed=7, of_reads=0.5, of_writes=0.5)
    asked = [(method, f"/{key}", n) for method in METHODS for key in "abc" for n in range(40)]
    first = {request: faults.draw(*request) for request in asked}
    assert {request: faults.draw(*request) for request in reversed(asked)} == first
    found = {method: {f.kind for (m, _, _), f in first.items() if m == method and f}
             for method in METHODS}  # fmt: skip
    assert found["PUT"] == set(PUT_FAULTS) >= {LATE, DOUBLE}
    assert found["GET"] == set(READ_FAULTS)
    assert all(faults.draw("PUT", "/a", n) == first["PUT", "/a", n] for n in range(40))


def test_without_a_share_there_is_no_fault() -> None:
    assert not any(Faults(seed=1).draw("PUT", "/a", n) for n in range(100))
    assert all(Faults(seed=1, of_writes=1.0).draw("PUT", "/a", n) for n in range(100))


def test_faults_of_a_round_are_in_bounds() -> None:
    drawn = [draw_faults(random.Random(seed)) for seed in SEEDS]
    assert all(0.02 <= faults.of_writes <= 0.2 and faults.of_reads <= 0.04 for faults in drawn)
    assert 0 < sum(bool(faults.outages) for faults in drawn) < len(SEEDS) / 2
