"""The trials of a plan that the store lacks: which to run, to resume, to remove, to settle."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweep.plan.grid import Plan
from sweep.store.index import trial_rows
from sweep.store.owners import owned_keys
from sweep.store.ownership import acquire, read_owner
from sweep.store.read_files import side_by_side
from sweep.store.store import Store, default_root
from sweep.store.trial_ownership import (
    acquire_within,
    end_running_row,
    owner_in_words,
    record_path,
)
from sweep.store.vocabulary import FINISHED, is_halved, sweep_name_problem
from trainer.config.lookup import UsageError
from trainer.config.own_trial import AnyTrial

OWN_TABLES = ("trials", "evaluations", "spectra", "outputs")
OWN_FOLDERS = ("samples", "checkpoints")
# Time for which an ended sweep waits for its last workers to be gone.
PATIENCE_SECONDS = 5.0


def results_root(results: str | None) -> str | None:
    """The root of the results; None if only the cluster can tell: in a Ray job that names none."""
    root = results or os.environ.get("SWEEP_RESULTS")
    in_job = "RAY_JOB_ID" in os.environ or "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    if not in_job:
        return root or default_root()
    if root and "://" not in root and not Path(root).expanduser().is_absolute():
        raise UsageError(
            f"--results {root} lies in the job's own folder, which goes with the job: "
            "give an absolute path or a URI"
        )
    return root


def default_name(experiment: str, plan: Plan) -> str:
    """The default name of a plan's sweep: equal for equal plans."""
    ids = "\n".join(sorted(config.trial_id for config in plan.trials))
    return f"{experiment}-{plan.profile}-{hashlib.sha256(ids.encode()).hexdigest()[:6]}"


def check_name(store: Store, name: str, plan: Plan) -> None:
    """Raises UsageError if the name cannot be one, or belongs to trials that the plan lacks."""
    if (problem := sweep_name_problem(name)) is not None:
        raise UsageError(f"--name {name!r} {problem}")
    planned = {config.trial_id for config in plan.trials}
    stored = store.read_table("sweeps", name)
    stored_ids = [] if stored is None else stored["trial_id"].to_pylist()
    foreign_ids = [trial_id for trial_id in stored_ids if trial_id not in planned]
    if foreign_ids:
        raise UsageError(
            f"sweep {name!r} has {len(foreign_ids)} trials that are not in this plan, for example "
            f"{foreign_ids[0]}: give another --name, or plan those too"
        )


def to_run(
    plan: Plan,
    rows: Mapping[str, Mapping[str, Any]],
    *,
    stop_on_collapse: bool,
    stop_at_rungs: bool = False,
    fresh: bool,
) -> list[AnyTrial]:
    """The trials that are not done, longest first. `rows` are the stored ones by trial id."""
    return [
        config
        for config in plan.trials
        if fresh
        or not is_done(
            rows.get(config.trial_id),
            stop_on_collapse=stop_on_collapse,
            stop_at_rungs=stop_at_rungs,
        )
    ]


def given_up(rows: Mapping[str, Mapping[str, Any]], max_failures: int) -> dict[str, int]:
    """Numbers of failures of the trials that failed last and are not to be tried again."""
    return {
        trial_id: row["failures"]
        for trial_id, row in rows.items()
        if row["status"] == "failed" and (row["failures"] or 0) >= max_failures
    }


def is_done(
    row: Mapping[str, Any] | None, *, stop_on_collapse: bool, stop_at_rungs: bool = False
) -> bool:
    """True if nothing of the trial is left to run.

    A collapsed trial goes on when collapse no longer stops it, one that was stopped at a rung when
    rungs stop none; a diverged one never does.
    """
    if stop_at_rungs and is_halved(row):
        return True
    if row is None or row["status"] not in FINISHED:
        return False
    return row["status"] == "completed" or stop_on_collapse or row["diverged_at"] is not None


def erase(store: Store, trials: Sequence[AnyTrial], say: Callable[[str], None]) -> None:
    """Removes the trials' own files, each under ownership of its trial; says what goes."""
    for trial_id, paths in own_files(store, [config.trial_id for config in trials]).items():
        say(f"removing the {len(paths)} files of {trial_id}")
        ownership = acquire(
            store,
            record_path(trial_id),
            waiting=lambda owner, trial_id=trial_id: say(
                f"{trial_id} is being trained by {owner_in_words(owner)}: waiting for its end"
            ),
        )
        assert ownership is not None  # acquire() waits
        for path in paths:
            ownership.delete(path)
        ownership.release()


def own_files(store: Store, trial_ids: Sequence[str]) -> dict[str, list[str]]:
    """Every stored file of each trial that has one, its ownership record aside."""
    ids = set(trial_ids)
    paths_by_trial: dict[str, list[str]] = {}
    for table in OWN_TABLES:
        for file in store.list(table):
            if file.key in ids:
                paths_by_trial.setdefault(file.key, []).append(file.path)
    for folder in OWN_FOLDERS:
        own = [f"{folder}/{name}" for name in store.folders(folder) if name in ids]
        for files in side_by_side(store, store.list, own):
            for file in files:
                trial_id = file.path.split("/")[1]
                paths_by_trial.setdefault(trial_id, []).append(file.path)
    return paths_by_trial


def settle(
    store: Store,
    trials: Sequence[AnyTrial],
    status: str,
    errors: Mapping[str, str],
    ended: Collection[str] = (),
) -> dict[str, dict[str, Any]]:
    """Writes `status` for trials left `running` by a process that is gone, and ends its ownership.

    One whose owner is still live is left alone: the owner will write its row. The records of such
    owners are returned by trial id. A process can also end between its last row and the release of
    its ownership, or before its first row. Of trials that are known to have `ended` no row is
    read.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    owners = {}
    owned = owned_keys(store, "claims")
    ids = [config.trial_id for config in trials]
    rows = trial_rows(store, [i for i in ids if i not in ended], ("trial_id", "status"))
    for trial_id in ids:
        if rows.get(trial_id, {}).get("status") != "running" and trial_id not in owned:
            continue
        ownership = acquire_within(store, trial_id, deadline - time.monotonic())
        if ownership is None:
            owners[trial_id] = read_owner(store, record_path(trial_id)) or {}
            continue
        end_running_row(ownership, trial_id, status, errors.get(trial_id))
    return owners
