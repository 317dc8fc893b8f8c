"""Launches a plan: leaves alone the trials that the store has, and runs those that it lacks.

The store alone decides what is missing, so the same command again goes on wherever an earlier one
ended, however it ended.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweep.plan.estimate import expected_seconds
from sweep.plan.gone_owners import settle_gone
from sweep.plan.grid import Plan
from sweep.plan.options import Options
from sweep.plan.remaining import check_name, default_name, erase, given_up, results_root, to_run
from sweep.report.display import Show, display, duration
from sweep.report.progress import progress_of
from sweep.report.summary import sum_up
from sweep.run import cluster_watch, unused_nodes
from sweep.run.cluster_watch import ClusterLost
from sweep.run.driver import Driver, Nodes
from sweep.run.interruption import EXIT_CODE as INTERRUPTED
from sweep.run.interruption import Interruption
from sweep.run.notifications import Notifications, notifying
from sweep.run.queue import Suggestions
from sweep.run.rows import plan_rows
from sweep.run.sharing import SharedRecord
from sweep.run.troubles import watched
from sweep.store import requests
from sweep.store.filesystems import without_secrets
from sweep.store.index import refresh, trial_rows
from sweep.store.ownership import RUNNING, Ownership, Superseded, acquire, read_owner
from sweep.store.retry import PATIENCE_SECONDS
from sweep.store.store import Store, StoreError
from sweep.store.vocabulary import FINISHED, is_halved
from trainer.config import lifting
from trainer.config.lookup import UsageError

HEARTBEAT_SECONDS = 3.0
SOME_FAILED = 3
# For Ray after an interrupt, of which it has had some seconds already.
LAST_DISCONNECT_SECONDS = 1.0


def launch(
    experiment: str, plan: Plan, options: Options, suggestions: Suggestions | None = None
) -> int:
    """Makes sure that the plan's trials exist, and those suggested; returns the exit code.

    0: all completed or collapsed; 3: some failed; 4: the cluster was lost; 130: interrupted.
    Raises UsageError or StoreError for bad input, with nothing left behind.
    """
    root = results_root(options.results)
    with (
        display(as_json=options.as_json) as show,
        notifying(options.notify, show) as notifications,
        Interruption() as interruption,
    ):
        try:
            store = Store(_one_node_root() if root is None else root, PATIENCE_SECONDS)
            store.check_writable()
            name = options.name or default_name(experiment, plan)
            check_name(store, name, plan)
            return _run(store, name, plan, options, show, suggestions, interruption, notifications)
        except KeyboardInterrupt:
            show("end", text="interrupted; the same command again goes on from here")
            return INTERRUPTED
        except ClusterLost as lost:
            show("end", text=cluster_watch.last_line(str(lost)))
            return cluster_watch.EXIT_CODE
        except Superseded:
            show("end", text="another start of this sweep has taken over; this one ends")
            return SOME_FAILED
        finally:
            _disconnect(interruption)


def _one_node_root() -> str:
    """~/sweep-results. Raises UsageError on a cluster of several nodes, which share no home."""
    from sweep.run import ray_cluster

    ray_cluster.connect()
    nodes = ray_cluster.nodes()
    if len(nodes) > 1 or not any(node.get("CPU") for node in nodes):
        raise UsageError(
            "on a cluster of several nodes --results must name a place that all of them reach: "
            "a shared folder or s3://BUCKET/PREFIX"
        )
    return str(Path("~/sweep-results").expanduser())


def _run(
    store: Store,
    name: str,
    plan: Plan,
    options: Options,
    show: Show,
    suggestions: Suggestions | None,
    interruption: Interruption,
    notifications: Notifications,
) -> int:
    path = f"sweeps/{name}.json"
    before = store.read(path)
    ownership = _record_of(store, path, name, options, show)
    state: str | None = "failed"
    interrupted = False
    try:
        if _writes(ownership):  # the requests to a shared sweep are to all of its starts
            # Before Ray starts, which takes seconds: from now on they are made to this run.
            requests.clear(store, name)
        with _reading_first():
            check_name(
                store, name, plan
            )  # while this start waited, a search may have planned more
        with watched(show, ownership.tell):
            code = _run_owned(
                store,
                ownership,
                name,
                plan,
                options,
                show,
                suggestions,
                interruption,
                notifications,
            )
        state = {0: "finished", INTERRUPTED: "interrupted"}.get(code, "failed")
        return code
    except UsageError:
        state = None
        raise
    except KeyboardInterrupt:
        state, interrupted = "interrupted", True
        raise
    except ClusterLost:
        state = "lost"
        raise
    finally:
        ownership.release(state, wait=not interrupted)
        if state is None and _writes(ownership):
            # Nothing has begun: the record of an earlier run stands.
            store.delete(path) if before is None else store.write(path, before)


@contextmanager
def _reading_first() -> Iterator[None]:
    """What the store has against being read before anything has begun is bad input, as a path
    that is none: raises it as UsageError."""
    try:
        yield
    except StoreError as error:
        raise UsageError(str(error)) from error


def _record_of(
    store: Store, path: str, name: str, options: Options, show: Show
) -> Ownership | SharedRecord:
    """Returns the right to write the sweep's record; a start that shares does not wait for it."""

    def owned(*, wait: bool) -> Ownership | None:
        return acquire(
            store,
            path,
            every=HEARTBEAT_SECONDS,
            wait=wait,
            waiting=lambda holder: show("note", text=f"{_run_by(name, holder)}: waiting for it"),
            sweep=name,
            state=RUNNING,
            started_at=datetime.now(UTC).isoformat(),
            command=without_secrets(options.command),
            slots=0,
            counts={},
            eta_seconds=None,
        )

    if options.share:
        record = SharedRecord(lambda: owned(wait=False))
        if record.ownership is None:
            holder = read_owner(store, path) or {}
            show("note", text=f"{_run_by(name, holder)}: sharing its trials")
        return record
    ownership = owned(wait=True)
    assert ownership is not None  # acquire() waits
    return ownership


