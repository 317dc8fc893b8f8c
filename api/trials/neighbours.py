"""Trials that one is compared with: other seeds, methods and values of i of the same setting."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from api.drawing.look import in_order
from api.reading.snapshot import Row, Snapshot
from api.trials import queries
from api.trials.models import Trial

# What two runs must share to differ by their seed, their method or i alone.
SAME = ("iterations", "dataset", "batch_size", "channels", "precision", "parent")
DEFAULT_I = 0.5
BASELINE = "sn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """`baseline` is the SN trial of the same setting, profile and seed."""

    seeds: Sequence[Trial]
    methods: Sequence[Trial]
    ratios: Sequence[Trial]
    baseline: Trial | None


def neighbours(snapshot: Snapshot, record: Row) -> Neighbours:
    """Of the trials of the same profile and setting, itself left out."""
    around = [
        row
        for row in _by_setting(snapshot)[_place(record)]
        if row["trial_id"] != record["trial_id"] and _is_like(row, record)
    ]
    same_seed = [row for row in around if row["seed"] == record["seed"]]
    same_method = [row for row in around if _method(row) == _method(record)]
    others = _one_i_each([r for r in same_seed if _method(r) != _method(record)], record)
    return Neighbours(
        seeds=_trials(r for r in same_method if r["i_ratio"] == record["i_ratio"]),
        methods=_in_order(others),
        ratios=_trials(
            (r for r in same_method if r["seed"] == record["seed"] and r["i_ratio"] is not None),
            by="i_ratio",
        ),
        baseline=_baseline(same_seed, record),
    )


def _place(row: Row) -> tuple[str, str]:
    return row["profile"], row["setting"]


def _method(row: Row) -> tuple[str, str | None]:
    return row["method"], row["form"]


@functools.lru_cache(maxsize=2)
def _by_setting(snapshot: Snapshot) -> Mapping[tuple[str, str], Sequence[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in snapshot.records.values():
        found.setdefault(_place(row), []).append(row)
    return found


def _is_like(row: Row, record: Row) -> bool:
    """A column that an older store lacks hides no neighbour."""
    pairs = [(row[name], record[name]) for name in SAME]
    return row["parent"] == record["parent"] and all(
        a == b or a is None or b is None for a, b in pairs
    )


def _one_i_each(rows: Sequence[Row], record: Row) -> list[Row]:
    """Of a method with several i that of the record, else the paper's default, else all."""
    wanted = DEFAULT_I if record["i_ratio"] is None else record["i_ratio"]
    ratios: dict[tuple[str, str | None], set[float | None]] = {}
    for row in rows:
        ratios.setdefault(_method(row), set()).add(row["i_ratio"])
    return [
        row for row in rows if row["i_ratio"] == wanted or wanted not in ratios[_method(row)]
    ]  # fmt: skip


def _baseline(same_seed: Sequence[Row], record: Row) -> Trial | None:
    if record["method"] == BASELINE:
        return None
    found = [row for row in same_seed if row["method"] == BASELINE]
    return queries.trial(found[0]) if found else None


def _trials(rows: Iterable[Row], by: str = "seed") -> list[Trial]:
    return [queries.trial(row) for row in sorted(rows, key=lambda row: row[by])]


def _in_order(rows: Sequence[Row]) -> list[Trial]:
    places = {name: k for k, name in enumerate(in_order(row["method"] for row in rows))}
    shown = sorted(rows, key=lambda row: (places[row["method"]], row["i_ratio"] or 0))
    return [queries.trial(row) for row in shown]
