from __future__ import annotations

import duckdb
import pytest

from sweep.query.sandbox import sandbox
from sweep.query.statement import LONGEST_STATEMENT, TABLE_FUNCTIONS, QueryError, tables_of
from sweep.store.schemas import SCHEMAS


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return sandbox(2**28, 1)


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("select 1", set()),
        ("from Trials", {"trials"}),
        ('select * from "trials" t join main.evaluations e using (trial_id)',
         {"trials", "evaluations"}),
        ("with c as (select * from spectra) select * from c", {"spectra"}),
        ("select (select count(*) from outputs) where exists (from sweeps)",
         {"outputs", "sweeps"}),
        ("select * from trials t, lateral (select t.seed from evaluations)",
         {"trials", "evaluations"}),
        ("describe trials", set(SCHEMAS)),
        ("show tables", set(SCHEMAS)),
        ("select * from information_schema.columns", set(SCHEMAS)),
        ("values (1), (2)", set()),
        ("from range(3)", set()),
    ],
)  # fmt: skip
def test_tables_are_what_the_parser_finds(
    connection: duckdb.DuckDBPyConnection, sql: str, tables: set[str]
) -> None:
    assert tables_of(connection, sql) == tables


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("copy trials to '/tmp/a.csv'", "only a SELECT"),
        ("insert into trials values (1)", "only a SELECT"),
        ("create table t as select 1", "only a SELECT"),
        ("attach '/tmp/a.db'", "only a SELECT"),
        ("install httpfs", "only a SELECT"),
        ("load httpfs", "only a SELECT"),
        ("set threads = 8", "only a SELECT"),
        ("reset memory_limit", "only a SELECT"),
        ("pragma database_list", "only a SELECT"),
        ("call pragma_version()", "only a SELECT"),
        ("export database '/tmp/a'", "only a SELECT"),
        ("explain analyze select 1", "only a SELECT"),
        ("select 1; drop table trials", "only a SELECT"),
        ("select 1; select 2", "one statement at a time, not 2"),
        ("", "there is no statement"),
        ("-- nothing", "there is no statement"),
        ("selec 1", "syntax error"),
        ("select * from read_parquet('/etc/*')", "read_parquet() is not answered"),
        ("select * from trials where seed in (select x from read_csv('a'))", "read_csv()"),
        ("select * from query('copy trials to 1')", "query() is not answered"),
        ("select * from query_table('tri' || 'als')", "query_table() is not answered"),
        ("select * from duckdb_settings()", "duckdb_settings() is not answered"),
        ("select * from glob('/*')", "glob() is not answered"),
        ("select 1 " + " " * LONGEST_STATEMENT, "characters"),
    ],
)
def test_all_else_is_refused_in_one_line(
    connection: duckdb.DuckDBPyConnection, sql: str, reason: str
) -> None:
    with pytest.raises(QueryError) as refused:
        tables_of(connection, sql)
    assert reason in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_deeply_nested_statement_is_an_error_and_no_crash(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    nested = "select " + "(" * 5000 + "1" + ")" * 5000
    with pytest.raises(QueryError):
        tables_of(connection, nested)


def test_table_functions_look_at_nothing() -> None:
    assert not [name for name in TABLE_FUNCTIONS if name.startswith(("read", "duckdb", "query"))]
