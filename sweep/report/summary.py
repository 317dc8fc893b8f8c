"""The end of a sweep in words: the comparison, its caveats, where to look, how busy it was."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict

from sweep.paper.table2 import table2
from sweep.plan.grid import Plan
from sweep.report.display import Show, duration
from sweep.report.progress import Progress
from sweep.report.rivals_text import rival_lines
from sweep.report.table2_text import (
    branch_lines,
    caveats,
    comparison,
    control_lines,
    control_rows,
    method_lines,
    other_ratio_lines,
    outside_lines,
)
from sweep.store.index import trial_rows
from sweep.store.store import Store
from sweep.store.vocabulary import Row
from trainer.config.own_trial import PROFILE as OWN
from trainer.config.picture_gauge import is_gauged


def sum_up(
    store: Store,
    plan: Plan,
    rows: Mapping[str, Row],
    progress: Progress,
    wall: float,
    show: Show,
    *,
    controls: bool,
    closing_lines: list[str],
) -> None:
    """Shows the end of a sweep that took `wall` s and left these rows of `trials`, by id;
    `controls` are measured if wanted, `closing_lines` follow."""
    table = table2(rows.values(), lambda trial_id: store.read_rows("evaluations", trial_id))
    lines = [""]
    if any(plan.profile in row.measured for row in table):
        lines += [comparison(table, plan.profile), "", *rival_lines(table, plan.profile)]
    lines += outside_lines(rows.values())
    parents = trial_rows(store, {row["parent"] for row in rows.values() if row["parent"]})
    lines += other_ratio_lines(row for row in rows.values() if not row["parent"])
    lines += branch_lines(rows.values(), parents)
    orientation = {}
    if controls:
        orientation = control_rows(plan.trials)
        lines += ["    for orientation, images that no GAN drew:", control_lines(orientation)]
    scored = any(config.scorer for config in plan.trials)
    if plan.profile != OWN:  # a loop of its own may call something else so
        lines += ["", *method_lines(config.method for config in plan.trials)]
    gauged = any(is_gauged(config.scorer) for config in plan.trials)
    lines += ["", caveats(plan.profile, scored=scored, gauged=gauged), "", *closing_lines]
    lines += [f"skipped {name}: {reason}" for name, reason in plan.skipped.items()]
    if progress.busy_seconds:
        busy, used = progress.busy_seconds, progress.busy_seconds / (progress.slots * wall)
        lines.append(
            f"{duration(busy)} of trials in {duration(wall)} on {progress.slots} slots: "
            f"{used:.0%} used"
        )
    for row in rows.values():
        if row["status"] == "failed":
            reason = (row["traceback"] or "").strip().rpartition("\n")[2]
            lines.append(f"failed: {row['trial_id']}: {reason}")
    place = shlex.quote(store.place)
    lines.append(f"look at it: python -m api --results {place}  (or make serve), then")
    lines.append(f"  curl 'http://localhost:8000/results?setting={plan.trials[0].setting}'")
    show(
        "end",
        text="\n".join(lines),
        table2=[asdict(row) for row in table if plan.profile in row.measured],
        controls=orientation,
        busy_seconds=progress.busy_seconds,
        wall_seconds=wall,
        slots=progress.slots,
    )
