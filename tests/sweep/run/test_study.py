"""Studies against objectives with a known answer: no trial is run."""

from __future__ import annotations

import logging
import math
import random
import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import optuna
import pytest

from sweep.plan.search_space import Space, spaces_over_everything, spaces_over_i
from sweep.run.rows import PENALTY
from sweep.run.study import Neighbours, Studies
from trainer.config.trial import TrialConfig

Objective = Callable[[TrialConfig], float | None]


def row(config: TrialConfig, objective: float | None, status: str = "completed") -> dict[str, Any]:
    return {
        "trial_id": config.trial_id,
        "status": status,
        "objective": objective,
        "best_iteration": 3,
        "mode_collapse_at": None,
    }


def distance(config: TrialConfig) -> float:
    """Lowest at i = 0.6, of which 19/32 is the nearest step."""
    assert config.i_ratio is not None
    return (config.i_ratio - 0.6) ** 2


def over(*settings: str) -> list[Space]:
    return spaces_over_i("digits", settings, "sr-static", 0)


def studies(spaces: list[Space], planned: Iterable[str] = (), **how: Any) -> Studies:
    given = {"trials": 12, "seed": 0, "keep": lambda record: None}
    return Studies(spaces, [*planned], **(given | how))


def drive(search: Studies, objective: Objective, stop: int = 10_000) -> list[TrialConfig]:
    """One trial after the other, at most `stop`, each ending with its objective."""
    ran = []
    while len(ran) < stop and (config := search.next()) is not None:
        ran.append(config)
        search.tell(config.trial_id, row(config, objective(config)))
    return ran


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterable[None]:
    """Neither Ray's searcher nor Optuna has anything to complain of, as it would of NaN."""
    with caplog.at_level(logging.WARNING):
        yield
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_best_i_is_found_without_asking_for_any_twice(seed: int) -> None:
    ran = drive(studies(over("C_8-32"), trials=16, seed=seed), distance)
    assert len({config.trial_id for config in ran}) == len(ran) == 16
    assert all(config.i_ratio in [k / 32 for k in range(1, 33)] for config in ran)
    assert min(abs((config.i_ratio or 0) - 19 / 32) for config in ran) <= 1 / 32


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_was_seen_leads_to_what_is_asked(seed: int) -> None:
    search = studies(over("C_8-32"), trials=16, seed=seed)
    ran = drive(search, lambda config: 1 - (config.i_ratio or 0))
    drawn, led = ([c.i_ratio or 0 for c in part] for part in (ran[:10], ran[10:]))
    assert statistics.median(led) > statistics.median(drawn) + 0.2


def test_a_seed_is_a_sequence_and_0_is_a_seed() -> None:
    sequences = {
        seed: [c.i_ratio for c in drive(studies(over("C_8-32"), seed=seed), distance)]
        for seed in (0, 1)
    }
    for seed, sequence in sequences.items():
        again = drive(studies(over("C_8-32"), seed=seed), distance)
        assert [c.i_ratio for c in again] == sequence
    assert sequences[0] != sequences[1]


def test_a_study_is_the_same_alone_and_beside_others() -> None:
    alone = drive(studies(over("C_8-32")), distance)
    beside = drive(studies(over("C_8-32", "C_16-32")), distance)
    assert [c for c in beside if c.setting == "C_8-32"] == alone


def test_an_exhausted_space_ends_early() -> None:
    search = studies(over("C_8-32"), trials=40)
    ran = drive(search, distance)
    assert sorted(config.i_ratio or 0 for config in ran) == [k / 32 for k in range(1, 33)]
    assert search.finished()
    assert "the space is exhausted: it has no more than 32 trials" in search.lines()[0]
    assert "40 asked for" in search.lines()[0]


def test_a_search_goes_on_from_the_plan_and_the_rows() -> None:
    ran = drive(studies(over("C_8-32")), distance, stop=7)
    planned = [config.trial_id for config in ran]
    again = studies(over("C_8-32"), planned)
    for config in ran[:6]:
        again.tell(config.trial_id, row(config, distance(config)))
    rest = drive(again, distance)
    assert len(rest) == 12 - 7, "the seventh was planned, and is run by the launcher"
    assert not {config.trial_id for config in rest} & set(planned)
    again.tell(planned[6], row(ran[6], distance(ran[6])))
    (study,) = again.studies
    finished = study.outcome().findings
    assert len({one.trial_id for one in finished}) == len(finished) == 12


def test_what_is_told_twice_counts_once() -> None:
    search = studies(over("C_8-32"))
    ran = drive(search, distance, stop=3)
    for config in ran:
        search.tell(config.trial_id, row(config, 0.0))
    (study,) = search.studies
    assert [one.objective for one in study.outcome().findings] == sorted(map(distance, ran))
    assert len(told(search)) == 3


def told(search: Studies) -> list[float | None]:
    """What Optuna has been told."""
    (study,) = search.studies
    trials = study._study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    return [trial.value for trial in trials]


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_what_is_not_finite_reaches_optuna_as_the_penalty(value: float | None) -> None:
    search = studies(over("C_8-32"))
    drive(search, lambda config: value if config.i_ratio and config.i_ratio > 0.5 else 1.0)
    values = told(search)
    assert set(values) == {1.0, PENALTY}
    assert len(values) >= 12
    (study,) = search.studies
    assert {one.objective for one in study.outcome().findings} == {1.0, PENALTY}


