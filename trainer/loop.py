"""The training loop, a generator: `for evaluation in train(config, state, data, scorer): ...`.

The consumer stops by not asking for more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from trainer.collapse import verdict_on
from trainer.config.trial import TrialConfig
from trainer.data.sources import Source
from trainer.hessian import frozen_buffers
from trainer.interruption import Interrupted, Stop, interruptible, never
from trainer.measure import (
    discriminator_gradient,
    discriminator_outputs,
    hessian_record,
    histograms,
    output_record,
    picture,
    samples,
    spectra,
)
from trainer.out_of_memory import EVALUATION, TRAINING, phase
from trainer.parallel.ranks import ALONE, Ranks
from trainer.projection import stable_ranks
from trainer.randomness import seed_torch
from trainer.scores.scorers import Scorer
from trainer.state import Interval, TrainState
from trainer.tf32 import use_tf32
from trainer.updates import MEASURED, train_iteration
from trainer.verdict import Verdict

# What comes with scores and is the same for those of G and of its average.
SHARED = ("n_samples", "reference_weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Measurements at one iteration.

    `record` is the row of scalars and per-layer summaries that the state keeps, without scores
    where there is no scorer or a number is not finite; `spectra` the singular values of every
    layer's weight as the forward pass sees it, [layers][r] descending; `stable_ranks` one value
    per iteration since the evaluation before, [layers][n]; `outputs` histograms of D(x) and of
    D's loss; `samples` a PNG of samples of the same latent vectors at every evaluation.
    """

    record: dict[str, Any]
    spectra: list[list[float]]
    stable_ranks: list[list[float]]
    outputs: list[dict[str, Any]]
    samples: bytes
    verdict: Verdict

    @property
    def iteration(self) -> int:
        return self.record["iteration"]


def train(
    config: TrialConfig,
    state: TrainState,
    data: Source,
    scorer: Scorer | None,
    stop: Stop = never,
    ranks: Ranks = ALONE,
) -> Iterator[Evaluation]:
    """Trains on from `state`, in place, and yields an evaluation of it whenever one is due.

    The first is of the iteration that it starts from, unless the state has that already. Ends
    after the last iteration, or when a number is not finite, or after the iteration in which
    `stop` says so, an evaluation under way being given up. `state` may be saved then and after
    each evaluation, and only then; with an `interval` it has more than the last evaluation saw.
    Where several `ranks` train together this is rank 0, and the others `follow` it.
    """
    before, started = state.seconds, time.perf_counter()
    # A training pass turns it on where that is asked for; nothing else has it.
    use_tf32(False)
    _read_ahead(config, state, data, ranks)
    try:
        while not state.history or _goes_on(config, state):
            if state.history:
                with phase(TRAINING):
                    _train_interval(config, state, data, stop, ranks)
            with phase(EVALUATION):
                evaluation = _evaluated(config, state, data, scorer, stop)
            state.seconds = before + time.perf_counter() - started
            if evaluation is None:
                return
            evaluation.record["seconds"] = state.seconds
            yield evaluation
    finally:
        data.close()


def follow(config: TrialConfig, state: TrainState, data: Source, ranks: Ranks) -> None:
    """Trains on from `state`, in place, as long as rank 0 does, and measures nothing."""
    use_tf32(False)
    _read_ahead(config, state, data, ranks)
    try:
        while ranks.goes_on():
            train_iteration(config, state, data, ranks)
    finally:
        data.close()


def _read_ahead(config: TrialConfig, state: TrainState, data: Source, ranks: Ranks) -> None:
    data.follow(
        config.seed,
        state.iteration,
        config.n_critic,
        config.batch_size,
        config.micro_batch,
        ranks.rank,
        ranks.world_size,
    )


def _goes_on(config: TrialConfig, state: TrainState) -> bool:
    last = state.history[-1]
    return last["iteration"] < config.iterations and last["finite"]


