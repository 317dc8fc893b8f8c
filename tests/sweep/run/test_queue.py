"""What is handed out, in which order, and when there is no more."""

from __future__ import annotations

from collections.abc import Sequence

from sweep.plan.resources import Share
from sweep.run.queue import Backlog
from trainer.config.trial import TrialConfig, trial_config

TRIALS = [trial_config("digits", "C_8-32", "sn", seed, iterations=2) for seed in range(4)]
FIRST = TRIALS[0].trial_id


def share_of(config: TrialConfig) -> Share:
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
