"""A trial as a Ray Tune function trainable: own it, resume from the store, train, write, report.

Whoever starts a trial (a retry, a new driver, another cluster), it goes on from its own latest
checkpoint, found by its id. Rows are written before the checkpoint that they belong to; on resume
the files are cut back to the checkpoint, so what came after it is measured and written again.
"""

from __future__ import annotations

import contextlib
import errno
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from sweep.plan.inception_weights import check_weights
from sweep.plan.remaining import is_done
from sweep.plan.resources import memory_cap
from sweep.run import stop_orders
from sweep.run.driver_contact import OWNER_SECONDS, Report, report_owner, with_contact
from sweep.run.recorder import Recorder
from sweep.run.troubles import reported
from sweep.store import requests
from sweep.store.locks import locked
from sweep.store.ownership import Superseded
from sweep.store.retry import PATIENCE_SECONDS
from sweep.store.store import Store
from sweep.store.trial_ownership import acquire_within
from trainer.config.own_images import OwnImages, Reading
from trainer.config.trial import TrialConfig
from trainer.data.share import shared
from trainer.data.sources import Source, load_source
from trainer.interruption import Interrupted, Stop, never
from trainer.loop import Evaluation, final_scores, train
from trainer.out_of_memory import is_out_of_memory
from trainer.parallel.processes import RankDied, launched_ranks
from trainer.scores.scorers import Scorer, load_scorer
from trainer.state import TrainState
from trainer.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Inputs of a trial beside its configuration; none of them can change a number.

    `cpus` and `gpus` are its share of a node. `sweep` may be asked to stop it; it looks for orders
    of its driver every `look_seconds`.
    """

    results: str
    sweep: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    data_root: str | None = None
    download: bool = False
    inception_weights: str | None = None
    allow_other_weights: bool = False
    stop_on_collapse: bool = True
    reading: Mapping[str, Any] = field(default_factory=dict)
    look_seconds: float = stop_orders.LOOK_SECONDS


def run_trial(config: Mapping[str, Any]) -> None:
    """The Ray Tune trainable: `config` holds `trial`, `task` and `share`, all as plain dicts."""
    from ray import tune

    task, trial = Task(**config["task"], **config["share"]), TrialConfig(**config["trial"])
    with reported(), stop_orders.listening(trial.trial_id, task.look_seconds) as order:
        run(trial, task, tune.report, order, lambda: order.reason)
    stop_orders.end_if_terminated()


def run(
    config: TrialConfig,
    task: Task,
    report: Report,
    stop: Stop = never,
    reason: Callable[[], Mapping[str, Any]] = dict,
) -> None:
    """Makes sure that the trial exists in the store; what goes wrong is recorded as `failed`.

    Once `stop` says so it saves after the iteration that is under way, and ends; `reason` gives
    the columns of `trials` that say why. `report` gets a
    small dict of finite values at every evaluation, and one at the end. A trial that another start
    is at work on is reported as `waiting`, with its owner, and left to that.
    """
    store = Store(task.results, PATIENCE_SECONDS)
    ownership = acquire_within(store, config.trial_id, OWNER_SECONDS)
    if ownership is None:
        report_owner(store, config.trial_id, report)
        return
    recorder = Recorder(
        config, ownership, with_contact(report, ownership), cpus=task.cpus, gpus=task.gpus
    )
    try:
        if is_done(recorder.stored, stop_on_collapse=task.stop_on_collapse):
            recorder.report_earlier_end()  # while this start waited for ownership
        else:
            _train(config, task, recorder, stop, reason)
    except Superseded:
        report({"trial": config.trial_id, "status": "superseded"})
    except RankDied:
        raise  # as the death of this process: the trial goes on from its checkpoint
    except Exception as error:
        recorder.record_failure(traceback.format_exc(), out_of_memory=is_out_of_memory(error))
    finally:
        ownership.release()


def _train(
    config: TrialConfig,
    task: Task,
    recorder: Recorder,
    stop: Stop,
    reason: Callable[[], Mapping[str, Any]],
) -> None:
    # The number of threads is set in the thread that trains: OpenMP counts per thread.
    torch.set_num_threads(config.threads)
    if config.device_type == "cuda" and task.gpus < 1:
        total = torch.cuda.get_device_properties(config.device).total_memory
        torch.cuda.set_per_process_memory_fraction(memory_cap(task.gpus, total))
    weights = check_weights(config, task.inception_weights)
    source = _source(
        config.dataset,
        config.device,
        task.data_root,
        task.download,
        config.own_images,
        Reading(**task.reading),
    )
    source = shared(source, config.data_share)
    state = recorder.latest_state()
    scorer = load_scorer(config, source, state, weights, allow_other=task.allow_other_weights)
    recorder.resume(state, scorer)
    scores = None
    if _ends(recorder.verdict, task) or (
        _train_to_end(config, task, recorder, state, source, scorer, stop) and not stop()
    ):
        start = time.perf_counter()
        with contextlib.suppress(Interrupted):
            scores = final_scores(config, state, scorer, stop)
        state.seconds += time.perf_counter() - start
    if scores is None:
        recorder.record_stop(state, reason())
    else:
        recorder.record_end(state, scores)


def _train_to_end(
    config: TrialConfig,
    task: Task,
    recorder: Recorder,
    state: TrainState,
    source: Source,
    scorer: Scorer | None,
    stop: Stop,
) -> bool:
    """Trains on all ranks, of which the others are processes of this one on the same node.

    So a trial has one request for resources, one actor and one owner, however many GPUs it has,
    and Tune knows of no more. False if the store asks to stop before the end.
    """
    root = None if task.data_root is None else Path(task.data_root)
    with launched_ranks(config, state, root=root, reading=Reading(**task.reading)) as ranks:
        evaluations = train(config, state, source, scorer, stop, ranks)
        return _follow(evaluations, config, task, recorder, state)


def _follow(
    evaluations: Iterable[Evaluation],
    config: TrialConfig,
    task: Task,
    recorder: Recorder,
    state: TrainState,
) -> bool:
    """Trains to the end or to a collapse that ends it; False if the store asks to stop before."""
    stop_requested = partial(requests.stops, recorder.ownership.store, task.sweep, config.trial_id)
    if stop_requested():
        return False
    for evaluation in evaluations:
        recorder.record_evaluation(state, evaluation)
        if _ends(evaluation.verdict, task):
            return True
        if evaluation.iteration < config.iterations and stop_requested():
            return False
    return True


def _ends(verdict: Verdict | None, task: Task) -> bool:
    if verdict is None:
        return False
    return verdict.diverged_at is not None or bool(verdict.stop and task.stop_on_collapse)


# An actor that is used again for another trial finds the data in memory.
@lru_cache(maxsize=2)
def _source(
    dataset: str,
    device: str,
    root: str | None,
    download: bool,
    own: OwnImages | None,
    reading: Reading,
) -> Source:
    path = None if root is None else Path(root)
    if path is None or not download or own is not None:  # nobody offers own pictures
        return load_source(dataset, device, path, own=own, reading=reading)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path))  # trials that start together download once
        except OSError as error:
            # Of a folder that may only be read nothing is wanted but what is there.
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
        return load_source(dataset, device, path, download=True)
