"""A contest driven by hand: tuning first, then the winners on fresh seeds. No trial is run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sweep.plan.contest import Contest, contest
from sweep.run.rivals import Rivals
from trainer.config.trial import TrialConfig

METHODS = ("sn", "sr-static", "rpgan")


def small(**changes: Any) -> Contest:
    given: dict[str, Any] = {
        "budget": 4,
        "tuning_setting": "C_32-32",
        "tuning_seeds": [0, 1],
        "settings": ["C_8-32", "C_32-32"],
        "seeds": [10, 11, 12],
        "sampler_seed": 0,
    }
    return contest("digits", METHODS, **(given | changes))


def row(config: TrialConfig, status: str = "completed") -> dict[str, Any]:
    factor = config.discriminator_rate_factor or 1.0
    objective = 100 * abs(factor - 2) + config.seed + (config.i_ratio or 0.0)
    return {
        "status": status,
        "objective": objective,
        "best_fd_digits": objective,
        "diverged_at": None,
    }


@pytest.fixture
def kept() -> list[list[dict[str, Any]]]:
    return []


def rivals(kept: list[Any], planned: Any = (), candidates: Any = None, **changes: Any) -> Rivals:
    return Rivals(small(**changes), planned, candidates or {}, kept.append)


def drive(search: Rivals, kept: list[Any], stop: int = 10_000) -> Iterator[TrialConfig]:
    """One trial after the other; what is asked for next is on record before it is handed out."""
    while stop and (config := search.next()) is not None:
        if config.seed < 10:
            on_record = {
                t["trial_id"] for m in kept[-1] for c in m["candidates"] for t in c["trials"]
            }
            assert config.trial_id in on_record
        yield config
        search.tell(config.trial_id, row(config))
        stop -= 1


def test_each_method_has_the_same_budget_and_its_winner_runs_on_fresh_seeds(
    kept: list[Any],
) -> None:
    search = rivals(kept)
    ran = list(drive(search, kept))
    assert search.finished()
    assert len({config.trial_id for config in ran}) == len(ran)
    tuned = [config for config in ran if config.seed < 10]
    assert {c.setting for c in tuned} == {"C_32-32"}
    counts = {m: sum(config.method == m for config in tuned) for m in METHODS}
    assert counts == {"sn": 0, "sr-static": 4 * 2, "rpgan": 4 * 2}
    finals = [config for config in ran if config.seed >= 10]
    assert len(finals) == 3 * 2 * 3
    assert ran[-len(finals) :] == finals, "tuning goes first"
    for tuning in search.tunings:
        own = [config for config in finals if config.method == tuning.space.method]
        assert own
        assert {tuning.space.trial(tuning.winner, c.seed, c.setting).trial_id for c in own} == {
            config.trial_id for config in own
        }


def test_what_was_tuned_to_what_is_on_record_and_in_words(kept: list[Any]) -> None:
    search = rivals(kept)
    list(drive(search, kept))
    text = "\n".join(search.lines())
    sn, sr, rpgan = json.loads(json.dumps(kept[-1]))
    assert sn["winner"] == {"values": {}, "candidate": None, "candidates": 0, "objective": None}
    assert "sn         runs as published" in text
    for method in (sr, rpgan):
        objectives = [candidate["objective"] for candidate in method["candidates"]]
        winner = method["winner"]
        assert winner["objective"] == min(objectives)
        assert winner["candidates"] == len(objectives) == 4
        assert winner["published_objective"] == objectives[0]
        assert method["candidates"][winner["candidate"] - 1]["values"] == winner["values"]
        assert f"candidate {winner['candidate']} of 4" in text
        assert len(method["final_trials"]) == 6
    assert "rpgan" in text
    assert "D's learning rate alone is tuned" in text
    assert "the winners on fresh seeds: best FD-digits, mean ± sd (n)" in text


@pytest.mark.parametrize("cut", [1, 2, 5, 9, 15, 17, 25])
def test_a_contest_that_was_killed_has_the_same_winners(kept: list[Any], cut: int) -> None:
    whole = rivals(kept)
    ids = [config.trial_id for config in drive(whole, kept)]
    winners = [tuning.winner for tuning in whole.tunings]

    first = rivals(kept)
    driven = drive(first, kept)
    planned = [next(driven) for _ in range(cut)]  # the last one has begun and not ended
    on_record = {m["method"]: [c["values"] for c in m["candidates"]] for m in kept[-1]}
    again = rivals(kept, [config.trial_id for config in planned], on_record)
    for config in planned:
        again.tell(config.trial_id, row(config))
    rest = [config.trial_id for config in drive(again, kept)]
    assert [tuning.winner for tuning in again.tunings] == winners
    assert sorted([config.trial_id for config in planned] + rest) == sorted(ids)


def test_a_bigger_budget_goes_on_and_a_smaller_one_forgets(kept: list[Any]) -> None:
    first = rivals(kept)
    ran = list(drive(first, kept))
    on_record = {m["method"]: [c["values"] for c in m["candidates"]] for m in kept[-1]}
    more = rivals(kept, [config.trial_id for config in ran], on_record, budget=6)
    for config in ran:
        more.tell(config.trial_id, row(config))
    added = list(drive(more, kept))
    assert sum(config.seed < 10 for config in added) == 2 * 2 * 2
    assert [len(tuning.attempts) for tuning in more.tunings] == [0, 6, 6]
    fewer = rivals(kept, [config.trial_id for config in ran], on_record, budget=2)
    assert [len(tuning.attempts) for tuning in fewer.tunings] == [0, 2, 2]


def test_methods_share_the_slots_evenly(kept: list[Any]) -> None:
    search = rivals(kept)
    first = [search.next() for _ in range(8)]
    assert [c.method for c in first if c] == ["sr-static"] * 2 + ["rpgan"] * 2 + [
        "sr-static", "sr-static", "rpgan", "rpgan",
    ]  # fmt: skip


def test_a_method_whose_trial_was_stopped_has_no_winner_yet(kept: list[Any]) -> None:
    search = rivals(kept)
    stopped = search.next()
    assert stopped is not None
    search.tell(stopped.trial_id, row(stopped, "stopped"))
    ran = list(drive(search, kept))
    assert search.finished()
    assert {config.method for config in ran if config.seed >= 10} == {"sn", "rpgan"}
    assert any("one was stopped; the same command goes on" in line for line in search.lines())
    assert [method["winner"] is None for method in kept[-1]] == [False, True, False]


def test_winners_are_compared_with_none_before_their_end(kept: list[Any]) -> None:
    search = rivals(kept)
    ran = list(drive(search, kept))
    groups = {c.seed: search.group(c.trial_id) for c in ran if c.method == "rpgan"}
    assert groups == {0: "rpgan s0", 1: "rpgan s1", 10: None, 11: None, 12: None}
