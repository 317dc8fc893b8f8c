"""What the service promises of Table II: the responses of `/table2`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from api.web.nonfinite import Nonfinite


class PublishedRow(BaseModel):
    """A row of Table II as printed; `sd` is the paper's +-, which is not over seeds."""

    sn_is: float
    sn_is_sd: float
    sr_is: float
    sr_is_sd: float
    sn_fid: float
    sn_fid_sd: float
    sr_fid: float
    sr_fid_sd: float
    mode_collapse: bool = Field(description="of SN")
    spectral_collapse: bool = Field(description="of SN")


class SeedScore(BaseModel):
    seed: int
    trial_id: str
    status: str
    best: float | None
    best_iteration: int | None
    final: float | None
    modes: int | None
    spectrum_left: float | None
    mode_collapse_at: int | None
    spectral_collapse_at: int | None
    dead_at: int | None
    diverged_at: int | None
    nonfinite: Nonfinite = {}


class MethodScore(BaseModel):
    """A method on a setting: every seed, and mean and sd of the best scores."""

    method: str
    i_ratio: float | None
    n: int
    seeds: list[SeedScore]
    score: Literal["fd_digits", "fid"]
    mean: float | None
    sd: float | None = Field(description="over seeds; null for n < 2")
    comparable: bool = Field(description="with the published row")
    reasons: list[str] = Field(description="why it is not")
    nonfinite: Nonfinite = {}


class PairedSeed(BaseModel):
    seed: int
    iteration: int | None
    sn: float | None
    other: float | None
    difference: float | None
    best_difference: float | None = Field(description="of the best scores")
    nonfinite: Nonfinite = {}


class Pair(BaseModel):
    """A method minus SN on the seeds that have both, at matched iterations."""

    n: int
    seeds: list[PairedSeed]
    mean: float | None
    interval: tuple[float | None, float | None] | None = Field(
        description="95 % paired t; null for n < 3"
    )
    best_mean: float | None = Field(description="the same of the best scores before collapse")
    best_interval: tuple[float | None, float | None] | None
    nonfinite: Nonfinite = {}


class SettingScores(BaseModel):
    setting: str
    published: PublishedRow
    measured: dict[str, dict[str, MethodScore]] = Field(description="by profile, then method")
    pairs: dict[str, dict[str, Pair]] = Field(description="by profile, then method")


class Table2(BaseModel):
    items: list[SettingScores]
    snapshot: str
