"""Trials to compare a trial with: other seeds, methods and values of i of the same setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from api.drawing.look import in_order
from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import Row, Snapshot
from api.trials import queries
from api.trials.models import Trial
from trainer.config.methods import DEFAULT_I_RATIO

# Columns that two runs must share to differ by their seed, their method or i alone.
SHARED = ("iterations", "dataset", "batch_size", "channels", "precision", "parent")
BASELINE = "sn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """`baseline` is the SN trial of the same setting, profile and seed."""

    seeds: Sequence[Trial]
    methods: Sequence[Trial]
    ratios: Sequence[Trial]
    baseline: Trial | None


def neighbours(snapshot: Snapshot, record: Row) -> Neighbours:
    """Neighbours of the trial among those of the same profile and setting."""
    candidates = [
        row
        for row in _by_profile_and_setting(snapshot)[_profile_and_setting(record)]
        if row["trial_id"] != record["trial_id"] and _is_like(row, record)
    ]
    same_seed = [row for row in candidates if row["seed"] == record["seed"]]
    same_method = [row for row in candidates if _method(row) == _method(record)]
    other_methods = _one_i_each([r for r in same_seed if _method(r) != _method(record)], record)
    return Neighbours(
        seeds=_trials(r for r in same_method if r["i_ratio"] == record["i_ratio"]),
        methods=_in_order(other_methods),
        ratios=_trials(
            (r for r in same_method if r["seed"] == record["seed"] and r["i_ratio"] is not None),
            by="i_ratio",
        ),
        baseline=_baseline(same_seed, record),
    )


def _profile_and_setting(row: Row) -> tuple[str, str]:
    return row["profile"], row["setting"]


def _method(row: Row) -> tuple[str, str | None]:
    return row["method"], row["form"]


@memoise_by_snapshot()
def _by_profile_and_setting(snapshot: Snapshot) -> Mapping[tuple[str, str], Sequence[Row]]:
    by_setting: dict[tuple[str, str], list[Row]] = {}
    for row in snapshot.records.values():
        by_setting.setdefault(_profile_and_setting(row), []).append(row)
    return by_setting


def _is_like(row: Row, record: Row) -> bool:
    """Compares the shared columns; one that an older store lacks hides no neighbour."""
    pairs = [(row[name], record[name]) for name in SHARED]
    return all(row[name] == record[name] for name in ("parent", "data_share")) and all(
        a == b or a is None or b is None for a, b in pairs
    )


def _one_i_each(rows: Sequence[Row], record: Row) -> list[Row]:
    """Keeps of a method with several i that of the record, else the paper's default, else all."""
    i_ratio = DEFAULT_I_RATIO if record["i_ratio"] is None else record["i_ratio"]
    ratios: dict[tuple[str, str | None], set[float | None]] = {}
    for row in rows:
        ratios.setdefault(_method(row), set()).add(row["i_ratio"])
    return [
        row for row in rows if row["i_ratio"] == i_ratio or i_ratio not in ratios[_method(row)]
    ]


def _baseline(same_seed: Sequence[Row], record: Row) -> Trial | None:
    if record["method"] == BASELINE:
        return None
    baselines = [row for row in same_seed if row["method"] == BASELINE]
    return queries.trial(baselines[0]) if baselines else None


def _trials(rows: Iterable[Row], by: str = "seed") -> list[Trial]:
    return [queries.trial(row) for row in sorted(rows, key=lambda row: row[by])]


def _in_order(rows: Sequence[Row]) -> list[Trial]:
    places = {name: k for k, name in enumerate(in_order(row["method"] for row in rows))}
    ordered = sorted(rows, key=lambda row: (places[row["method"]], row["i_ratio"] or 0))
    return [queries.trial(row) for row in ordered]
