"""`python -m sweep.rivals_page`: tables and picture of a `sweep.rivals`, on a page of Markdown."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from sweep.cli.commands import parser, run, store_of, write_file
from sweep.paper.final_scores import final_scores
from sweep.paper.forest_plot import forest_plot
from sweep.paper.rivals_sheets import scores_sheet, tuning_sheet
from sweep.paper.typeset import markdown
from sweep.report.inventory import inventory, skipped_lines
from sweep.store.arrow_start import keep_arrow_from_pandas
from sweep.store.store import Store
from sweep.store.tables import columns, file_of, parse, pylist
from sweep.store.vocabulary import Row, study_path
from trainer.config.lookup import UsageError

EXAMPLES = """\
  python -m sweep.rivals_page trainer/study trainer/STUDY.md --take rivals
      takes the trials of the sweep `rivals` out of the store, and writes tables and picture
  python -m sweep.rivals_page trainer/study trainer/STUDY.md
      writes them again from the folder; no store is needed
On the page everything between the two marks is replaced, and nothing else. A page that is not
there is begun.
exit code: 0, 2 bad input
"""
BEGIN, END = "<!-- written by sweep.rivals_page -->", "<!-- end of what it wrote -->"
TRIALS, CONTEST, PICTURE = "trials.parquet", "contest.json", "minus-sn.svg"
# Of one machine or start: nobody's business, and no result.
LEFT_OUT = ("host", "attempt", "software", "traceback")


def main(argv: list[str] | None = None) -> int:
    """Writes the page; returns the exit code."""
    return run("rivals_page", lambda: _write_page(argv))


def _write_page(argv: list[str] | None) -> int:
    p = parser("rivals_page", "Write what `sweep.rivals` found on a page.", EXAMPLES)
    p.add_argument("folder", type=Path, metavar="DIR", help=f"with {TRIALS} and {CONTEST}")
    p.add_argument("page", type=Path, metavar="FILE", help="page of Markdown")
    p.add_argument("--take", metavar="NAME", help="first take this sweep out of the store")
    p.add_argument("--json", action="store_true", help="what was written as one JSON object")
    args = p.parse_args(argv)
    if args.take:
        _take(store_of(args.results), args.take, args.folder)
    contest, rows = _read(args.folder)
    scores = final_scores(rows)
    if not any(cell.by_seed for cell in scores):
        raise UsageError(f"no winner has finished on a fresh seed in {args.folder / TRIALS}")
    picture = args.folder / PICTURE
    relative = os.path.relpath(picture, args.page.parent)
    methods = [method["method"] for method in contest["methods"]]
    sheet = scores_sheet(scores, methods, contest["settings"], len(contest["seeds"]))
    parts = [markdown(sheet), markdown(tuning_sheet(contest))]
    has_picture = any("sn" in cell.differences for cell in scores)
    if has_picture:
        write_file(picture, forest_plot(scores, "sn").encode())
        parts.insert(1, f"![paired differences to SN by setting and method]({relative})\n")
    write_file(args.page, _page(args.page, "\n".join(parts)).encode())
    if args.json:
        written = {"page": str(args.page), "picture": str(picture) if has_picture else None}
        sys.stdout.write(json.dumps(written | {"trials": len(rows)}) + "\n")
    return 0


def _take(store: Store, name: str, folder: Path) -> None:
    """Writes a contest's record and the trials of its plan into the folder."""
    stored = inventory(store, sweep=name)
    content = store.read(study_path(name))
    contest = json.loads(content) if content else {}
    if contest.get("space") != "rivals":
        raise UsageError(f"sweep {name} is none of sweep.rivals: it has no record of a tuning")
    table = columns("trials", stored.records(name))
    nothing = {
        column: pa.nulls(len(table), table.schema.field(column).type) for column in LEFT_OUT
    }
    for column, values in nothing.items():
        index = table.schema.get_field_index(column)
        table = table.set_column(index, table.schema.field(index), values)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / TRIALS, file_of("trials", table))
    write_file(folder / CONTEST, (json.dumps(contest, indent=1) + "\n").encode())
    sys.stderr.writelines(f"{line}\n" for line in skipped_lines(stored.skipped))


def _read(folder: Path) -> tuple[Mapping[str, Any], Sequence[Row]]:
    """The record, and a row per trial of a winner: planned where none was begun."""
    try:
        contest = json.loads((folder / CONTEST).read_text())
        table = parse((folder / TRIALS).read_bytes(), "trials")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {folder}: {error}: --take NAME fills it") from error
    by_id = {row["trial_id"]: row for row in pylist(table)}
    finals = [
        by_id[i] for method in contest["methods"] for i in method["final_trials"] if i in by_id
    ]
    order = {method["method"]: place for place, method in enumerate(contest["methods"])}
    settings = list(contest["settings"])
    finals.sort(key=lambda row: (settings.index(row["setting"]), order[row["method"]]))
    return contest, finals


def _page(path: Path, part: str) -> str:
    """The page with the part between the marks replaced."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        text = f"# Rivals on fresh seeds\n\n{BEGIN}\n{END}\n"
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"{path} lacks the lines {BEGIN} and {END}, between which to write")
    return f"{before}{BEGIN}\n\n{part}\n{END}{after}"


if __name__ == "__main__":
    keep_arrow_from_pandas()
    sys.exit(main())
