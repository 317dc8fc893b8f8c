"""`python -m sweep.sql`: one SELECT over the store's tables, read-only, from the store alone."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sweep.cli.commands import parser, run, store_of, write_file
from sweep.report import text_tables
from sweep.report.inventory import skipped_lines
from sweep.report.text_tables import Grid
from sweep.store.arrow_start import keep_arrow_from_pandas
from sweep.store.tables import csv_of, json_lines_of, parquet_of, pylist
from trainer.config.lookup import UsageError, lookup

if TYPE_CHECKING:
    from sweep.query.answer import Answer

EXAMPLES = """\
  python -m sweep.sql "select method, count(*), avg(best_fd_digits) from trials group by method"
  python -m sweep.sql "describe evaluations"
  python -m sweep.sql - --format parquet --out curves.parquet < question.sql
The dialect is DuckDB's. Tables are trials (those that have begun), evaluations, spectra, outputs
and sweeps (the plans). A condition on trial_id reads those trials' curves alone. NaN is the
greatest number, as in every DuckDB. Nothing can be written, loaded, attached or set, and no other
file read.
exit code: 0, 2 bad input, or a statement that is refused, fails or takes too long or too much
"""
FORMATS = ("text", "json", "csv", "parquet", "arrow")
# Under these keys an Arrow stream says what other formats say on standard error.
CUT, LEFT_OUT = "cut", "left_out"


def main(argv: list[str] | None = None) -> int:
    """Answers the statement; returns the exit code."""
    return run("sql", lambda: _sql(argv))


def _parser() -> argparse.ArgumentParser:
    p = parser("sql", "Answer one SELECT over the store's tables, read-only.", EXAMPLES)
    p.add_argument("statement", metavar="SQL", help="the SELECT, or - to read it from stdin")
    p.add_argument("--json", action="store_true", help="one JSON object per row and line")
    p.add_argument("--format", metavar="F", help=f"{', '.join(FORMATS)} (default text)")
    p.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    p.add_argument("--limit", type=int, default=10_000, metavar="N", help="rows (default 10000)")
    p.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="for the statement (default 60)"
    )
    return p


def _sql(argv: list[str] | None) -> int:
    args = _parser().parse_args(argv)
    format_name = "json" if args.json else args.format or "text"
    lookup("format", dict.fromkeys(FORMATS), format_name)
    if args.json and args.format not in (None, "json"):
        raise UsageError(f"--json and --format {args.format}: give one of them")
    if args.limit < 1 or not 0 < args.seconds <= 86_400:
        raise UsageError("--limit is 1 or more, --seconds more than 0 and a day at most")
    if format_name in ("parquet", "arrow") and args.out is None and sys.stdout.isatty():
        raise UsageError(f"{format_name} is not for a terminal: give --out FILE, or redirect it")
    if importlib.util.find_spec("duckdb") is None:
        raise UsageError("duckdb is not installed: pip install 'srgan-sweep[sweep]', or duckdb")
    found = _answer(args)
    _write(found, format_name, args.out)
    if format_name != "arrow":  # which has it inside
        notes = [f"cut: {found.cut}"] if found.cut else []
        sys.stderr.writelines(f"{line}\n" for line in [*notes, *skipped_lines(found.left_out)])
    return 0


def _answer(args: argparse.Namespace) -> Answer:
    # Here, as DuckDB takes a while to load and --help needs none of it.
    from sweep.query.answer import Limits, answer
    from sweep.query.statement import QueryError

    sql = sys.stdin.read() if args.statement == "-" else args.statement
    try:
        return answer(store_of(args.results), sql, Limits(rows=args.limit, seconds=args.seconds))
    except QueryError as error:
        raise UsageError(str(error)) from error


def _write(found: Answer, format_name: str, out: Path | None) -> None:
    if format_name == "text" and out is None:
        text_tables.show([_grid(found.rows), f"{len(found.rows)} rows"])
        return
    content = _CONTENTS[format_name](found)
    if out is not None:
        write_file(out, content)
        return
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _grid(table: pa.Table) -> Grid:
    right = [f.name for f in table.schema if pa.types.is_integer(f.type) or f.type == pa.float64()]
    rows = [[_cell(value) for value in row.values()] for row in pylist(table)]
    return Grid(header=table.column_names, rows=rows, right=right, styles={})


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def _text(found: Answer) -> bytes:
    return "".join(f"{line}\n" for line in text_tables.plain_lines(_grid(found.rows))).encode()


def _arrow(found: Answer) -> bytes:
    notes = {CUT: found.cut or "", LEFT_OUT: json.dumps(found.left_out)}
    table = found.rows.replace_schema_metadata(notes)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


_CONTENTS: Mapping[str, Callable[[Answer], bytes]] = {
    "text": _text,
    "json": lambda found: json_lines_of(found.rows),
    "csv": lambda found: csv_of(found.rows, newline="\n"),
    "parquet": lambda found: parquet_of(found.rows),
    "arrow": _arrow,
}


if __name__ == "__main__":
    keep_arrow_from_pandas()
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of Arrow and DuckDB may be at work for what was given up: the process ends without
    # them, and without the destructors that would wait for them.
    os._exit(exit_code)
