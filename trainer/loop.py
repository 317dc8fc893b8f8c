"""The training loop, a generator: `for evaluation in train(config, state, data, scorer): ...`.

The consumer stops by not asking for more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from trainer.collapse import Verdict, verdict_on
from trainer.config.trial import TrialConfig
from trainer.data.sources import Source
from trainer.measure import (
    discriminator_outputs,
    hessian_record,
    histograms,
    output_record,
    picture,
    samples,
    spectra,
)
from trainer.precision import use_precision
from trainer.projection import stable_ranks
from trainer.scores.scorers import Scorer
from trainer.state import TrainState
from trainer.updates import MEASURED, train_iteration


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
) -> Iterator[Evaluation]:
    """Trains on from `state`, in place, and yields an evaluation of it whenever one is due.

    The first is of the iteration that it starts from. Ends after the last iteration, or when a
    number is not finite. `state` may be saved after each evaluation, and only then.
    """
    before, started = state.seconds, time.perf_counter()
    use_precision(config)
    interval = _Interval(measured=[math.nan] * len(MEASURED), stable_ranks=[], seconds=0.0, n=0)
    data.follow(
        config.seed, state.iteration, config.n_critic, config.batch_size, config.micro_batch
    )
    try:
        while not state.history or _goes_on(config, state):
            if state.history:
                interval = _train_interval(config, state, data)
            evaluation = _evaluate(config, state, data, scorer, interval)
            state.seconds = before + time.perf_counter() - started
            evaluation.record["seconds"] = state.seconds
            yield evaluation
    finally:
        data.close()


def _goes_on(config: TrialConfig, state: TrainState) -> bool:
    return state.iteration < config.iterations and state.history[-1]["finite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interval:
    """What the n iterations up to an evaluation measured, and how long they took."""

    measured: list[float]
    stable_ranks: list[list[float]]
    seconds: float
    n: int


def _train_interval(config: TrialConfig, state: TrainState, data: Source) -> _Interval:
    due = (state.iteration // config.evaluate_every + 1) * config.evaluate_every
    n = min(due, config.iterations) - state.iteration
    start = time.perf_counter()
    measured = torch.zeros(len(MEASURED), device=config.device)
    ranks = []
    for _ in range(n):
        measured += train_iteration(config, state, data)
        ranks.append(stable_ranks(state))
    # The only point of an interval at which the host waits for the device.
    means = (measured / n).tolist()
    seconds = time.perf_counter() - start
    return _Interval(
        measured=means, stable_ranks=torch.stack(ranks, dim=1).tolist(), seconds=seconds, n=n
    )


def _evaluate(
    config: TrialConfig,
    state: TrainState,
    data: Source,
    scorer: Scorer | None,
    interval: _Interval,
) -> Evaluation:
    outputs = discriminator_outputs(config, state, data)
    summaries, singular_values = spectra(state, config)
    record = {"iteration": state.iteration, **dict(zip(MEASURED, interval.measured, strict=True))}
    record |= output_record(outputs) | summaries
    trained = interval.measured[:2] if interval.n else ()
    record["finite"] = all(map(math.isfinite, (*trained, record["gap"])))
    if record["finite"]:
        record |= hessian_record(config, state, data)
        record |= _scores(config, state, scorer, config.curve_samples, config.curve_protocol)
    images = interval.n * config.n_critic * config.batch_size
    record["images_per_second"] = images / interval.seconds if interval.n else math.nan
    if config.device.startswith("cuda"):
        record["gpu_memory"] = torch.cuda.max_memory_allocated(config.device)
    state.history.append(record)
    return Evaluation(
        record=record,
        spectra=singular_values,
        stable_ranks=interval.stable_ranks,
        outputs=histograms(config, outputs),
        samples=picture(config, state),
        verdict=verdict_on(config, state.history),
    )


def _scores(
    config: TrialConfig, state: TrainState, scorer: Scorer | None, n: int, protocol: str | None
) -> dict[str, float]:
    return {} if scorer is None else scorer.scores(samples(config, state, n), protocol)


def final_scores(
    config: TrialConfig, state: TrainState, scorer: Scorer | None
) -> dict[str, float]:
    """The scores of the state as it is, at the full sample count.

    Empty without a scorer, and of a state that is not finite: it draws no images to score.
    """
    if state.history and not state.history[-1]["finite"]:
        return {}
    return _scores(config, state, scorer, config.final_samples, config.final_protocol)
