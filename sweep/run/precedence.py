"""Precedence of trials inside Tune: one that came back goes before those without a worker.

On a cluster Tune holds more trials than there are places, so that an autoscaler sees that nodes
are wanted, and serves them in their order. So those that have no worker yet are given back when
one comes that had been handed out before, and handed out again behind it.
"""

from __future__ import annotations

from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler


class Precedence(FIFOScheduler):
    """First come, first served, but for trials whose configuration says `returned`.

    Searcher.on_trial_complete() hears of one that is given back, with no result and no error.
    """

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        if not trial.config["returned"]:
            return
        controller = _unwrapped(tune_controller)
        for other in reversed(_without_worker(controller)):
            if other is not trial and not other.config["returned"]:
                controller.stop_trial(other)
                # stop_trial() leaves this out, and Tune would keep idle workers for it.
                if other in controller._staged_trials:
                    controller._unstage_trial_with_resources(other)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        trial = super().choose_trial_to_run(tune_controller)
        if trial is None:
            # A worker without work would keep its place from whatever else the cluster runs.
            _unwrapped(tune_controller)._cleanup_cached_actors(force_all=True)
        return trial


def _unwrapped(tune_controller: Any) -> TuneController:
    """What Tune wraps for schedulers: the wrapper warns of what is used here."""
    return tune_controller._tune_controller


def _without_worker(controller: TuneController) -> list[Trial]:
    """The trials, in their order, for whose workers there is no place yet."""
    started = set(controller._actor_manager.live_actors)
    return [
        trial
        for trial in controller.get_trials()
        if trial.status == Trial.PENDING and controller._trial_to_actor.get(trial) not in started
    ]