def _train_interval(
    config: TrialConfig, state: TrainState, data: Source, stop: Stop, ranks: Ranks
) -> None:
    """Trains until the next evaluation is due, or `stop` says so."""
    last = state.history[-1]["iteration"]
    due = min((last // config.evaluate_every + 1) * config.evaluate_every, config.iterations)
    start = time.perf_counter()
    while state.iteration < due and not stop():
        ranks.goes_on()
        measured = train_iteration(config, state, data, ranks)
        if state.interval is None:
            state.interval = Interval(sums=torch.zeros_like(measured))
        state.interval.sums += measured
        state.interval.stable_ranks.append(stable_ranks(state))
    if state.interval is not None:
        # The only point of an interval at which the host waits for the device.
        state.interval.sums.tolist()
        state.interval.seconds += time.perf_counter() - start


def _evaluated(
    config: TrialConfig, state: TrainState, data: Source, scorer: Scorer | None, stop: Stop
) -> Evaluation | None:
    """The evaluation of the state as it is; None if the run is to end instead."""
    if stop():
        return None
    try:
        with interruptible(stop), _undisturbed(config, state):
            return _evaluate(config, state, data, scorer)
    except Interrupted:
        return None


@contextmanager
def _undisturbed(config: TrialConfig, state: TrainState) -> Iterator[None]:
    """Measures a person's own networks, which may keep figures of what they see and draw numbers,
    without a trace, and in the same way whenever that is done."""
    if not config.runs_own_code:
        yield
        return
    seed_torch(config.seed, state.iteration, "own code, evaluation")
    with frozen_buffers(state.generator, state.discriminator):
        yield


def _evaluate(
    config: TrialConfig, state: TrainState, data: Source, scorer: Scorer | None
) -> Evaluation:
    interval = state.interval
    n = 0 if interval is None else interval.iterations
    measured = [math.nan] * len(MEASURED) if interval is None else (interval.sums / n).tolist()
    outputs = discriminator_outputs(config, state, data)
    summaries, singular_values = spectra(state, config)
    record = {"iteration": state.iteration, **dict(zip(MEASURED, measured, strict=True))}
    record |= output_record(outputs) | summaries
    record["d_gradient"] = discriminator_gradient(config, state)
    trained = measured[:2] if n else ()
    record["finite"] = all(map(math.isfinite, (*trained, record["gap"])))
    if record["finite"]:
        record |= hessian_record(config, state, data)
        record |= _scores(config, state, scorer, config.curve_samples, config.curve_protocol)
    images = n * config.n_critic * config.batch_size
    record["images_per_second"] = math.nan if interval is None else images / interval.seconds
    if config.device_type == "cuda":
        record["gpu_memory"] = torch.cuda.max_memory_allocated(config.device)
    ranks = [] if interval is None else torch.stack(interval.stable_ranks, dim=1).tolist()
    evaluation = Evaluation(
        record=record,
        spectra=singular_values,
        stable_ranks=ranks,
        outputs=histograms(config, outputs),
        samples=picture(config, state),
        verdict=verdict_on(config, [*state.history, record]),
    )
    # Nothing of an evaluation that was given up before stays.
    state.history.append(record)
    state.interval = None
    return evaluation


def _scores(
    config: TrialConfig, state: TrainState, scorer: Scorer | None, n: int, protocol: str | None
) -> dict[str, float]:
    """Scores of G's samples, and as `ema_<score>` of those of its average."""
    if scorer is None:
        return {}
    scores = scorer.scores(samples(config, state, n), protocol)
    if config.dataset == "affine":
        return scores  # of both players' weights, not of samples
    averaged = scorer.scores(samples(config, state, n, averaged=True), protocol)
    return scores | {f"ema_{k}": v for k, v in averaged.items() if k not in SHARED}


def final_scores(
    config: TrialConfig, state: TrainState, scorer: Scorer | None, stop: Stop = never
) -> dict[str, float]:
    """The scores of the state as it is, at the full sample count.

    Empty without a scorer, and of a state that is not finite: it draws no images to score. Raises
    Interrupted once `stop` says so.
    """
    if state.history and not state.history[-1]["finite"]:
        return {}
    with interruptible(stop), phase(EVALUATION), _undisturbed(config, state):
        return _scores(config, state, scorer, config.final_samples, config.final_protocol)
