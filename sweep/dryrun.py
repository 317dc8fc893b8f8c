"""`--dry-run`: what a command would do. Reads the store, writes and starts nothing."""

from __future__ import annotations

import json
import sys

from sweep.options import Options
from sweep.results import Store
from sweep.space import Plan
from sweep.standing import check_name, default_name, own_files, results_root, to_run


def show_plan(experiment: str, plan: Plan, options: Options) -> int:
    """Prints every trial of the plan with what would become of it; returns the exit code."""
    root = results_root(options.results)
    name = options.name or default_name(experiment, plan)
    rows, files = {}, {}
    if root is not None:
        store = Store(root)
        check_name(store, name, plan)
        ids = [config.trial_id for config in plan.trials]
        rows = store.read_all("trials", ids)
        files = own_files(store, ids) if options.fresh else {}
    todo = {
        config.trial_id
        for config in to_run(
            plan, rows, stop_on_collapse=options.stop_on_collapse, fresh=options.fresh
        )
    }
    for config in plan.trials:
        row = rows.get(config.trial_id)
        at = row["iteration"] if row and not options.fresh else 0
        state = "done" if config.trial_id not in todo else "to resume" if at else "to run"
        line = {
            "trial_id": config.trial_id,
            "state": state,
            "iteration": at,
            "iterations": config.iterations,
            "operations": config.operations,
        }
        text = f"{state:10}{config.trial_id:50}{at}/{config.iterations}"
        sys.stdout.write((json.dumps(line) if options.as_json else text) + "\n")
    notes = [options.weights.note] if options.weights.note else []
    notes += [f"skipped {what}: {reason}" for what, reason in plan.skipped.items()]
    notes += [f"--fresh would remove the {len(p)} files of {i}" for i, p in files.items()]
    notes.append(
        f"sweep {name}: {len(plan.trials)} trials in "
        f"{root or '~/sweep-results, on a cluster of one node'}, {len(todo)} to run; "
        "nothing was started"
    )
    out = sys.stderr if options.as_json else sys.stdout
    out.write("\n".join(notes) + "\n")
    return 0
