"""Table II, published and measured, as typed rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from api.reading.memo import of_rows, once
from api.reading.snapshot import Row, Snapshot
from api.table2_models import (
    MethodScore,
    Pair,
    PairedSeed,
    PublishedRow,
    SeedScore,
    SettingScores,
)
from api.web.nonfinite import finite
from sweep.paper.pairs import PairedDifference
from sweep.paper.table2 import TABLE_II, MethodResult, SettingRow, table2

Curves = Callable[[str], Sequence[Row]]
M = TypeVar("M", bound=BaseModel)


@once(size=2)
def table_rows(snapshot: Snapshot, curves: Curves) -> Sequence[SettingRow]:
    """Table II, published and measured: every row of the paper's, in its order."""
    return [row for row, _ in _table(snapshot, curves)]


@once(size=2)
def setting_scores(snapshot: Snapshot, curves: Curves) -> Sequence[SettingScores]:
    """The same as the service promises it."""
    return [scores for _, scores in _table(snapshot, curves)]


def _table(snapshot: Snapshot, curves: Curves) -> list[tuple[SettingRow, SettingScores]]:
    begun: dict[str, list[Row]] = {setting: [] for setting in TABLE_II}
    for row in snapshot.records.values():
        if row["status"] != "planned" and row["setting"] in begun:
            begun[row["setting"]].append(row)
    return [_row(rows, setting, curves) for setting, rows in begun.items()]


# A row of the table follows from the trials of its setting alone.
@of_rows(size=2 * len(TABLE_II))
def _row(rows: Sequence[Row], setting: str, curves: Curves) -> tuple[SettingRow, SettingScores]:
    (row,) = (row for row in table2(rows, curves) if row.setting == setting)
    return row, SettingScores(
        setting=row.setting,
        published=PublishedRow.model_validate(dataclasses.asdict(row.published)),
        measured=_nested(row.measured, method_score),
        pairs=_nested(row.pairs, _pair),
    )


def _nested(
    by_profile: Mapping[str, Mapping[str, Any]], convert: Callable[[Any], M]
) -> dict[str, dict[str, M]]:
    return {
        profile: {method: convert(value) for method, value in methods.items()}
        for profile, methods in by_profile.items()
    }


def method_score(result: MethodResult) -> MethodScore:
    fields = dataclasses.asdict(result)
    seeds = [SeedScore.model_validate(finite(seed)) for seed in fields.pop("seeds")]
    return MethodScore.model_validate(finite(fields) | {"seeds": seeds})


def _pair(result: PairedDifference) -> Pair:
    fields = dataclasses.asdict(result)
    seeds = [PairedSeed.model_validate(finite(seed)) for seed in fields.pop("seeds")]
    return Pair.model_validate(finite(fields) | {"seeds": seeds})


FLAT_COLUMNS = (
    "profile", "method", "i_ratio", "n", "score", "mean", "sd", "comparable", "not_comparable",
    "seeds", "best", "mode_collapse_at", "spectral_collapse_at",
)  # fmt: skip


def flat(row: SettingScores) -> list[dict[str, Any]]:
    """A row of Table II as lines of a table: one per profile and method, at least one."""
    published = {f"published_{k}": v for k, v in row.published.model_dump().items()}
    lines = [
        {
            "profile": profile,
            **score.model_dump(exclude={"seeds", "nonfinite", "reasons"}),
            "not_comparable": "; ".join(score.reasons),
            "seeds": [seed.seed for seed in score.seeds],
            "best": [seed.best for seed in score.seeds],
            "mode_collapse_at": [seed.mode_collapse_at for seed in score.seeds],
            "spectral_collapse_at": [seed.spectral_collapse_at for seed in score.seeds],
        }
        for profile, methods in row.measured.items()
        for score in methods.values()
    ]
    empty = dict.fromkeys(FLAT_COLUMNS)
    return [{"setting": row.setting, **published, **empty, **line} for line in lines or [{}]]
