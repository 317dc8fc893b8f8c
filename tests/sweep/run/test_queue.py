"""What is handed out, in which order, and when there is no more."""

from __future__ import annotations

from collections.abc import Sequence

from sweep.plan.resources import Share
from sweep.run.queue import Backlog
from trainer.config.own_trial import AnyTrial
from trainer.config.trial import TrialConfig, trial_config

TRIALS = [trial_config("digits", "C_8-32", "sn", seed, iterations=2) for seed in range(4)]
FIRST = TRIALS[0].trial_id


def share_of(config: AnyTrial) -> Share:
    return Share(cpus=1.0, gpus=0.25)


def handed_out(backlog: Backlog) -> list[int]:
    """Seeds, until there is none for now."""
    return [job.config.seed for job in iter(backlog.next, None)]


def test_planned_trials_in_their_order() -> None:
    backlog = Backlog(TRIALS, share_of)
    assert handed_out(backlog) == [0, 1, 2, 3]
    assert not backlog.finished, "what runs may need another go"
    for config in TRIALS:
        backlog.release(config.trial_id)
    assert backlog.finished


def test_a_limit_holds_back_until_one_has_ended() -> None:
    backlog = Backlog(TRIALS, share_of, limit=2)
    assert handed_out(backlog) == [0, 1]
    backlog.release(FIRST)
    assert handed_out(backlog) == [2]


def test_out_of_memory_comes_last_and_with_more() -> None:
    backlog = Backlog(TRIALS, share_of)
    handed_out(backlog)
    shares = []
    while (again := backlog.release(FIRST, out_of_memory=True)) is not None:
        shares.append(again.gpus)
        assert not backlog.finished
        job = backlog.next()
        assert job is not None
        assert (job.config, job.share) == (TRIALS[0], again)
    assert shares[0] > 0.25
    assert shares[-1] == 1
    assert shares == sorted(set(shares))
    assert FIRST not in backlog.running


def test_out_of_memory_waits_behind_the_rest() -> None:
    backlog = Backlog(TRIALS, share_of, limit=1)
    assert handed_out(backlog) == [0]
    backlog.release(FIRST, out_of_memory=True)
    seeds = []
    while (job := backlog.next()) is not None:
        seeds.append(job.config.seed)
        backlog.release(job.config.trial_id)
    assert seeds == [1, 2, 3, 0]


def test_a_trial_is_queued_again_once() -> None:
    backlog = Backlog(TRIALS[:1], share_of)
    assert not backlog.requeue(TRIALS[0]), "it waits"
    handed_out(backlog)
    assert not backlog.requeue(TRIALS[0]), "it runs"
    backlog.release(FIRST)
    assert backlog.requeue(TRIALS[0])
    assert handed_out(backlog) == [0]


def test_a_trial_can_be_dropped() -> None:
    backlog = Backlog(TRIALS, share_of)
    backlog.drop(TRIALS[1].trial_id)
    assert handed_out(backlog) == [0, 2, 3]


def test_once_stopped_nothing_is_handed_out() -> None:
    backlog = Backlog(TRIALS, share_of, limit=1)
    assert handed_out(backlog) == [0]
    backlog.stop()
    assert backlog.release(FIRST, out_of_memory=True) is None
    assert not backlog.requeue(TRIALS[0])
    assert handed_out(backlog) == []
    assert backlog.finished


def test_a_trial_that_came_back_goes_first_and_is_known_by_it() -> None:
    backlog = Backlog(TRIALS, share_of, limit=2)
    assert handed_out(backlog) == [0, 1]
    backlog.put_back(FIRST)
    job = backlog.next()
    assert job is not None
    assert (job.config.seed, job.returned) == (0, True)
    backlog.release(TRIALS[1].trial_id)
    job = backlog.next()
    assert job is not None
    assert (job.config.seed, job.returned) == (2, False)


def test_a_trial_that_had_not_begun_keeps_its_place() -> None:
    backlog = Backlog(TRIALS, share_of)
    assert handed_out(backlog) == [0, 1, 2, 3]
    for config in reversed(TRIALS[1:3]):
        backlog.put_back(config.trial_id, began=False)
    jobs = list(iter(backlog.next, None))
    assert [(job.config.seed, job.returned) for job in jobs] == [(1, False), (2, False)]


