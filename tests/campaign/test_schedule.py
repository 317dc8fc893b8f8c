"""Schedules: a kind and a seed are enough to have one again."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.campaign.schedule import BLOWS, KINDS, MOST_EVENTS, PATTERN, ROLES, deal, draw

SEEDS = range(300)


@pytest.mark.parametrize("kind", KINDS)
def test_a_schedule_is_a_function_of_kind_and_seed(kind: str) -> None:
    random.seed(0)
    schedules = [draw(kind, seed) for seed in SEEDS]
    random.seed(1)
    assert schedules == [draw(kind, seed) for seed in SEEDS]
    assert len({(schedule.events, schedule.faults) for schedule in schedules}) > len(SEEDS) / 2


def test_everything_is_killed() -> None:
    events = [event for seed in SEEDS for event in draw("kill", seed).events]
    assert {event.target for event in events} == set(ROLES)
    assert {event.unit for event in events} == {"reports", "seconds"}
    assert {len(draw("kill", seed).events) for seed in SEEDS} == set(range(1, MOST_EVENTS + 1))


def test_every_blow_falls_on_hosts() -> None:
    events = [event for seed in SEEDS for event in draw("hosts", seed).events]
    blows = {f"{event.act} {event.target}".removeprefix("kill w") for event in events}
    assert {"worker" if blow == "orker" else blow for blow in blows} == set(BLOWS)
    assert all((event.seconds > 0) == (event.act == "cut") for event in events)


def test_rounds_of_s3_have_faults_and_rivals() -> None:
    schedules = [draw("s3", seed) for seed in SEEDS]
    assert all(schedule.faults is not None for schedule in schedules)
    trials = [schedule for schedule in schedules if not schedule.whole]
    assert len(trials) == len(SEEDS) * 19 // 20
    assert all(schedule.events[0].act == "rival" for schedule in trials)


def test_kinds_are_dealt_by_the_pattern_and_a_seed_goes_on() -> None:
    dealt = list(deal(0, 100, KINDS))
    assert dealt == [*deal(0, 60, KINDS), *deal(60, 40, KINDS)]
    counts = {kind: 10 * count for kind, count in Counter(PATTERN).items()}
    assert Counter(kind for kind, _ in dealt) == counts
    assert list(deal(5, 2, ["s3"])) == [("s3", 5), ("s3", 6)]
