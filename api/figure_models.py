"""What the service promises of the paper's figures: the responses of `/fig/{number}`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from api.trials.series import Histogram
from api.web.nonfinite import Nonfinite


class SpectrumAt(BaseModel):
    """A layer's spectrum at an iteration, and the scores of the same evaluation."""

    iteration: int
    layer: int
    distance: float | None = Field(description="FID or FD-digits, as the trial's `score` says")
    inception_score: float | None
    modes: int | None
    indices: list[int] = Field(description="of the singular values that are given, from 0")
    singular_values: list[float | None] = Field(description="of W as D uses it, descending")
    nonfinite: Nonfinite = {}


class HistogramAt(Histogram):
    """D's outputs at an iteration."""


class FigureTrial(BaseModel):
    """A trial's part of a figure: spectra, or histograms in Figs. 9 to 11."""

    trial_id: str
    profile: str
    setting: str
    method: str
    i_ratio: float | None
    seed: int
    status: str
    parent: str | None
    parent_iteration: int | None
    mode_collapse_at: int | None
    spectral_collapse_at: int | None
    dead_at: int | None
    diverged_at: int | None
    score: Literal["fd_digits", "fid"]
    verdict: str = Field(description="in a sentence; of two collapses, which came first")
    spectra: list[SpectrumAt]
    histograms: list[HistogramAt]


class FigureData(BaseModel):
    """What was measured of what a figure of the paper shows; its own points are not given."""

    figure: int
    shows: str
    profile: str
    settings: list[str] = Field(description="asked for")
    trials: list[FigureTrial]
    missing: dict[str, str] = Field(description="why a setting or a trial is not there")
    snapshot: str
