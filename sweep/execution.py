"""Ray and nothing else: the cluster, and trials run on it as Ray Tune function trainables.

Ray is the executor. What was run and what came of it stands in the store; Tune's own state goes
to a temporary folder and is thrown away.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial

from trainer.config import TrialConfig

# A worker or node that dies is replaced, and the trial goes on from the store. What a trial
# raises itself is recorded as `failed` and not tried again.
MAX_FAILURES = 2


def run_trial(config: Mapping[str, Any]) -> None:
    """The trainable; torch is imported in the worker only."""
    from sweep import trainable

    trainable.run_trial(config)


def connect() -> Mapping[str, float]:
    """The resources of the cluster that RAY_ADDRESS names, else of one started here."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if "RAY_ADDRESS" in os.environ:
        ray.init(**quiet)
    else:
        # A cluster that happens to run on this machine is not ours to use unasked.
        ray.init(address="local", include_dashboard=False, **quiet)
    return ray.cluster_resources()


def node_count() -> int:
    return sum(node["Alive"] for node in ray.nodes())


def disconnect() -> None:
    """Ends this driver's workers, and the cluster if it was started here."""
    ray.shutdown()


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """SIGTERM and SIGINT raise KeyboardInterrupt, as one way to end gracefully."""
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, signal.default_int_handler) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


class _Watcher(tune.Callback):
    """Hands on what trials report, and what killed them for good."""

    def __init__(
        self,
        reported: Callable[[Mapping[str, Any]], None],
        died: Callable[[str, str], None],
    ) -> None:
        self.reported = reported
        self.died = died

    def __reduce__(self) -> tuple[type[tune.Callback], tuple[()]]:
        # Tune pickles its callbacks into a state that is thrown away; this one has a screen.
        return tune.Callback, ()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info
    ) -> None:
        self.reported(result)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info) -> None:
        config = TrialConfig(**trial.config["trial"])
        self.died(config.trial_id, str(trial.get_error() or "the worker died"))


def run_trials(
    trials: Sequence[TrialConfig],
    task: Mapping[str, Any],
    *,
    max_concurrent: int,
    reported: Callable[[Mapping[str, Any]], None],
    died: Callable[[str, str], None],
) -> None:
    """Runs the trials in their order; returns when each has ended. May raise KeyboardInterrupt."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # termination_interrupts() has it
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    cuda = trials[0].device == "cuda"
    with tempfile.TemporaryDirectory(prefix="sweep-tune-") as storage, termination_interrupts():
        tuner = tune.Tuner(
            tune.with_resources(run_trial, {"cpu": trials[0].threads, "gpu": int(cuda)}),
            param_space={
                "trial": tune.grid_search([dataclasses.asdict(config) for config in trials]),
                "task": dict(task),
            },
            tune_config=tune.TuneConfig(
                max_concurrent_trials=max_concurrent,
                # A CUDA context that is used again keeps its memory.
                reuse_actors=not cuda,
                trial_name_creator=_trial_id,
                trial_dirname_creator=_trial_id,
            ),
            run_config=tune.RunConfig(
                storage_path=storage,
                failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
                callbacks=[_Watcher(reported, died)],
                verbose=0,
            ),
        )
        tuner.fit()


def _trial_id(trial: Trial) -> str:
    return TrialConfig(**trial.config["trial"]).trial_id
