"""The rounds of a campaign, a line of JSON each, and their sums by kind."""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.campaign.plan import ROOT

# What is summed over the rounds of a kind. A round failed if any of FAULTS is above zero, or if
# it has a problem: it was never done, or could not be carried through.
FAULTS = ("lost", "doubled", "different", "extra", "live", "temporaries", "hangs")
COLUMNS = ("rounds", "failed", "starts", *FAULTS)


@cache
def version() -> str:
    """The commit of the checkout, and a digest of what trains and stores where that differs.

    As it was when first asked: files may change while a campaign runs.
    """
    commit = _git("rev-parse", "--short=7", "HEAD").decode().strip() or "unknown"
    changes = _git("diff", "HEAD", "--", "trainer", "sweep")
    return f"{commit}+{hashlib.sha256(changes).hexdigest()[:4]}" if changes else commit


def _git(*arguments: str) -> bytes:
    """What git says; nothing outside of a checkout."""
    try:
        ended = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True)
    except FileNotFoundError:
        return b""
    return ended.stdout


def append(ledger: Path, line: Mapping[str, Any]) -> None:
    """Adds a round."""
    with ledger.open("a") as file:
        file.write(json.dumps(line) + "\n")


def read(ledger: Path) -> list[dict[str, Any]]:
    """All rounds; a line that a killed campaign left unfinished is left out."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    rounds = []
    for line in lines:
        try:
            rounds.append(json.loads(line))
        except ValueError:
            continue
    return rounds


def is_failed(line: Mapping[str, Any]) -> bool:
    """Tells whether a round did not end as if nothing had happened."""
    return bool(line["problem"]) or any(line[name] for name in FAULTS)


def summary(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table with a line for each version and kind."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for line in rounds:
        groups.setdefault((line["version"], line["kind"]), []).append(line)
    rows = [["version", "kind", *COLUMNS, "median s"]]
    for (commit, kind), lines in groups.items():
        rows.append([commit, kind, *map(str, _sums(lines)), _median(lines)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.rjust, row, widths)) for row in rows]


def _sums(lines: Sequence[Mapping[str, Any]]) -> Iterable[int]:
    yield len(lines)
    yield sum(map(is_failed, lines))
    yield sum(len(line["codes"]) for line in lines)
    for name in FAULTS:
        yield sum(line[name] for line in lines)


def _median(lines: Sequence[Mapping[str, Any]]) -> str:
    return f"{statistics.median(line['seconds'] for line in lines):.0f}"
