"""Figs. 8 and 12 as typed rows: measured, beside what the text says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.paper.claims import Answer
from api.paper.table2 import MethodScore, SeedScore, method_score
from api.reading.memo import memoise_by_rows
from api.reading.snapshot import Row
from api.web.formats import schema_of
from api.web.nonfinite import stored_fields
from sweep.paper.table2 import TABLE_II, MethodResult, table2
from sweep.paper.trends import COMPARED, Compensation, Trend, fig8, fig12
from sweep.store.nonfinite import finite


class OverI(BaseModel):
    """A method's best distance over i on a setting."""

    profile: str
    setting: str
    group: str
    method: str
    points: list[MethodScore] = Field(description="by i, every seed")
    beside: dict[str, MethodScore] = Field(description="SN and its control, which lift nothing")
    text: str | None = Field(description="what the paper says of the group")
    agrees: Answer = Field(description="whether the means do; `n` seeds at the least")


class Fig8(BaseModel):
    items: list[OverI]
    snapshot: str


class StaticDynamic(BaseModel):
    """Static against dynamic compensation on a setting, SN beside them."""

    profile: str
    setting: str
    methods: dict[str, MethodScore]
    text: Literal["static", "dynamic"] | None = Field(description="the better one of the paper")
    agrees: dict[str, Answer] = Field(description="by the reading of dynamic compensation")


class Fig12(BaseModel):
    items: list[StaticDynamic]
    snapshot: str


def all_over_i(rows: Iterable[Row]) -> list[OverI]:
    """Fig. 8 of the trials that have begun, by profile and setting in the order of the rows."""
    return [item for part in _by_setting(rows) for item in _over_i_in(part)]


def all_static_dynamic(rows: Iterable[Row]) -> list[StaticDynamic]:
    """Fig. 12 of the trials that have begun, in the order of Table II."""
    positions = {setting: position for position, setting in enumerate(TABLE_II)}
    parts = _by_setting(
        row for row in rows if row["setting"] in positions and row["method"] in COMPARED
    )
    parts.sort(key=lambda part: (positions[part[0]["setting"]], part[0]["profile"]))
    return [item for part in parts for item in _static_dynamic_in(part)]


def _by_setting(rows: Iterable[Row]) -> list[list[Row]]:
    parts: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["status"] != "planned":
            key = row["profile"], row["setting"], row["dataset"]
            parts.setdefault(key, []).append(row)
    return list(parts.values())


@memoise_by_rows(size=64)
def _over_i_in(rows: Sequence[Row]) -> list[OverI]:
    return [over_i(trend) for trend in fig8(rows)]


@memoise_by_rows(size=64)
def _static_dynamic_in(rows: Sequence[Row]) -> list[StaticDynamic]:
    return [
        static_dynamic(compensation) for compensation in fig12(table2(rows, lambda trial_id: ()))
    ]


def over_i(trend: Trend) -> OverI:
    return OverI(
        **_plain(trend, "profile", "setting", "group", "method", "text"),
        points=[method_score(point) for point in trend.points],
        beside=_scores(trend.beside),
        agrees=_answer(trend.agrees),
    )


def static_dynamic(compensation: Compensation) -> StaticDynamic:
    return StaticDynamic(
        **_plain(compensation, "profile", "setting", "text"),
        methods=_scores(compensation.methods),
        agrees={method: _answer(answer) for method, answer in compensation.agrees.items()},
    )


def _plain(value: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _scores(results: Mapping[str, MethodResult]) -> dict[str, MethodScore]:
    return {method: method_score(result) for method, result in results.items()}


def _answer(answer: Any) -> Answer:
    return Answer.model_validate(finite(dataclasses.asdict(answer)))


class SeedRow(BaseModel):
    """A row of the table: a trial."""

    profile: str
    setting: str
    method: str
    i_ratio: float | None
    score: str


SEED_SCHEMA = schema_of((SeedRow, set()), (SeedScore, {"nonfinite"}))


def over_i_rows(items: Iterable[OverI]) -> Iterator[dict[str, Any]]:
    """Rows of a table, one per trial, those that lift nothing after each method's own."""
    for item in items:
        yield from _seed_rows(item, [*item.points, *item.beside.values()])


def static_dynamic_rows(items: Iterable[StaticDynamic]) -> Iterator[dict[str, Any]]:
    """Rows of a table, one per trial."""
    for item in items:
        yield from _seed_rows(item, item.methods.values())


def _seed_rows(
    item: OverI | StaticDynamic, scores: Iterable[MethodScore]
) -> Iterator[dict[str, Any]]:
    for score in scores:
        score_fields = {
            "profile": item.profile,
            "setting": item.setting,
            "method": score.method,
            "i_ratio": score.i_ratio,
            "score": score.score,
        }
        yield from (score_fields | stored_fields(seed) for seed in score.seeds)
