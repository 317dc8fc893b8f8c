"""A plan becomes trials in the store: what is there is left alone, what is missing is run.

The store alone decides what is missing, so the same command again goes on wherever an earlier one
ended, however it ended.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweep.claims import RUNNING, Claim, Superseded, acquire
from sweep.comparison import (
    caveats,
    comparison,
    control_lines,
    control_rows,
    method_lines,
    other_ratio_lines,
)
from sweep.display import Show, display, duration
from sweep.options import Options
from sweep.paper import table2
from sweep.progress import Progress, progress_of
from sweep.results import FINISHED, Store
from sweep.rows import plan_rows
from sweep.space import Plan
from sweep.standing import (
    check_name,
    default_name,
    erase,
    results_root,
    settle,
    to_run,
    without_secrets,
)
from trainer.config import TrialConfig
from trainer.settings import UsageError

HEARTBEAT_SECONDS = 3.0
SOME_FAILED = 3
INTERRUPTED = 130


def launch(experiment: str, plan: Plan, options: Options) -> int:
    """Makes sure that the plan's trials exist; returns the exit code.

    0: all completed or collapsed; 3: some failed; 130: interrupted. Raises UsageError or
    StoreError for bad input, with nothing left behind.
    """
    root = results_root(options.results)
    with display(as_json=options.as_json) as show:
        try:
            store = Store(_one_node_root() if root is None else root)
            store.check_writable()
            name = options.name or default_name(experiment, plan)
            check_name(store, name, plan)
            return _run(store, name, plan, options, show)
        except KeyboardInterrupt:
            show("end", text="interrupted; the same command again goes on from here")
            return INTERRUPTED
        except Superseded:
            show("end", text="another start of this sweep has taken over; this one ends")
            return SOME_FAILED
        finally:
            _disconnect()


def _one_node_root() -> str:
    """~/sweep-results. Raises UsageError on a cluster of several nodes, which share no home."""
    from sweep import execution

    resources = execution.connect()
    if execution.node_count() > 1 or not resources.get("CPU"):
        raise UsageError(
            "on a cluster of several nodes --results must name a place that all of them reach: "
            "a shared folder or s3://BUCKET/PREFIX"
        )
    return str(Path("~/sweep-results").expanduser())


def _run(store: Store, name: str, plan: Plan, options: Options, show: Show) -> int:
    claim = acquire(
        store,
        f"sweeps/{name}.json",
        every=HEARTBEAT_SECONDS,
        waiting=lambda holder: show(
            "note",
            text=f"sweep {name} is being run by process {holder.get('pid')} on "
            f"{holder.get('host')}: waiting for it",
        ),
        sweep=name,
        state=RUNNING,
        started_at=datetime.now(UTC).isoformat(),
        command=without_secrets(options.command),
        slots=0,
        counts={},
        eta_seconds=None,
    )
    assert claim is not None  # acquire() waits
    state: str | None = "failed"
    try:
        code = _claimed(store, claim, name, plan, options, show)
        state = "failed" if code else "finished"
        return code
    except UsageError:
        state = None
        raise
    except KeyboardInterrupt:
        state = "interrupted"
        raise
    finally:
        claim.release(state)


def _claimed(
    store: Store, claim: Claim, name: str, plan: Plan, options: Options, show: Show
) -> int:
    began = time.monotonic()
    stored = store.read_all("trials", [config.trial_id for config in plan.trials])
    todo = to_run(plan, stored, stop_on_collapse=options.stop_on_collapse, fresh=options.fresh)
    slots = _slots(todo, options.max_concurrent, show) if todo else 0
    store.write_rows("sweeps", name, plan_rows(name, plan.trials))
    done = {config.trial_id for config in plan.trials} - {config.trial_id for config in todo}
    progress = progress_of(plan.trials, {i: stored[i] for i in done})
    progress.slots = max(1, slots)
    claim.tell(slots=slots, counts=progress.counts)
    place = without_secrets(store.root)
    show(
        "start",
        text=f"sweep {name}: {len(plan.trials)} trials in {place}, {len(done)} done"
        + (f", {len(todo)} to run, {slots} at once" if todo else ": everything is there"),
        sweep=name,
        results=place,
        planned=len(plan.trials),
        done=len(done),
        skipped=dict(plan.skipped),
        slots=slots,
    )
    if options.weights.note:
        show("note", text=options.weights.note)
    if options.fresh:
        erase(store, todo, lambda text: show("note", text=text))
    if todo:
        _execute(store, claim, plan, todo, options, progress, show)
    _conclude(store, plan, options, progress, time.monotonic() - began, show)
    rows = store.read_all("trials", [config.trial_id for config in plan.trials])
    ended = [rows.get(config.trial_id, {}).get("status") for config in plan.trials]
    return 0 if all(status in FINISHED for status in ended) else SOME_FAILED


def _slots(todo: Sequence[TrialConfig], max_concurrent: int | None, show: Show) -> int:
    """How many trials run at once. Raises UsageError where none ever could."""
    import ray

    from sweep import execution

    resources = ray.cluster_resources() if ray.is_initialized() else execution.connect()
    what, each = ("GPU", 1) if todo[0].device == "cuda" else ("CPU", todo[0].threads)
    slots = int(resources.get(what, 0)) // each
    if slots < 1 and "RAY_ADDRESS" not in os.environ:
        raise UsageError(
            f"this machine has no {what} for a trial of the {todo[0].profile} profile: submit the "
            "command to a cluster that has one, or try --profile digits"
        )
    if slots < 1:
        show("note", text=f"the cluster has no {what} yet: trials wait for a node that has one")
    return min(max(1, slots), max_concurrent or len(todo), len(todo))


def _execute(
    store: Store,
    claim: Claim,
    plan: Plan,
    todo: Sequence[TrialConfig],
    options: Options,
    progress: Progress,
    show: Show,
) -> None:
    from sweep import execution

    errors: dict[str, str] = {}

    def reported(result: Mapping[str, Any]) -> None:
        trial = progress.report(result)
        claim.tell(counts=progress.counts, eta_seconds=progress.eta_seconds)
        show("trial", progress=progress, trial=trial, trial_id=result["trial"])
        claim.check()

    def died(trial_id: str, error: str) -> None:
        errors[trial_id] = error
        progress.trials[trial_id].status = "failed"
        show("trial", progress=progress, trial=progress.trials[trial_id], trial_id=trial_id)

    task = {
        "results": store.root,
        "data_root": None if options.data_root is None else str(options.data_root),
        "download": options.download,
        "inception_weights": options.weights.path and str(options.weights.path),
        "allow_other_weights": options.allow_other_weights,
        "stop_on_collapse": options.stop_on_collapse,
    }
    try:
        execution.run_trials(
            todo,
            task,
            max_concurrent=progress.slots,
            reported=reported,
            died=died,
        )
    except KeyboardInterrupt:
        # Only when its process has gone is a trial's claim free.
        execution.disconnect()
        settle(store, plan.trials, "stopped", {})
        raise
    except Exception:
        claim.check()  # Tune wraps what a callback raises
        raise
    settle(store, plan.trials, "failed", errors)


def _conclude(
    store: Store,
    plan: Plan,
    options: Options,
    progress: Progress,
    wall: float,
    show: Show,
) -> None:
    """The comparison, its caveats, where to look, and how well the slots were used."""
    rows = store.read_all("trials", [config.trial_id for config in plan.trials])
    compared = table2(rows.values(), lambda trial_id: store.read_rows("evaluations", trial_id))
    lines = ["", comparison(compared, plan.profile), *other_ratio_lines(rows.values())]
    controls = {}
    if options.controls:
        controls = control_rows(plan.trials)
        lines += ["    for orientation, images that no GAN drew:", control_lines(controls)]
    scored = any(config.scorer for config in plan.trials)
    lines += ["", *method_lines(config.method for config in plan.trials)]
    lines += ["", caveats(plan.profile, scored=scored), ""]
    lines += [f"skipped {what}: {reason}" for what, reason in plan.skipped.items()]
    if progress.busy_seconds:
        busy, used = progress.busy_seconds, progress.busy_seconds / (progress.slots * wall)
        lines.append(
            f"{duration(busy)} of trials in {duration(wall)} on {progress.slots} slots: "
            f"{used:.0%} used"
        )
    failed = [row for row in rows.values() if row["status"] == "failed"]
    for row in failed:
        reason = (row["traceback"] or "").strip().rpartition("\n")[2]
        lines.append(f"failed: {row['trial_id']}: {reason}")
    place = shlex.quote(without_secrets(store.root))
    lines.append(f"look at it: python -m api --results {place}  (or make serve), then")
    lines.append(f"  curl 'http://localhost:8000/results?setting={plan.trials[0].setting}'")
    show(
        "end",
        text="\n".join(lines),
        table2=[asdict(row) for row in compared if plan.profile in row.measured],
        controls=controls,
        busy_seconds=progress.busy_seconds,
        wall_seconds=wall,
        slots=progress.slots,
    )


def _disconnect() -> None:
    if "ray" in sys.modules:
        from sweep import execution

        execution.disconnect()
