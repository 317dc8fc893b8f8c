"""What the rest of the code relies on in a stored row, checked once, where the row is parsed.

A value that is merely unknown, like the status or the method of a newer writer, is no problem; one
of the wrong kind is: its row is left out, by name and reason. Scores are not looked at, since NaN
is a result. A leaf: the standard library only.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sweep.store.vocabulary import JSON_COLUMNS, SIGNALS, Row

R = TypeVar("R", bound=Row)

# Whether a value may stand in a column, and what is needed there.
Rule = tuple[Callable[[Any], bool], str]
NAMED_ROWS = 3
# Raised with any change of RULES: an index of rows that passed other ones is not believed.
RULES_VERSION = 2


@functools.lru_cache(maxsize=256)
def is_json_object(text: str | None) -> bool:
    """Tells whether a text is a JSON object that can be read; null is as good as one."""
    if text is None:
        return True
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


_TEXT: Rule = (bool, "a text")
_WHOLE: Rule = (lambda value: value is not None, "a whole number")
_POSITIVE: Rule = (lambda value: value is not None and value >= 1, "a whole number from 1")
_SIZE: Rule = (lambda value: value is None or value >= 1, "a whole number from 1, or null")
_ITERATION: Rule = (lambda value: value is not None and value >= 0, "a whole number from 0")
_COUNT: Rule = (lambda value: value is None or value >= 0, "a whole number from 0, or null")
_FINITE: Rule = (lambda value: value is None or math.isfinite(value), "a finite number, or null")
_AMOUNT: Rule = (
    lambda value: value is None or 0 <= value < math.inf,
    "a finite number from 0, or null",
)
_OBJECT: Rule = (is_json_object, "a JSON object, or null")
_TIME: Rule = (lambda value: value is not None, "a time")
_LIST: Rule = (lambda value: value is not None, "a list")
_NUMBERS: Rule = (
    lambda value: value is not None and all(n is not None and n >= 0 for n in value),
    "a list of whole numbers from 0",
)

_IDENTITY: Mapping[str, Rule] = {
    **dict.fromkeys(("trial_id", "profile", "setting", "group", "dataset", "method"), _TEXT),
    # Null of a loop of its own, which need not have them.
    **dict.fromkeys(("setting_batch_size", "setting_channels", "batch_size", "channels"), _SIZE),
    "iterations": _POSITIVE,
    **dict.fromkeys(("i_ratio", "data_share"), _FINITE),
    "seed": _WHOLE,
    "parent_iteration": _COUNT,
}
RULES: Mapping[str, Mapping[str, Rule]] = {
    "trials": {
        **_IDENTITY,
        "status": _TEXT,
        "updated_at": _TIME,
        **dict.fromkeys(("iteration", "best_iteration", "final_iteration", "failures"), _COUNT),
        **dict.fromkeys(SIGNALS, _COUNT),
        **dict.fromkeys(("seconds", "cpus", "gpus"), _AMOUNT),
        **dict.fromkeys(JSON_COLUMNS, _OBJECT),
    },
    "sweeps": {
        **_IDENTITY,
        "position": _WHOLE,
        "operations": _AMOUNT,
        **dict.fromkeys(("config", "parameters"), _OBJECT),
    },
    "evaluations": {"iteration": _ITERATION, "seconds": _AMOUNT},
    "spectra": {"iteration": _ITERATION, "layer": _ITERATION, "singular_values": _LIST},
    "outputs": {
        "iteration": _ITERATION,
        **dict.fromkeys(("images", "quantity"), _TEXT),
        "counts": _NUMBERS,
        "not_finite": _ITERATION,
    },
}  # fmt: skip


def row_problem(table: str, row: Row) -> str | None:
    """Says which column breaks a rule of the table, and by which value; None if none does.

    Columns that the row does not have, as only some were read, are not looked at.
    """
    for name, (holds, needed) in RULES[table].items():
        if name in row and not holds(value := row[name]):
            shown = "null" if value is None else repr(value)[:40]
            return f"{name} is {shown}, where {needed} is needed"
    return None


def row_problems(table: str, rows: Iterable[Row]) -> dict[int, str]:
    """What is wrong with each row that breaks a rule, by its number from 1."""
    numbered = ((number, row_problem(table, row)) for number, row in enumerate(rows, start=1))
    return {number: problem for number, problem in numbered if problem is not None}


def valid_rows(table: str, rows: Sequence[R]) -> tuple[list[R], str | None]:
    """The rows that break no rule, and in a sentence which others there are, by their number."""
    problems = row_problems(table, rows)
    valid = [row for number, row in enumerate(rows, start=1) if number not in problems]
    return valid, left_out(problems, len(rows))


def left_out(problems: Mapping[int, str], n: int) -> str | None:
    """Says of `n` rows how many are left out, and why, for the first of them."""
    if not problems:
        return None
    first = sorted(problems.items())[:NAMED_ROWS]
    reasons = "; ".join(f"row {number}: {problem}" for number, problem in first)
    return f"{len(problems)} of {n} rows left out: {reasons}"
