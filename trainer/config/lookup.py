"""Look-ups by name, with an error that says what there is. Standard library only."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class UsageError(ValueError):
    """Bad input, found before any work started: one line on what is wrong and what helps."""


def lookup(kind: str, table: Mapping[str, T], name: str) -> T:
    """`table[name]`; raises UsageError with the nearest names when there is none."""
    if name in table:
        return table[name]
    raise UsageError(_unknown(kind, name, table))


def select(kind: str, table: Mapping[str, T], patterns: Sequence[str]) -> list[str]:
    """Names of `table` that are one of the shell patterns or match it, in the table's order.

    Raises UsageError for a pattern that matches nothing.
    """
    matched: set[str] = set()
    for pattern in patterns:
        matches = [pattern] if pattern in table else fnmatch.filter(table, pattern)
        if not matches:
            raise UsageError(_unknown(kind, pattern, table))
        matched.update(matches)
    return [name for name in table if name in matched]


def _unknown(kind: str, name: str, table: Mapping[str, object]) -> str:
    by_folded = {key.casefold(): key for key in table}
    near = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.4)
    hint = ", ".join(by_folded[key] for key in near) or ", ".join(table)
    return f"unknown {kind} {name!r}; did you mean: {hint}?"
