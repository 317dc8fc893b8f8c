"""A loop of its own as a Ray Tune function trainable: own the trial, call the function, report."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any

from sweep.plan.entry import entry_function
from sweep.plan.remaining import is_done
from sweep.recording.run import Run
from sweep.run import stop_orders
from sweep.run.driver_contact import OWNER_SECONDS, Report, report_owner, with_contact
from sweep.run.troubles import reported
from sweep.store.ownership import Superseded
from sweep.store.retry import PATIENCE_SECONDS
from sweep.store.store import Store
from sweep.store.trial_ownership import acquire_within
from trainer.config.own_trial import OwnTrial


def run_trial(job: Mapping[str, Any]) -> None:
    """The Ray Tune trainable: `job` holds `trial`, `task` and `share`, all as plain dicts."""
    from ray import tune

    trial, task = OwnTrial(**job["trial"]), job["task"]
    with reported(), stop_orders.listening(trial.trial_id, task["look_seconds"]) as order:
        run(trial, task, job["share"], tune.report, order, lambda: order.reason)
    stop_orders.end_if_terminated()


def run(
    trial: OwnTrial,
    task: Mapping[str, Any],
    share: Mapping[str, float],
    report: Report,
    stop: Callable[[], bool] = lambda: False,
    reason: Callable[[], Mapping[str, Any]] = dict,
) -> None:
    """Makes sure that the trial exists in the store; what goes wrong is recorded as `failed`.

    Of `task` it needs `results`, `sweep` and `stop_on_collapse`; `share` are the CPUs and GPUs
    that it has. Otherwise as `sweep.run.trainable.run`.
    """
    store = Store(task["results"], PATIENCE_SECONDS)
    ownership = acquire_within(store, trial.trial_id, OWNER_SECONDS)
    if ownership is None:
        report_owner(store, trial.trial_id, report)
        return
    report = with_contact(report, ownership)
    try:
        recorded = Run.of_sweep(
            trial,
            ownership,
            task["sweep"],
            stop=stop,
            reason=reason,
            report=report,
            stop_on_collapse=task["stop_on_collapse"],
            shares=share,
        )
        if is_done(recorded.stored, stop_on_collapse=task["stop_on_collapse"]):
            recorded.report_earlier_end()  # while this start waited for ownership
        else:
            _train(trial, recorded)
    except Superseded:
        report({"trial": trial.trial_id, "status": "superseded"})
    finally:
        ownership.release()


def _train(trial: OwnTrial, recorded: Run) -> None:
    assert trial.entry is not None
    recorded.begin()
    try:
        if not recorded.should_stop:
            entry_function(trial.entry)(dict(trial.config), recorded)
        if recorded.last_iteration is None and not recorded.should_stop:
            recorded.fail(f"UsageError: {trial.entry} has ended and logged nothing")
        else:
            recorded.end()
    except Superseded:
        raise
    except Exception as error:
        from trainer.out_of_memory import is_out_of_memory

        recorded.fail(traceback.format_exc(), out_of_memory=is_out_of_memory(error))
