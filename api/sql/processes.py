"""Has `python -m sweep.sql` answer a statement: a process that can be bounded, and killed.

DuckDB counts not all that it allocates, and some of what it does cannot be interrupted. In a
process of its own neither harms the service, whose memory stays as small as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from starlette.exceptions import HTTPException

from sweep.store.store import Store
from trainer.config.lookup import UsageError

STATEMENT_SECONDS = 30.0
# To start, to read the index of trials, and to write the answer.
OTHER_SECONDS = 30.0
# So that a computing service goes first.
NICENESS = 10
PREFIX = "python -m sweep.sql: "
# What a question begins with, behind comments and brackets: nothing else needs a process.
_WORDS = "select|with|from|values|table|describe|desc|summarize|show|pivot|unpivot"
QUESTION = re.compile(rf"(\s|\(|--[^\n]*\n|/\*.*?\*/)*({_WORDS})\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer; `cut` names the bound that left rows out, `left_out` damaged files by path."""

    table: pa.Table
    cut: str | None
    left_out: Mapping[str, str]


def ask(store: Store, sql: str, limit: int) -> Rows:
    """The first `limit` rows of the statement's answer.

    Raises UsageError with the reason if it is refused, fails or exceeds a bound.
    """
    if not QUESTION.match(sql):
        raise UsageError("only a SELECT is answered: nothing here writes, loads, attaches or sets")
    command = [sys.executable, "-m", "sweep.sql", "-", "--format", "arrow"]
    command += ["--limit", str(limit), "--seconds", str(STATEMENT_SECONDS)]
    try:
        process = subprocess.Popen(
            command,
            # Not as an argument: the root may hold an access key.
            env=os.environ | {"SWEEP_RESULTS": store.root},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C ends the service, which ends this
        )
    except OSError as error:
        reason = f"no process could be started to answer it: {error.strerror}"
        raise HTTPException(503, reason, headers={"Retry-After": "10"}) from error
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    return _rows(process, sql)


def _rows(process: subprocess.Popen[bytes], sql: str) -> Rows:
    with process:
        try:
            content, errors = process.communicate(
                sql.encode("utf-8", "replace"), STATEMENT_SECONDS + OTHER_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            reason = f"it took longer than {error.timeout:g} s with all that it reads"
            raise UsageError(reason) from error
        finally:
            process.kill()
    if process.returncode:
        raise UsageError(_reason(process.returncode, errors.decode(errors="replace")))
    table = pa.ipc.open_stream(content).read_all()
    notes = {key.decode(): text.decode() for key, text in (table.schema.metadata or {}).items()}
    left_out = json.loads(notes["left_out"])
    return Rows(table.replace_schema_metadata(None), notes["cut"] or None, left_out)


def _reason(returncode: int, errors: str) -> str:
    lines = [line for line in errors.splitlines() if line.startswith(PREFIX)]
    if lines:
        return lines[-1].removeprefix(PREFIX)
    return f"the process that answers it ended with {returncode}: it needed too much, as of memory"
