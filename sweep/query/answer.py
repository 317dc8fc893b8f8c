"""Answers one SELECT over a store, within bounds of time, memory and rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from sweep.query.plain_columns import with_plain_columns
from sweep.query.sandbox import UNCOUNTED_BYTES, bounded_data, sandbox
from sweep.query.statement import QueryError, one_line, tables_of
from sweep.query.stored_tables import Source, source
from sweep.store.schemas import SCHEMAS
from sweep.store.store import Store

# Rows that come from DuckDB at once.
BATCH_ROWS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one answer: s, B that DuckDB may use, rows and B of the answer."""

    seconds: float = 60.0
    memory_bytes: int = 512 * 2**20
    rows: int = 10_000
    answer_bytes: int = 64 * 2**20
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows in the store's kinds of columns; `cut` says which bound left others out, if one did.

    `left_out` has by path why a file of the store is not among what was asked.
    """

    rows: pa.Table
    cut: str | None
    left_out: Mapping[str, str]


def answer(store: Store, sql: str, limits: Limits) -> Answer:
    """Runs the statement in a sandbox and returns its first rows.

    Raises QueryError for a statement that is refused, fails or exceeds a bound, StoreError.
    """
    connection = sandbox(limits.memory_bytes, limits.threads)
    try:
        sources = {table: source(store, table) for table in sorted(tables_of(connection, sql))}
        for table, opened in sources.items():
            connection.register(table, opened.content)
        with bounded_data(limits.memory_bytes + UNCOUNTED_BYTES), _timed(connection, limits):
            rows, cut = _first_rows(connection, sql, limits)
    finally:
        connection.close()
    return Answer(with_plain_columns(rows), cut, _left_out(sources))


def _left_out(sources: Mapping[str, Source]) -> dict[str, str]:
    return {path: why for opened in sources.values() for path, why in opened.left_out.items()}


@contextmanager
def _timed(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Iterator[None]:
    """Interrupts what takes too long, and says in one line what DuckDB says in many."""
    timer = threading.Timer(limits.seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise QueryError(
            f"it took longer than {limits.seconds:g} s: a condition on trial_id reads only those "
            "trials' curves"
        ) from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise QueryError(
            f"it needs more than {limits.memory_bytes // 2**20} MiB of memory: take fewer rows or "
            "columns"
        ) from error
    except duckdb.CatalogException as error:
        raise QueryError(f"{one_line(error)} There are {', '.join(SCHEMAS)}.") from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise QueryError(one_line(error)) from error
    finally:
        timer.cancel()


def _first_rows(
    connection: duckdb.DuckDBPyConnection, sql: str, limits: Limits
) -> tuple[pa.Table, str | None]:
    """Reads until a bound is reached: what comes behind it is never computed."""
    reader = connection.sql(sql).to_arrow_reader(min(BATCH_ROWS, limits.rows + 1))
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    cut = None
    for batch in reader:
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows > limits.rows:
            cut = f"the first {limits.rows} rows of more: add LIMIT, or aggregate"
        elif size > limits.answer_bytes:
            cut = f"the first {rows} rows ({size / 1e6:.0f} MB) of more: take fewer columns"
        if cut is not None:
            break
    return pa.Table.from_batches(batches, schema=reader.schema).slice(0, limits.rows), cut
