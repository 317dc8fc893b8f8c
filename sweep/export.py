"""`python -m sweep.export`: a sweep's rows, or its comparison with Table II, as a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from sweep.cli.commands import parser, run, store_of, write_file
from sweep.paper.pairs import PairedDifference
from sweep.paper.table2 import SettingRow, table2
from sweep.paper.typeset import SIGNAL_MARKS, Sheet, comparison_sheet, latex, markdown
from sweep.report.inventory import Inventory, inventory, skipped_lines
from sweep.store.arrow_start import keep_arrow_from_pandas
from sweep.store.compact_rows import values_by_column
from sweep.store.notes import NOTES, TAGS, Note, about_sweep, read_notes, trial_tags
from sweep.store.schemas import SCHEMAS
from sweep.store.store import Store
from sweep.store.tables import columns, csv_of, csv_of_columns, json_lines_of, parquet_of
from sweep.store.vocabulary import FINISHED, Row
from trainer.config.lookup import UsageError, lookup

EXAMPLES = """\
  python -m sweep.export demo --format csv > demo.csv
  python -m sweep.export demo --format parquet --table evaluations --out curves.parquet
  python -m sweep.export demo --format latex
  python -m sweep.export demo --format csv --table notes
csv, parquet and json (one object per row and line) hold trials with their tags (the default),
evaluations, notes, or the comparison with Table II in records (table2). latex (booktabs) and
markdown hold that comparison as a table.
exit code: 0, 2 bad input
"""
SHEETS: dict[str, Callable[[Sheet], str]] = {"latex": latex, "markdown": markdown}
FORMATS = ("csv", "parquet", "json", *SHEETS)
_RESULT = ("method", "i_ratio", "n", "score", "mean", "sd", "comparable")
_OF_SEEDS = ("best", *SIGNAL_MARKS)
TABLES = ("trials", "evaluations", "notes", "table2")


def main(argv: list[str] | None = None) -> int:
    """Writes the export; returns the exit code."""
    return run("export", lambda: _export(argv))


def _export(argv: list[str] | None) -> int:
    p = parser("export", "Write what a sweep has measured in another format.", EXAMPLES)
    p.add_argument("name", metavar="NAME", help="the sweep")
    formats = p.add_mutually_exclusive_group(required=True)
    formats.add_argument("--format", metavar="F", help=", ".join(FORMATS))
    formats.add_argument(
        "--json", action="store_const", const="json", dest="format", help="the same as that format"
    )
    p.add_argument("--table", metavar="T", help=f"{', '.join(TABLES)} (default: see below)")
    p.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    args = p.parse_args(argv)
    lookup("format", dict.fromkeys(FORMATS), args.format)
    table = args.table or ("table2" if args.format in SHEETS else "trials")
    lookup("table", dict.fromkeys(TABLES), table)
    if args.format in SHEETS and table != "table2":
        raise UsageError(
            f"--format {args.format} holds the comparison with Table II only: for {table} give "
            "--format csv, parquet or json"
        )
    if args.format == "parquet" and args.out is None and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal: give --out FILE, or redirect it")
    store = store_of(args.results)
    stored = inventory(store, sweep=args.name)
    content = _content(store, stored, args.name, args.format, table)
    if args.out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_file(args.out, content)
    sys.stderr.writelines(f"{line}\n" for line in skipped_lines(stored.skipped))
    return 0


def _content(store: Store, stored: Inventory, name: str, format: str, table: str) -> bytes:
    records = stored.records(name)
    notes = _notes(store, stored, name) if table in ("trials", "notes") else []
    if table == "trials" and format == "csv":
        schema = SCHEMAS[table]
        values = values_by_column(records, schema.names)
        by_name = dict(zip(schema.names, values, strict=True)) | {TAGS.name: _tags(records, notes)}
        return csv_of_columns(schema.append(TAGS), by_name, newline="\n")
    if table == "table2":
        comparison = table2(_begun_records(records), lambda i: store.read_rows("evaluations", i))
        if format in SHEETS:
            sheets = _sheets(comparison, records, name)
            return "\n".join(map(SHEETS[format], sheets)).encode()
        rows = flat_rows(comparison)
        if not rows:
            raise UsageError(_nothing_compares(name))
        exported = _typed(pa.Table.from_pylist(rows))
    elif table == "evaluations":
        ids = [record["trial_id"] for record in records]
        exported = columns(table, [row for i in ids for row in store.read_rows(table, i)])
    elif table == "notes":
        fields = [{n: getattr(note, n) for n in NOTES.names} for note in notes]
        exported = pa.Table.from_pylist(fields, schema=NOTES)
    else:
        trials = columns(table, records)
        exported = trials.append_column(TAGS, pa.array(_tags(records, notes), TAGS.type))
    if format == "json":
        return json_lines_of(exported)
    return parquet_of(exported) if format == "parquet" else csv_of(exported, newline="\n")


def _notes(store: Store, stored: Inventory, name: str) -> list[Note]:
    """The notes on the sweep and on its trials; what cannot be read is named on stderr."""
    notes, problems = read_notes(store)
    sys.stderr.writelines(f"{line}\n" for line in skipped_lines(problems))
    return about_sweep(notes, name, {row["trial_id"] for row in stored.plans.get(name, ())})


def _tags(records: Sequence[Row], notes: Sequence[Note]) -> list[list[str]]:
    tags = trial_tags(notes)
    return [[*tags.get(record["trial_id"], ())] for record in records]


def _typed(table: pa.Table) -> pa.Table:
    """The table with the types that it would have if nothing in it were null."""
    kinds = {"best": pa.list_(pa.float64())}
    kinds |= {name: pa.list_(pa.int64()) for name in ("seeds", *SIGNAL_MARKS)}
    for field in table.schema:
        if pa.types.is_null(field.type):
            kinds.setdefault(field.name, pa.float64())  # only numbers are ever missing
    return table.cast(pa.schema([(f.name, kinds.get(f.name, f.type)) for f in table.schema]))


def flat_rows(rows: Sequence[SettingRow]) -> list[dict[str, Any]]:
    """Table II as records, one per measured profile, setting and method; nothing is rounded."""
    return [
        {
            "setting": row.setting,
            **{f"published_{name}": value for name, value in asdict(row.published).items()},
            "profile": profile,
            **{name: getattr(result, name) for name in _RESULT},
            "not_comparable": "; ".join(result.reasons),
            "seeds": [seed.seed for seed in result.seeds],
            **{name: [getattr(seed, name) for seed in result.seeds] for name in _OF_SEEDS},
            **_pair_columns(row.pairs.get(profile, {}).get(result.method)),
        }
        for row in rows
        for profile, methods in row.measured.items()
        for result in methods.values()
    ]


def _pair_columns(pair: PairedDifference | None) -> dict[str, Any]:
    low, high = (pair and pair.interval) or (None, None)
    mean, n = (pair.mean, pair.n) if pair else (None, 0)
    return {"pairs": n, "minus_sn": mean, "minus_sn_low": low, "minus_sn_high": high}


def _begun_records(records: Sequence[Row]) -> list[Row]:
    return [record for record in records if record["status"] != "planned"]


def _sheets(comparison: Sequence[SettingRow], records: Sequence[Row], name: str) -> list[Sheet]:
    """A sheet per profile that the sweep has trials of."""
    sheets = []
    for profile in dict.fromkeys(record["profile"] for record in records):
        mine = [record for record in records if record["profile"] == profile]
        sheet = comparison_sheet(
            comparison, profile, name=name, remarks=_remarks(comparison, mine)
        )
        if sheet is not None:
            sheets.append(sheet)
    if not sheets:
        raise UsageError(_nothing_compares(name))
    return sheets


def _nothing_compares(name: str) -> str:
    return (
        f"no trial of sweep {name} has begun that belongs in Table II (a row of it, i 0.5, no "
        "parent): --format csv --table trials has them all"
    )


def _remarks(comparison: Sequence[SettingRow], records: Sequence[Row]) -> list[str]:
    """Remarks on the trials of the sweep that do not stand in the table."""
    compared_ids = {
        seed.trial_id
        for row in comparison
        for methods in row.measured.values()
        for result in methods.values()
        for seed in result.seeds
    }
    n_unfinished = sum(record["status"] not in FINISHED for record in records)
    n_left_out = sum(r["trial_id"] not in compared_ids for r in records if r["status"] in FINISHED)
    remarks = []
    if n_unfinished:
        remarks.append(f"Of {len(records)} trials {n_unfinished} are not finished.")
    if n_left_out:
        remarks.append(
            f"{n_left_out} finished trials are left out: another i than 0.5, a branch of another "
            "trial, or another configuration of the same cell."
        )
    return remarks


if __name__ == "__main__":
    keep_arrow_from_pandas()
    sys.exit(main())