def test_a_larger_share_is_kept_by_a_trial_that_comes_back() -> None:
    backlog = Backlog(TRIALS[:1], share_of)
    handed_out(backlog)
    larger = backlog.release(FIRST, out_of_memory=True)
    handed_out(backlog)
    backlog.put_back(FIRST)
    job = backlog.next()
    assert job is not None
    assert job.share == larger != share_of(TRIALS[0])


def test_who_is_not_ready_lets_others_go_before_and_is_not_forgotten() -> None:
    free = {config.trial_id for config in TRIALS[1:3]}
    backlog = Backlog(TRIALS, share_of, ready=free.__contains__)
    assert handed_out(backlog) == [1, 2]
    assert not backlog.idle, "what runs may need another go"
    for config in TRIALS[1:3]:
        backlog.release(config.trial_id)
    assert backlog.idle
    assert not backlog.finished
    free |= {FIRST}
    assert not backlog.idle
    assert handed_out(backlog) == [0]


def test_a_worker_that_dies_is_replaced_so_often() -> None:
    backlog = Backlog(TRIALS, share_of, limit=1, max_deaths=2)
    assert handed_out(backlog) == [0]
    assert backlog.lose(FIRST, counts=False), "a node that the cluster took away"
    for _ in range(2):
        assert handed_out(backlog) == [0], "before the others"
        assert backlog.lose(FIRST)
    assert handed_out(backlog) == [0]
    assert not backlog.lose(FIRST)
    assert handed_out(backlog) == [1]
    assert backlog.requeue(TRIALS[0])
    backlog.release(TRIALS[1].trial_id)
    assert handed_out(backlog) == [2]


def test_once_stopped_nothing_comes_back() -> None:
    backlog = Backlog(TRIALS, share_of, limit=2, max_deaths=1)
    assert handed_out(backlog) == [0, 1]
    backlog.stop()
    assert backlog.lose(FIRST), "it did not die too often"
    backlog.put_back(TRIALS[1].trial_id)
    assert handed_out(backlog) == []
    assert backlog.finished
    assert backlog.idle


def suggesting(trials: Sequence[TrialConfig]) -> Backlog:
    left = list(trials)
    return Backlog(
        TRIALS[:1],
        share_of,
        limit=2,
        suggest=lambda: left.pop(0) if left else None,
        exhausted=lambda: not left,
    )


def test_suggestions_come_after_what_is_planned_and_only_when_there_is_room() -> None:
    backlog = suggesting(TRIALS[1:])
    assert handed_out(backlog) == [0, 1]
    assert not backlog.finished
    backlog.release(FIRST)
    assert handed_out(backlog) == [2], "the limit is 2"
    for config in TRIALS[1:3]:
        backlog.release(config.trial_id)
    assert not backlog.finished, "one more will be suggested"
    assert handed_out(backlog) == [3]
    backlog.release(TRIALS[3].trial_id)
    assert backlog.finished


def test_what_runs_is_taken_back_before_what_waits() -> None:
    backlog = Backlog(TRIALS, share_of, limit=2)
    assert handed_out(backlog) == [0, 1]
    larger_share = backlog.release(FIRST, out_of_memory=True)
    backlog.waiting.rotate(1)
    handed_out(backlog)
    assert backlog.take_back() == [TRIALS[1].trial_id, FIRST]
    jobs = list(iter(backlog.next, None))
    assert [(job.config.seed, job.share) for job in jobs] == [
        (1, share_of(TRIALS[1])),
        (0, larger_share),
    ]


def test_once_stopped_nothing_is_taken_back() -> None:
    backlog = Backlog(TRIALS, share_of, limit=1)
    handed_out(backlog)
    backlog.stop()
    assert backlog.take_back() == [FIRST]
    assert backlog.next() is None
    assert backlog.finished


def test_suggestions_go_before_what_is_not_ready_but_not_without_end() -> None:
    left = list(TRIALS[1:])
    backlog = Backlog(
        TRIALS[:1],
        share_of,
        limit=2,
        suggest=lambda: left.pop(0) if left else None,
        exhausted=lambda: not left,
        ready=lambda trial_id: trial_id == TRIALS[1].trial_id,
    )
    assert handed_out(backlog) == [1]
    assert [config.seed for config in left] == [3], "two wait: what comes of them is not known"
    assert not backlog.finished