@pytest.mark.parametrize("status", ["failed", "stopped", "running", None])
def test_what_did_not_finish_tells_nothing_and_is_not_asked_for_again(status: str | None) -> None:
    search = studies(over("C_8-32"), trials=32)
    first = search.next()
    assert first is not None
    search.tell(first.trial_id, None if status is None else row(first, 1.0, status))
    assert told(search) == []
    rest = drive(search, distance)
    assert first.trial_id not in {config.trial_id for config in rest}
    assert len(rest) == 31
    # Run again, on a bigger share or by another start, it ends well.
    search.tell(first.trial_id, row(first, 0.25))
    assert told(search).count(0.25) == 1


def test_studies_share_the_slots_evenly() -> None:
    search = studies(over("C_8-32", "C_16-32", "C_32-32"), trials=4)
    running = [search.next() for _ in range(6)]
    assert [c.setting for c in running if c] == ["C_8-32", "C_16-32", "C_32-32"] * 2
    ended = [c for c in running if c and c.setting == "C_16-32"]
    for config in ended:
        search.tell(config.trial_id, row(config, 1.0))
    assert [c.setting for c in (search.next(), search.next()) if c] == ["C_16-32"] * 2
    settings = [c.setting for c in drive(search, distance)]
    assert sorted(settings) == ["C_32-32"] * 2 + ["C_8-32"] * 2
    assert search.finished()
    assert search.next() is None


def test_after_the_timeout_nothing_is_suggested() -> None:
    search = studies(over("C_8-32"), timeout=0.0)
    assert search.finished()
    assert search.next() is None
    assert not studies(over("C_8-32"), timeout=100.0).finished()


def full(config: TrialConfig) -> float:
    """Best is sr-static at the profile's width 32, whatever the batch."""
    i = 0.5 if config.i_ratio is None else (config.i_ratio - 0.6) ** 2
    return abs(config.channels - 32) / 16 + (config.method != "sr-static") + i


def test_the_full_space_is_searched_with_i_where_it_matters() -> None:
    spaces = spaces_over_everything("digits", ["digits8"], 0)
    search = studies(spaces, trials=50)
    ran = drive(search, full)
    assert len({config.trial_id for config in ran}) == 50
    best = min(ran, key=full)
    assert (best.method, best.channels) == ("sr-static", 32)
    assert {config.setting[0] for config in ran} >= {"U", "B"}
    (study,) = search.studies
    for one in study.outcome().findings:
        assert ("i_ratio" in one.parameters) == (
            one.parameters["method"] in ("sr-static", "sr-lift")
        )


def test_pairs_that_cannot_run_are_never_suggested() -> None:
    (space,) = spaces_over_everything("digits", ["digits8"], 0)
    # As if no width but 32 ran with batches above 8.
    for key in list(space.trials):
        sizes = dict(key)
        if sizes["channels"] != 32 and sizes["batch_size"] != 8:
            del space.trials[key]  # pyright: ignore[reportIndexIssue] - a test may write to it
    ran = drive(studies([space], trials=40), full)
    assert len(ran) == 40
    assert all(c.setting.endswith("-32") or "_8-" in c.setting for c in ran)


def halved(config: TrialConfig, objective: float) -> dict[str, Any]:
    return row(config, objective, "stopped") | {"rung": 1, "rung_budget": 150}


def test_a_trial_that_a_rung_stopped_is_pruned_and_not_asked_for_again() -> None:
    search = studies(over("C_8-32"))
    ran = []
    while (config := search.next()) is not None:
        ran.append(config)
        value = distance(config)
        ended = row(config, value) if value < 0.05 else halved(config, value)
        search.tell(config.trial_id, ended)
    assert len({config.trial_id for config in ran}) == 12
    (study,) = search.studies
    assert len(study.outcome().findings) == 12
    states = [trial.state.name for trial in study._study.trials if trial.state.is_finished()]
    assert {"COMPLETE", "PRUNED"} <= set(states)
    pruned = next(trial for trial in study._study.trials if trial.state.name == "PRUNED")
    assert list(pruned.intermediate_values) == [150]
    assert "of them stopped at a rung" in search.lines()[0]
    # One that goes on from its rung is found with what it reached.
    first = next(config for config in ran if distance(config) >= 0.05)
    search.tell(first.trial_id, row(first, 0.0))
    assert study.outcome().findings[0].trial_id == first.trial_id


def test_trials_are_compared_within_their_study() -> None:
    search = studies(over("C_8-32", "C_16-32"))
    running = [search.next() for _ in range(4)]
    assert [search.group(c.trial_id) for c in running if c] == ["C_8-32", "C_16-32"] * 2
    assert search.group("another") is None


def test_the_nearest_trial_is_the_first_of_the_least_distance() -> None:
    (space,) = spaces_over_everything("digits", ["digits8"], 0)
    parameters = space.parameters()
    neighbours = Neighbours(space, parameters)
    choices = random.Random(0)

    def distance_to(wanted: Mapping[str, Any], other: Mapping[str, Any]) -> float:
        categories = sum(wanted[name] != other[name] for name in space.categories)
        return categories + abs(wanted.get("i_ratio", 0.0) - other.get("i_ratio", 0.0))

    for _ in range(20):
        wanted = parameters[choices.choice([*parameters])]
        candidates = dict.fromkeys(i for i in parameters if choices.random() < 0.02)
        expected = min(candidates, key=lambda i: distance_to(wanted, parameters[i]))
        assert neighbours.nearest(wanted, candidates) == expected


def test_a_sampler_that_repeats_itself_is_not_asked_again() -> None:
    """The nearest trial is then started in its place, which is one more trial of Optuna's."""
    search = studies(over("C_32-32"), trials=30)
    ran = drive(search, distance)
    (study,) = search.studies
    assert len(ran) == 30
    assert 30 < study._asks <= 60
