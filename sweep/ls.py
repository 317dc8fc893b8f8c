"""`python -m sweep.ls`: the stored trials, one a line, from the store alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sweep.cli.commands import parser, run, store_of
from sweep.report import text_tables
from sweep.report.display import distance, plain
from sweep.report.inventory import Inventory, inventory, skipped_lines
from sweep.report.states import status_counts
from sweep.report.sweep_state import COLUMNS, TrialStanding, table_order, trial_standing
from sweep.report.text_tables import Grid, Part
from sweep.store.arrow_start import keep_arrow_from_pandas
from sweep.store.notes import read_notes, trial_tags
from sweep.store.vocabulary import SHOWN_STATUSES, Row
from trainer.config.lookup import UsageError, select
from trainer.config.settings import ALL_SETTINGS, METHODS, PROFILES

EXAMPLES = """\
  python -m sweep.ls
  python -m sweep.ls --sweep demo --setting 'C_*,B_64-64' --method 'sr-*'
  python -m sweep.ls --status failed,running --json
  python -m sweep.ls --tag for-the-talk
best and final are FID (digits: FD-digits), lower is better: on the curve before mode collapse,
and at the end at the full sample count. Trials stand in Table I's order.
exit code: 0, 2 bad input, 130 interrupted
"""
# A filter's flag by the column that it looks at, and the names that exist without any trial.
FILTERS: Mapping[str, Iterable[str]] = {
    "setting": ALL_SETTINGS,
    "method": METHODS,
    "status": SHOWN_STATUSES,
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
    p.add_argument("--tag", default="*", metavar="GLOB,...", help="with one of these tags")
    p.add_argument("--json", action="store_true", help="one JSON object per trial and line")
    args = p.parse_args(argv)
    store = store_of(args.results)
    stored = inventory(store, columns=COLUMNS, sweep=args.sweep)
    notes, problems = read_notes(store)
    tags = trial_tags(notes)
    records = tagged_records(_all_records(stored), tags, args.tag.split(","))
    now = datetime.now(UTC)
    patterns_by_column = {name: getattr(args, name).split(",") for name in FILTERS}
    trials = sorted(
        (trial_standing(row, now) for row in matching_records(records, patterns_by_column)),
        key=table_order,
    )
    skipped = {**stored.skipped, **problems}
    if args.json:
        sys.stderr.writelines(f"{line}\n" for line in skipped_lines(skipped))
        sys.stdout.writelines(
            json.dumps(record(trial) | {"tags": [*tags.get(trial.trial_id, ())]}) + "\n"
            for trial in trials
        )
        sys.stdout.flush()
        return 0
    parts: list[Part] = [_grid(trials, now, tags)] if trials else []
    text_tables.show([*parts, _summary(trials, len(records)), *skipped_lines(skipped)])
    return 0


def _all_records(stored: Inventory) -> list[Row]:
    """Every trial that has begun or is in a plan, once."""
    by_id: dict[str, Row] = dict(stored.trials)
    for plan in stored.plans.values():
        for row in plan:
            if row["trial_id"] not in by_id:
                by_id[row["trial_id"]] = stored.planned(row)
    return list(by_id.values())


def tagged_records(
    records: Sequence[Row], tags: Mapping[str, Sequence[str]], patterns: Sequence[str]
) -> list[Row]:
    """The records with a tag that one of the shell patterns matches; for `*` all.

    Raises UsageError for a pattern that no tag of these trials matches.
    """
    if patterns == ["*"]:
        return list(records)
    own = {record["trial_id"]: tags.get(record["trial_id"], ()) for record in records}
    tag_names = dict.fromkeys(sorted(tag for each in own.values() for tag in each))
    if not tag_names:
        raise UsageError(f"no trial here has a tag: `python -m sweep.note ID --tag {patterns[0]}`")
    selected = set(select("tag", tag_names, patterns))
    return [record for record in records if selected & {*own[record["trial_id"]]}]


def matching_records(
    records: Sequence[Row], patterns_by_column: Mapping[str, Sequence[str]]
) -> list[Row]:
    """The records whose columns match one of the shell patterns for each.

    Raises UsageError for a pattern that no known and no stored name matches.
    """
    matching = list(records)
    for column, patterns in patterns_by_column.items():
        stored_names = sorted({record[column] for record in records})
        names = select(column, dict.fromkeys([*FILTERS[column], *stored_names]), patterns)
        matching = [record for record in matching if record[column] in names]
    return matching


def record(trial: TrialStanding) -> dict[str, Any]:
    """The trial as JSON: null for what is not finite, times in ISO 8601."""
    columns = (
        "trial_id", "setting", "method", "i_ratio", "data_share", "seed", "status",
        "iteration", "iterations", "score", "best", "final", "verdict", "error",
    )  # fmt: skip
    updated = trial.updated_at and trial.updated_at.isoformat()
    return plain({name: getattr(trial, name) for name in columns} | {"updated_at": updated})


def _grid(
    trials: Sequence[TrialStanding], now: datetime, tags: Mapping[str, Sequence[str]]
) -> Grid:
    header = ["trial", "status", "iteration", "best", "final", "seen", "updated"]
    with_tags = any(trial.trial_id in tags for trial in trials)
    rows = [
        [
            trial.trial_id,
            trial.status,
            f"{'?' if trial.iteration is None else trial.iteration}/{trial.iterations}",
            distance(trial.best),
            distance(trial.final),
            trial.verdict,
            ago(trial.updated_at, now),
            *([" ".join(tags.get(trial.trial_id, ()))] if with_tags else []),
        ]
        for trial in trials
    ]
    header += ["tags"] if with_tags else []
    right = ["iteration", "best", "final"]
    return Grid(header=header, rows=rows, right=right, styles=text_tables.STYLES)


def ago(moment: datetime | None, now: datetime) -> str:
    """Says how long ago a moment was: `40 s ago`, `5 h ago`, `3 d ago`."""
    if moment is None:
        return ""
    seconds = max(0.0, (now - moment).total_seconds())
    for unit, size, limit in (("s", 1, 99), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds / 86_400:.0f} d ago"


def _summary(trials: Sequence[TrialStanding], n: int) -> str:
    counts = status_counts(trial.status for trial in trials)
    tally = ", ".join(f"{n} {status}" for status, n in counts.items())
    return f"{len(trials)} of {n} trials" + (f": {tally}" if tally else " match")


if __name__ == "__main__":
    keep_arrow_from_pandas()
    sys.exit(main())
