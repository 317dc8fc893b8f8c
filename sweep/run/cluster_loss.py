"""Goes on after the loss of a cluster, or ends in order.

A cluster that was started here is started again. Of another one those decide who gave it: the
exit code lets `ray job submit`, Slurm and Kubernetes start the same command once more.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from sweep.run import ray_cluster
from sweep.run.cluster_watch import (
    EXIT_CODE,
    LOW_MEMORY,
    ClusterLost,
    ClusterWatch,
    HeadLost,
    last_line,
)
from trainer.config.lookup import UsageError

if TYPE_CHECKING:
    from sweep.run.driver import Driver

MOST_RESTARTS = 3
# For each step of an end in order. Ray itself ends a process whose head is gone, 40 s after that
# of a cluster that was not started here is taken for lost.
STEP_SECONDS = 10.0
LOCAL_STEP_SECONDS = 30.0


def run_through_losses(driver: Driver, run_trials: Callable[[], None]) -> None:
    """Calls `run_trials` until it returns: again whenever a cluster that was started here is lost,
    or has killed trials since its machine ran low on memory, with which Tune ends all.

    Raises ClusterLost for any other cluster, for one without a head, after MOST_RESTARTS, and if
    Ray does not start again.
    """
    for restart in range(1, MOST_RESTARTS + 2):
        driver.watch = _watch(driver)
        try:
            _run(run_trials)
            return
        except ClusterLost as lost:
            is_final = isinstance(lost, HeadLost) or restart > MOST_RESTARTS
            if driver.options.remote or is_final:
                raise
            reason = str(lost)
            text = f"the local Ray cluster died ({reason}): starting it again"
            driver.show("note", text=f"{text}, {restart} of {MOST_RESTARTS}")
            # Here, where the traceback keeps what Tune had: as it goes it calls a live cluster.
            leave(driver, reason)
        finally:
            driver.watch.stop()
        gc.collect()
        driver.take_back()
        _connect_again(driver, reason)


def _run(run_trials: Callable[[], None]) -> None:
    """Raises ClusterLost too where Ray's memory monitor ends Tune, whose trials can go on."""
    from ray.exceptions import OutOfMemoryError

    try:
        run_trials()
    except RuntimeError as error:
        # Tune 2.60 knows errors of tasks and of actors, and ends at this third kind.
        if not isinstance(error.__cause__, OutOfMemoryError):
            raise
        raise ClusterLost(LOW_MEMORY) from error


def _watch(driver: Driver) -> ClusterWatch:
    return ClusterWatch(
        ray_cluster.connected(),
        say=lambda text: driver.show("note", text=text),
        # A command that was interrupted has an end of its own.
        on_unheard=lambda reason: driver.interruption.asked or _end_process(driver, reason),
    )


def _connect_again(driver: Driver, reason: str) -> None:
    try:
        ray_cluster.connect(say=lambda text: driver.show("note", text=text))
    except (UsageError, ClusterLost) as error:
        raise ClusterLost(f"{reason}, and {error}") from error


def leave(driver: Driver, reason: str) -> None:
    """Disconnects from a lost cluster, and settles the trials whose processes went with it.

    Where Ray does not let go of the lost cluster, the process ends here.
    """
    if driver.watch is not None:
        driver.watch.stop()
    seconds = STEP_SECONDS if driver.options.remote else LOCAL_STEP_SECONDS
    if not ray_cluster.disconnect(seconds):
        _end_process(driver, reason)
    driver.settle(driver.own_trials, "stopped")


def _end_process(driver: Driver, reason: str) -> None:
    """Says and stores that the cluster is lost, as far as there is time, and ends the process."""

    def say_and_store() -> None:
        driver.show("end", text=last_line(reason))
        driver.settle(driver.own_trials, "stopped")
        driver.ownership.release("lost")

    thread = threading.Thread(target=say_and_store, daemon=True)
    thread.start()
    thread.join(STEP_SECONDS)
    os._exit(EXIT_CODE)
