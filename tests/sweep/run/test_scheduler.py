"""The scheduler against evaluations in a store: restarts change nothing that it decides."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest

from sweep.plan.halving import Halving
from sweep.run.rows import identity_row
from sweep.run.scheduler import Halt, Scheduler
from sweep.store.store import Store
from trainer.config.trial import TrialConfig, trial_config

RUNGS = (150, 350)
TRIALS = [trial_config("digits", "C_32-32", "sr-static", 0, i_ratio=k / 32) for k in range(1, 31)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def scheduler(store: Store) -> Scheduler:
    return Scheduler(Halving(), store, lambda trial_id: "C_32-32")


def evaluate(store: Store, config: TrialConfig, upto: int, score: float) -> None:
    """Stores evaluations every 50 iterations, all with that score."""
    rows: list[dict[str, Any]] = [
        {"trial_id": config.trial_id, "iteration": at, "fd_digits": score, "finite": True}
        for at in range(0, upto + 1, 50)
    ]
    store.write_rows("evaluations", config.trial_id, rows)


def reach(
    store: Store, asha: Scheduler, config: TrialConfig, at: int, score: float
) -> Halt | None:
    evaluate(store, config, at, score)
    return asha.decide(config, at)


def test_a_rung_is_decided_once_and_only_there(store: Store) -> None:
    asha = scheduler(store)
    first, second = TRIALS[:2]
    assert reach(store, asha, first, 100, 9.0) is None
    assert reach(store, asha, first, 150, 9.0) is None, "alone it is the best"
    assert reach(store, asha, second, 100, 99.0) is None
    halt = reach(store, asha, second, 150, 99.0)
    assert halt is not None
    assert halt.columns == {
        "rung": 1,
        "rung_budget": 150,
        "stop_reason": "rung 1 of successive halving, at iteration 150: 99 is not among the best "
        "1/3 of 2",
    }
    assert reach(store, asha, second, 200, 99.0) is None, "it was decided"
    assert reach(store, asha, first, 350, 9.0) is None


def test_nan_never_goes_on_however_early_it_comes(store: Store) -> None:
    halt = reach(store, scheduler(store), TRIALS[0], 150, math.nan)
    assert halt is not None
    assert halt.reason.endswith("at iteration 150: no score was finite")


def test_trials_of_no_group_run_to_their_end(store: Store) -> None:
    asha = Scheduler(Halving(), store, lambda trial_id: None)
    assert reach(store, asha, TRIALS[0], 150, math.nan) is None


def test_groups_are_not_compared(store: Store) -> None:
    groups = {TRIALS[0].trial_id: "a", TRIALS[1].trial_id: "b"}
    asha = Scheduler(Halving(), store, groups.__getitem__)
    assert reach(store, asha, TRIALS[0], 150, 1.0) is None
    assert reach(store, asha, TRIALS[1], 150, 9.0) is None


def test_reports_that_come_together_leave_no_rung_out(store: Store) -> None:
    asha = scheduler(store)
    assert reach(store, asha, TRIALS[0], 400, 5.0) is None
    assert reach(store, asha, TRIALS[1], 150, 6.0) is not None, "the first was at this rung, too"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_restart_changes_no_decision(store: Store, seed: int) -> None:
    """Trials reach rungs in a drawn order; a driver is replaced before each decision."""
    drawn = random.Random(seed)
    scores = {config.trial_id: drawn.random() for config in TRIALS}
    moments = [(config, at) for config in TRIALS for at in RUNGS]
    drawn.shuffle(moments)
    moments.sort(key=lambda moment: moment[1] > 150 and drawn.random() > 0.3)
    lasting, decisions, restarted = scheduler(store), [], []
    halted: dict[str, int] = {}
    for config, at in moments:
        rows_so_far = store.read_rows("evaluations", config.trial_id)
        reached = max((row["iteration"] for row in rows_so_far), default=0)
        if config.trial_id in halted or reached >= at:
            continue
        fresh = scheduler(store)
        rows = {c.trial_id: identity_row(c) | {"rung": halted.get(c.trial_id)} for c in TRIALS}
        fresh.recall(TRIALS, rows)
        halt = reach(store, lasting, config, at, scores[config.trial_id])
        decisions.append(halt and halt.columns)
        again = fresh.decide(config, at)
        restarted.append(again and again.columns)
        if halt is not None:
            halted[config.trial_id] = halt.rung.number
            # Until it hears of that, it trains on for a moment.
            evaluate(store, config, at + 250, scores[config.trial_id])
    assert restarted == decisions
    assert 5 < len(halted) < 30


def test_what_an_earlier_start_left_at_a_rung_is_decided_again(store: Store) -> None:
    for k, config in enumerate(TRIALS[:3]):
        evaluate(store, config, (400, 150, 200)[k], (1.0, 2.0, 3.0)[k])
    rows = {config.trial_id: identity_row(config) for config in TRIALS[:3]}
    asha = scheduler(store)
    assert asha.recall(TRIALS, rows) == [TRIALS[1]]
    halt = asha.decide_again(TRIALS[1])
    assert halt is not None
    assert (halt.rung.number, halt.n) == (1, 3)
