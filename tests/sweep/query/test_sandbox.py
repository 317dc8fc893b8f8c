"""Attempts on DuckDB itself, as if nothing had looked at the statement before."""

from __future__ import annotations

import resource
from pathlib import Path

import duckdb
import pytest

from sweep.query.sandbox import bounded_data, sandbox


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return sandbox(2**27, 1)


@pytest.mark.parametrize(
    "attempt",
    [
        "copy (select 1) to '{file}'",
        "export database '{folder}'",
        "select * from read_parquet('{secret}')",
        "select * from read_csv('{secret}')",
        "select * from read_text('{secret}')",
        "select * from read_blob('{secret}')",
        "select * from read_json('{secret}')",
        "select * from '{secret}'",
        "select * from sniff_csv('{secret}')",
        "select * from glob('{folder}/*')",
        "select * from 'https://example.org/a.parquet'",
        "select * from read_parquet('s3://bucket/a.parquet')",
        "attach '{file}'",
        "attach '{secret}' as other (read_only)",
        "install httpfs",
        "install '{secret}'",
        "load httpfs",
        "load '{secret}'",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "set memory_limit = '64GiB'",
        "set temp_directory = '{folder}'",
        "set allowed_directories = ['/']",
        "reset enable_external_access",
        "pragma memory_limit = '64GiB'",
        "pragma enable_external_access",
        "create persistent secret s (type s3)",
        "select secret",  # the name of a variable of the caller
    ],
)
def test_an_attempt_fails_and_leaves_nothing(
    connection: duckdb.DuckDBPyConnection, attempt: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("password\nhunter2\n")
    sql = attempt.format(file=tmp_path / "written", folder=tmp_path, secret=secret)
    with pytest.raises(duckdb.Error):
        connection.execute(sql).fetchall()
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_memory_is_bounded_and_nothing_is_spilled(connection: duckdb.DuckDBPyConnection) -> None:
    with bounded_data(2**29), pytest.raises(duckdb.OutOfMemoryException):
        connection.execute("select * from range(30000000) order by random()").fetchone()


def test_the_process_is_bounded_while_it_answers() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with bounded_data(2**30):
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        assert 2**30 < soft < 2**36
        assert hard == before[1]
        with pytest.raises(MemoryError):
            bytearray(2**31)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
