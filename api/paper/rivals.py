"""Methods against SN and its controls as typed rows: paired differences, findings, costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.paper.table2 import Pair, paired
from api.web.formats import schema_of
from api.web.nonfinite import Nonfinite
from sweep.paper.rivals import answer, finding, pair_of
from sweep.paper.table2 import BASELINES, SettingRow
from sweep.store.nonfinite import finite

Finding = Literal["better", "worse", "not resolved", "not enough"]


class Cost(BaseModel):
    """Cost of a method's trials on a setting."""

    time_ratio: float | None = Field(
        description="wall time per iteration, evaluations included, over SN's; median over seeds"
    )
    n: int = Field(description="seeds behind the ratio")
    gpu_hours: float | None = Field(description="of all trials together, of a whole GPU")
    cpu_hours: float | None = Field(description="of all trials together, of a thread")
    nonfinite: Nonfinite = {}


class Contrast(BaseModel):
    """A method minus a baseline on the seeds that have both, at matched iterations.

    In each pair `sn` is the baseline's distance.
    """

    finding: Finding = Field(
        description="not resolved: 0 is in the interval; not enough: below three pairs"
    )
    pair: Pair


class Rival(BaseModel):
    """A method on a setting: `minus` by baseline, where a seed has both."""

    profile: str
    setting: str
    method: str
    score: Literal["fd_digits", "fid", "fd_pictures"]
    minus: dict[str, Contrast]
    cost: Cost


class Rivals(BaseModel):
    baselines: list[str]
    answers: dict[str, str] = Field(description="SR in one sentence, by profile")
    items: list[Rival]
    snapshot: str


def rivals_of(rows: Sequence[SettingRow], profile: str | None = None) -> list[Rival]:
    """Every method that shares a seed with a baseline, in the order of Table II."""
    return [
        rival
        for row in rows
        for name, methods in row.measured.items()
        if profile in (None, name)
        for method in methods
        if (rival := _rival(row, name, method)).minus
    ]


def most_measured(rivals: Sequence[Rival]) -> str | None:
    """The setting with most pairs, the first of Table II's among equals; None without one."""
    pairs: dict[str, int] = {}
    for rival in rivals:
        count = sum(contrast.pair.n for contrast in rival.minus.values())
        pairs[rival.setting] = pairs.get(rival.setting, 0) + count
    return max(pairs, key=pairs.__getitem__, default=None)


def _rival(row: SettingRow, profile: str, method: str) -> Rival:
    pairs = {name: pair_of(row, profile, method, name) for name in BASELINES}
    return Rival(
        profile=profile,
        setting=row.setting,
        method=method,
        score=row.measured[profile][method].score,  # pyright: ignore[reportArgumentType] - one of both
        minus={
            name: Contrast(finding=finding(pair), pair=paired(pair))  # pyright: ignore[reportArgumentType] - one of the four
            for name, pair in pairs.items()
            if pair is not None
        },
        cost=Cost.model_validate(finite(dataclasses.asdict(row.costs[profile][method]))),
    )


def answers_of(rows: Sequence[SettingRow]) -> dict[str, str]:
    """The answer of each profile that has one."""
    profiles = sorted({profile for row in rows for profile in row.measured})
    sentences = {profile: answer(rows, profile) for profile in profiles}
    return {profile: text for profile, text in sentences.items() if text is not None}


class RivalRow(BaseModel):
    """A row of the table: a method minus a baseline on a setting."""

    profile: str
    setting: str
    method: str
    score: str
    baseline: str
    finding: str
    n: int
    mean: float | None
    low: float | None
    high: float | None
    seeds: list[int]
    differences: list[float | None]
    time_ratio: float | None
    gpu_hours: float | None
    cpu_hours: float | None


RIVAL_SCHEMA = schema_of((RivalRow, set()))


def rival_rows(rivals: Sequence[Rival]) -> Iterator[dict[str, Any]]:
    for rival in rivals:
        for baseline, contrast in rival.minus.items():
            pair = contrast.pair
            low, high = pair.interval or (None, None)
            yield {
                **rival.model_dump(include={"profile", "setting", "method", "score"}),
                "baseline": baseline,
                "finding": contrast.finding,
                "n": pair.n,
                # A mean of two is more than the two values say.
                "mean": None if pair.interval is None else pair.mean,
                "low": low,
                "high": high,
                "seeds": [seed.seed for seed in pair.seeds],
                "differences": [seed.difference for seed in pair.seeds],
                **rival.cost.model_dump(include={"time_ratio", "gpu_hours", "cpu_hours"}),
            }