def _writes(record: Ownership | SharedRecord) -> bool:
    """Tells whether this start writes the sweep's record: of those that share one does."""
    return not isinstance(record, SharedRecord) or record.ownership is not None


def _run_by(name: str, holder: Mapping[str, Any]) -> str:
    return f"sweep {name} is being run by process {holder.get('pid')} on {holder.get('host')}"


def _run_owned(
    store: Store,
    ownership: Ownership | SharedRecord,
    name: str,
    plan: Plan,
    options: Options,
    show: Show,
    suggestions: Suggestions | None,
    interruption: Interruption,
    notifications: Notifications,
) -> int:
    start = time.monotonic()
    with _reading_first():
        settle_gone(store)
        stored = {} if options.fresh else trial_rows(store, [c.trial_id for c in plan.trials])
    todo = to_run(
        plan,
        stored,
        stop_on_collapse=options.stop_on_collapse,
        stop_at_rungs=options.halving is not None,
        fresh=options.fresh,
    )
    abandoned = given_up(stored, options.max_failures)
    todo = [config for config in todo if config.trial_id not in abandoned]
    done = {config.trial_id for config in plan.trials} - {config.trial_id for config in todo}
    progress = progress_of(plan.trials, {i: stored[i] for i in done})
    driver = Driver(
        store, ownership, name, plan, options, progress, show, suggestions, interruption
    )
    if suggestions is not None:
        for trial_id in done:
            suggestions.tell(trial_id, stored[trial_id])
    driver.failures_before = {i: row["failures"] or 0 for i, row in stored.items()}
    has_work = bool(todo) or (suggestions is not None and not suggestions.finished())
    if has_work:
        driver.prepare(todo, _cluster(options, show))
    ownership.write_rows("sweeps", name, plan_rows(name, plan.trials))
    ownership.tell(slots=progress.slots if has_work else 0, counts=progress.counts)
    notifications.start(store, name)
    waiting = 0 if driver.backlog is None else len(driver.backlog.waiting)
    slots = progress.slots * has_work
    expected = expected_seconds(todo, stored, slots, driver.gpu_bytes)
    _announce(store, name, plan, options, show, len(done), waiting, slots, expected)
    for trial_id, failures in abandoned.items():
        text = f"{trial_id} has failed {failures} times and is left alone: --max-failures, --fresh"
        show("note", text=text)
    if options.fresh:
        erase(store, todo, lambda text: show("note", text=text))
    if has_work:
        driver.run()
    study_lines = [] if suggestions is None else suggestions.lines()
    wall = time.monotonic() - start
    refresh(store)
    rows = trial_rows(store, [config.trial_id for config in plan.trials])
    sum_up(
        store,
        plan,
        rows,
        progress,
        wall,
        show,
        controls=options.controls,
        closing_lines=study_lines,
    )
    ids = [config.trial_id for config in plan.trials if config.trial_id not in driver.left]
    final_rows = [rows.get(trial_id, {"status": None}) for trial_id in ids]
    statuses = [row["status"] for row in final_rows if not (options.halving and is_halved(row))]
    if all(status in FINISHED for status in statuses):
        return 0
    stopped = driver.stopped or "stopped" in statuses
    return INTERRUPTED if stopped and "failed" not in statuses else SOME_FAILED


def _cluster(options: Options, show: Show) -> Nodes:
    """Connects to the cluster, if still to be done; says what a local one leaves unused."""
    import ray

    from sweep.run import ray_cluster

    if not options.remote and (text := unused_nodes.warning(shared=options.share)) is not None:
        show("note", text=text)
    if not ray.is_initialized():
        ray_cluster.connect(say=lambda text: show("note", text=text))
    return ray_cluster.nodes


def _announce(
    store: Store,
    name: str,
    plan: Plan,
    options: Options,
    show: Show,
    done: int,
    todo: int,
    slots: int,
    expected: float | None,
) -> None:
    ready = "" if expected is None else f", expected to take {duration(expected)}"
    show(
        "start",
        text=f"sweep {name}: {len(plan.trials)} trials in {store.place}, {done} done"
        + (f", {todo} to run, {slots} at once{ready}" if slots else ": everything is there"),
        sweep=name,
        results=store.place,
        planned=len(plan.trials),
        done=done,
        skipped=dict(plan.skipped),
        slots=slots,
        expected_seconds=expected,
    )
    for text in [*filter(None, [options.weights.note]), *lifting.warnings(plan.trials)]:
        show("note", text=text)


def _disconnect(interruption: Interruption) -> None:
    """Ends Ray. Where it cannot end, or not in time, an interrupted command ends without it."""
    if "ray" not in sys.modules:
        return
    from sweep.run import ray_cluster

    if not interruption.asked:
        ray_cluster.disconnect()
    elif ray_cluster.is_half_started or not ray_cluster.disconnect(LAST_DISCONNECT_SECONDS):
        interruption.end_process()
