"""Checks that a statement is one SELECT over the store's tables, by DuckDB's own parser."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from sweep.store.schemas import SCHEMAS

LONGEST_STATEMENT = 20_000
# Functions of a FROM clause that look at nothing but their arguments. Others read files, settings
# and secrets, or run a text that nobody has checked.
TABLE_FUNCTIONS = frozenset(
    ["generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"]
)
# Parts of a parsed statement that list tables: all of them have to be there.
LISTINGS = ("SHOW_REF", "information_schema")


class QueryError(ValueError):
    """The statement is refused or fails; the message says why, in one line."""


def tables_of(connection: duckdb.DuckDBPyConnection, sql: str) -> frozenset[str]:
    """Names the store's tables that the statement reads.

    Raises QueryError unless it is one SELECT (or VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES) without
    a table function beyond TABLE_FUNCTIONS.
    """
    if len(sql) > LONGEST_STATEMENT:
        raise QueryError(f"the statement has {len(sql)} characters, {LONGEST_STATEMENT} at most")
    parts = list(_parts(_parsed(connection, sql)))
    for part in parts:
        function = part.get("function")
        if part.get("type") == "TABLE_FUNCTION" and isinstance(function, dict):
            _check_function(str(function.get("function_name")))
    if any(part.get("type") in LISTINGS or part.get("schema_name") in LISTINGS for part in parts):
        return frozenset(SCHEMAS)
    names = {str(p.get("table_name")).lower() for p in parts if p.get("type") == "BASE_TABLE"}
    return frozenset(names & SCHEMAS.keys())


def _check_function(name: str) -> None:
    if name.lower() not in TABLE_FUNCTIONS:
        raise QueryError(
            f"{name}() is not answered in FROM: there are the tables {', '.join(SCHEMAS)}, and "
            f"the functions {', '.join(sorted(TABLE_FUNCTIONS))}"
        )


def _parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> Mapping[str, Any]:
    """The statement's tree, as DuckDB's json_serialize_sql writes it."""
    try:
        ((text,),) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
    except duckdb.Error as error:
        raise QueryError(one_line(error)) from error
    parsed = json.loads(text)
    if parsed["error"]:
        reason = str(parsed["error_message"])
        if reason.startswith("Only SELECT"):
            reason = "only a SELECT is answered: nothing here writes, loads, attaches or sets"
        raise QueryError(_joined(reason))
    n = len(parsed["statements"])
    if n != 1:
        raise QueryError(f"one statement at a time, not {n}" if n else "there is no statement")
    return parsed


def _parts(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every object of a tree, without recursion: a statement may be nested deeply."""
    pending = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield part
            pending += part.values()
        elif isinstance(part, list):
            pending += part


def one_line(error: BaseException) -> str:
    """DuckDB's message without the excerpt of the statement and the advice that follow it."""
    text = str(error)
    for ending in ("\n\nLINE ", "\n\nPossible solutions", " Detail: Python exception"):
        text = text.partition(ending)[0]
    return _joined(text) or type(error).__name__


def _joined(text: str) -> str:
    return " ".join(text.split())[:500]
