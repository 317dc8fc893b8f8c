"""`python -m sweep.ls`: the stored trials, one a line, from the store alone."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sweep.cli.commands import parser, run, store_of
from sweep.report import text_tables
from sweep.report.display import distance, plain
from sweep.report.inventory import Inventory, inventory, planned, skipped_lines
from sweep.report.sweep_state import COLUMNS, TrialStanding, table_order, trial_standing
from sweep.report.text_tables import Grid, Part
from sweep.store.vocabulary import STATUSES, Row
from trainer.config.lookup import select
from trainer.config.settings import ALL_SETTINGS, METHODS, PROFILES

EXAMPLES = """\
  python -m sweep.ls
  python -m sweep.ls --sweep demo --setting 'C_*,B_64-64' --method 'sr-*'
  python -m sweep.ls --status failed,running --json
best and final are FID (digits: FD-digits), lower is better: on the curve before mode collapse,
and at the end at the full sample count. Trials stand in Table I's order.
exit code: 0, 2 bad input, 130 interrupted
"""
# A filter's flag by the column that it looks at, and the names that exist without any trial.
FILTERS: Mapping[str, Iterable[str]] = {
    "setting": ALL_SETTINGS,
    "method": METHODS,
    "status": STATUSES,
    "profile": PROFILES,
}


def main(argv: list[str] | None = None) -> int:
    """Lists trials; returns the exit code."""
    return run("ls", lambda: _ls(argv))


def _ls(argv: list[str] | None) -> int:
    p = parser("ls", "List trials, one a line.", EXAMPLES)
    p.add_argument("--sweep", metavar="NAME", help="the trials of its plan (default: all)")
    for name in FILTERS:
        p.add_argument(f"--{name}", default="*", metavar="GLOB,...", help="default: all")
    p.add_argument("--json", action="store_true", help="one JSON object per trial and line")
    args = p.parse_args(argv)
    held = inventory(store_of(args.results), only=COLUMNS, sweep=args.sweep)
    records = _all_records(held)
    now = datetime.now(UTC)
    asked = {name: getattr(args, name).split(",") for name in FILTERS}
    trials = sorted((trial_standing(row, now) for row in chosen(records, asked)), key=table_order)
    if args.json:
        sys.stderr.writelines(f"{line}\n" for line in skipped_lines(held.skipped))
        sys.stdout.writelines(json.dumps(record(trial)) + "\n" for trial in trials)
        sys.stdout.flush()
        return 0
    parts: list[Part] = [_grid(trials, now)] if trials else []
    text_tables.show([*parts, _summary(trials, len(records)), *skipped_lines(held.skipped)])
    return 0


def _all_records(held: Inventory) -> list[Row]:
    """Every trial that has begun or is in a plan, once."""
    waiting = {row["trial_id"]: planned(row) for plan in held.plans.values() for row in plan}
    return list((waiting | dict(held.trials)).values())


def chosen(records: Sequence[Row], asked: Mapping[str, Sequence[str]]) -> list[Row]:
    """The records whose columns match one of the shell patterns asked for each.

    Raises UsageError for a pattern that no known and no stored name matches.
    """
    kept = list(records)
    for column, patterns in asked.items():
        stored = sorted({record[column] for record in records})
        names = select(column, dict.fromkeys([*FILTERS[column], *stored]), patterns)
        kept = [record for record in kept if record[column] in names]
    return kept


def record(trial: TrialStanding) -> dict[str, Any]:
    """For programs: null for what is not finite, times in ISO 8601."""
    columns = (
        "trial_id", "setting", "method", "i_ratio", "seed", "status", "iteration", "iterations",
        "score", "best", "final", "verdict", "error",
    )  # fmt: skip
    updated = trial.updated_at and trial.updated_at.isoformat()
    return plain({name: getattr(trial, name) for name in columns} | {"updated_at": updated})


def _grid(trials: Sequence[TrialStanding], now: datetime) -> Grid:
    header = ["trial", "status", "iteration", "best", "final", "seen", "updated"]
    rows = [
        [
            trial.trial_id,
            trial.status,
            f"{trial.iteration}/{trial.iterations}",
            distance(trial.best),
            distance(trial.final),
            trial.verdict,
            ago(trial.updated_at, now),
        ]
        for trial in trials
    ]
    right = ["iteration", "best", "final"]
    return Grid(header=header, rows=rows, right=right, styles=text_tables.STYLES)


def ago(then: datetime | None, now: datetime) -> str:
    """`40 s ago`, `5 h ago`, `3 d ago`."""
    if then is None:
        return ""
    seconds = max(0.0, (now - then).total_seconds())
    for unit, size, below in (("s", 1, 99), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < below:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds / 86_400:.0f} d ago"


def _summary(trials: Sequence[TrialStanding], n: int) -> str:
    counted = Counter(trial.status for trial in trials)
    tally = ", ".join(f"{counted[status]} {status}" for status in STATUSES if counted[status])
    return f"{len(trials)} of {n} trials" + (f": {tally}" if tally else " match")


if __name__ == "__main__":
    sys.exit(main())
