"""Table II, published and measured, as typed rows."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from api.nonfinite import finite
from api.snapshot import Row, Snapshot
from api.table2_models import (
    MethodScore,
    Pair,
    PairedSeed,
    PublishedRow,
    SeedScore,
    SettingScores,
)
from sweep.pairs import PairedDifference
from sweep.paper import MethodResult, SettingRow, table2

Curves = Callable[[str], Sequence[Row]]
M = TypeVar("M", bound=BaseModel)


# A snapshot is one object until the store changes, so this is worked out once for each.
@functools.lru_cache(maxsize=2)
def table_rows(snapshot: Snapshot, curves: Curves) -> Sequence[SettingRow]:
    """Table II, published and measured: every row of the paper's, in its order."""
    return table2([r for r in snapshot.records.values() if r["status"] != "planned"], curves)


@functools.lru_cache(maxsize=2)
def setting_scores(snapshot: Snapshot, curves: Curves) -> Sequence[SettingScores]:
    """The same as the service promises it."""
    return [
        SettingScores(
            setting=row.setting,
            published=PublishedRow.model_validate(dataclasses.asdict(row.published)),
            measured=_nested(row.measured, method_score),
            pairs=_nested(row.pairs, _pair),
        )
        for row in table_rows(snapshot, curves)
    ]


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
