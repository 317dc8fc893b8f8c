"""The tuning of a method against objectives with a known answer: no trial is run."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from sweep.plan.tuning_space import TuningSpace
from sweep.run import tuning as tuning_module
from sweep.run.rows import PENALTY
from sweep.run.tuning import STARTUP, Tuning
from trainer.config.trial import TrialConfig

Objective = Callable[[TrialConfig], float]


def row(objective: float | None, status: str = "completed", **says: Any) -> dict[str, Any]:
    return {"status": status, "objective": objective, "diverged_at": None} | says


def tuning(method: str = "sr-static", budget: int = 12, **how: Any) -> Tuning:
    space = TuningSpace(profile="digits", setting="C_32-32", method=method)
    given: dict[str, Any] = {"seed": 0} | how
    return Tuning(space, [0, 1], budget=budget, **given)


def distance(config: TrialConfig) -> float:
    """Lowest at i = 0.75 and D's own rate, and a little worse with seed 1."""
    assert config.i_ratio is not None
    octaves = abs(math.log2(config.discriminator_rate_factor or 1.0))
    return abs(config.i_ratio - 0.75) + octaves + 0.1 * config.seed


def drive(study: Tuning, objective: Objective, candidates: int = 1000) -> list[dict[str, float]]:
    """One candidate after the other; returns them in their order."""
    for _ in range(candidates):
        for config in study.next():
            study.tell(config.trial_id, row(objective(config)))
    return [attempt.candidate for attempt in study.attempts]


def test_the_first_candidate_is_the_method_as_published() -> None:
    study = tuning()
    configs = study.next()
    assert [config.seed for config in configs] == [0, 1]
    assert study.attempts[0].candidate == study.space.published()


def test_an_objective_is_the_mean_over_the_tuning_seeds() -> None:
    study = tuning()
    first, second = study.next()
    assert not study.tell(first.trial_id, row(2.0))
    assert study.attempts[0].objective == math.inf
    assert study.tell(second.trial_id, row(3.0))
    assert study.attempts[0].objective == 2.5


def test_the_budget_is_kept_and_no_candidate_comes_twice() -> None:
    study = tuning(budget=12)
    candidates = drive(study, distance)
    assert len(candidates) == 12
    assert len({tuple(candidate.items()) for candidate in candidates}) == 12
    assert study.is_finished
    best = min(study.attempts, key=lambda attempt: attempt.objective)
    assert study.winner == best.candidate


def test_what_was_seen_leads_to_what_comes_next() -> None:
    led = []
    for seed in range(4):
        study = tuning(budget=25, seed=seed)
        drive(study, distance)
        led += [attempt.objective for attempt in study.attempts[-10:]]
    space = tuning().space
    anywhere = [distance(space.trial(candidate, 0)) for candidate in space.candidates()]
    assert statistics.fmean(led) < 0.8 * statistics.fmean(anywhere)


@pytest.mark.parametrize("cut", [0, 1, 3, STARTUP, STARTUP + 2, 11])
def test_a_tuning_that_was_killed_goes_on_as_if_it_had_not_been(cut: int) -> None:
    whole = drive(tuning(), distance)
    first = tuning()
    drive(first, distance, candidates=cut)
    again = tuning(candidates=[attempt.candidate for attempt in first.attempts])
    for attempt in again.attempts:
        for config in reversed(attempt.configs):
            again.tell(config.trial_id, row(distance(config)))
    assert drive(again, distance) == whole


def test_the_order_in_which_trials_end_changes_nothing() -> None:
    whole = drive(tuning(), distance)
    study = tuning()
    running: list[TrialConfig] = []
    while not study.is_finished:
        while configs := study.next():
            running += configs
        config = running.pop()  # the youngest first
        study.tell(config.trial_id, row(distance(config)))
    assert [attempt.candidate for attempt in study.attempts] == whole


def test_the_sampler_waits_for_what_the_candidates_gave_and_random_ones_do_not() -> None:
    study = tuning()
    for _ in range(STARTUP):
        assert study.next()
    assert study.next() == []
    assert study.n_running == 2 * STARTUP


@pytest.mark.parametrize(
    "end",
    [
        None,
        row(5.0, "failed"),
        row(5.0, "running"),
        row(5.0, "collapsed", diverged_at=50),
        row(math.nan),
        row(None),
    ],
)
def test_what_failed_or_diverged_counts_as_worst(end: dict[str, Any] | None) -> None:
    study = tuning(budget=2)
    first, second = study.next()
    study.tell(first.trial_id, row(1.0))
    assert study.tell(second.trial_id, end)
    assert study.attempts[0].objective == (1 + PENALTY) / 2
    drive(study, lambda config: 100.0)
    assert study.winner == study.attempts[1].candidate
    # Tried again by the next start of the command, it ends well.
    study.tell(second.trial_id, row(2.0))
    assert study.winner == study.attempts[0].candidate


def test_where_nothing_has_a_score_the_method_stays_as_published() -> None:
    study = tuning(budget=4)
    drive(study, lambda config: PENALTY)
    assert study.winner == study.space.published()


def test_a_trial_that_was_stopped_leaves_the_tuning_open() -> None:
    study = tuning(budget=1)
    first, second = study.next()
    study.tell(first.trial_id, row(1.0))
    assert not study.tell(second.trial_id, row(0.5, "stopped"))
    assert study.is_interrupted
    assert not study.is_finished
    assert study.tell(second.trial_id, row(0.5))
    assert study.is_finished
    assert not study.is_interrupted


def test_nothing_to_tune_is_finished_at_once() -> None:
    study = tuning("sn")
    assert study.is_finished
    assert study.next() == []
    assert study.winner == {}


def test_a_method_with_few_candidates_runs_them_all() -> None:
    study = tuning("rpgan", budget=50)
    candidates = drive(study, lambda config: config.discriminator_rate_factor or 1.0)
    assert len(candidates) == study.space.size == study.budget
    assert study.winner == {"discriminator_rate_factor": 0.25}


def test_a_candidate_that_cannot_run_is_not_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = TuningSpace.runs

    def only_packs_of_two(space: TuningSpace, candidate: dict[str, float]) -> bool:
        return candidate["packing"] == 2 and runs(space, candidate)

    monkeypatch.setattr(TuningSpace, "runs", only_packs_of_two)
    study = tuning("pacgan", budget=20)
    candidates = drive(study, lambda config: 1.0)
    assert len(candidates) == 11
    assert {candidate["packing"] for candidate in candidates} == {2}
    assert study.is_finished


def test_the_sampler_sees_the_order_of_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, int]] = []

    class Spy(tuning_module.OptunaSearch):
        def add_evaluated_point(self, *point: Any, **how: Any) -> None:
            seen.append(point[0])
            super().add_evaluated_point(*point, **how)

    monkeypatch.setattr(tuning_module, "OptunaSearch", Spy)
    study = tuning(budget=STARTUP + 1)
    drive(study, distance)
    assert len(seen) >= STARTUP
    assert seen[0] == {"i_ratio": 7, "projection_period": 2, "discriminator_rate_factor": 4}


def test_a_trial_that_a_rung_stopped_counts_by_what_it_reached() -> None:
    study = tuning(budget=2)
    first, second = study.next()
    study.tell(first.trial_id, row(1.0))
    assert study.tell(second.trial_id, row(3.0, "stopped", rung=1))
    assert study.attempts[0].objective == 2.0
    assert study.attempts[0].is_halved
    assert not study.is_interrupted
    drive(study, lambda config: 9.0)
    assert study.winner == study.attempts[0].candidate
    assert not study.attempts[1].is_halved


def test_the_sampler_hears_of_what_was_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    pruned: list[bool] = []

    class Spy(tuning_module.OptunaSearch):
        def add_evaluated_point(self, *point: Any, **how: Any) -> None:
            pruned.append(how["pruned"])
            super().add_evaluated_point(*point, **how)

    monkeypatch.setattr(tuning_module, "OptunaSearch", Spy)
    study = tuning(budget=STARTUP + 1)
    for _ in range(STARTUP):
        first, second = study.next()
        study.tell(first.trial_id, row(1.0))
        study.tell(second.trial_id, row(1.0, "stopped", rung=1))
    assert study.next()
    assert set(pruned) == {True}


def test_trials_are_compared_with_those_of_their_method_and_seed() -> None:
    study = tuning()
    assert [study.group(config.trial_id) for config in study.next()] == [
        "sr-static s0", "sr-static s1",
    ]  # fmt: skip
