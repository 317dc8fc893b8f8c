"""Responses about a trial's course: curves, spectra, D's outputs, samples."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from api.drawing.thinning import Bucket
from api.trials.models import Scores
from api.web.nonfinite import Nonfinite


class Evaluation(Scores):
    """What was measured at one iteration. Lists have one value per layer, layer_0 first."""

    iteration: int
    seconds: float | None
    d_loss: float | None = Field(description="with its penalty, mean since the one before")
    g_loss: float | None = Field(description="mean since the evaluation before")
    d_real: float | None = Field(description="mean D(x) on training images")
    d_fake: float | None = Field(description="mean D(x) on generated images")
    d_test: float | None = Field(description="mean D(x) on held-out images")
    gap: float | None = Field(description="d_real - d_fake")
    held_out_gap: float | None = Field(description="d_real - d_test")
    d_spread: float | None
    d_gradient: float | None = Field(description="mean |dD/dx| at generated images")
    d_penalty_ratio: float | None = Field(description="|penalty gradient| / |loss gradient|")
    g_penalty_ratio: float | None = Field(description="the same of G")
    spectrum_left: float | None = Field(description="mean sigma_2/sigma_1 of 3x3 layers")
    spectrum_low: float | None = Field(
        description="mean share of sigma/sigma_1 below 0.5, of 3x3 layers"
    )
    sigma1: list[float | None] | None
    sigma2_ratio: list[float | None] | None
    low_share: list[float | None] | None = Field(description="of sigma/sigma_1 below 0.5")
    mean_ratio: list[float | None] | None
    stable_rank: list[float | None] | None
    effective_rank: list[float | None] | None
    g_hessian: list[float | None] | None = Field(description="largest eigenvalues, where logged")
    g_hessian_residual: list[float | None] | None = Field(description="relative, of Lanczos")
    d_hessian: list[float | None] | None = Field(description="largest eigenvalues, where logged")
    d_hessian_residual: list[float | None] | None = Field(description="relative, of Lanczos")
    images_per_second: float | None = Field(description="real images through D")
    gpu_memory: int | None = Field(description="bytes, the highest so far")
    finite: bool | None
    own_values: dict[str, float | None] | None = Field(
        description="numbers under names of a loop's own"
    )


class Evaluations(BaseModel):
    trial_id: str
    items: list[Evaluation] = Field(description="oldest first")


class EvaluationRows(BaseModel):
    """The same with the asked columns alone."""

    trial_id: str
    items: list[dict[str, Any]] = Field(description="oldest first, `iteration` and the keys")


class EvaluationBuckets(BaseModel):
    """A curve in at most so many stretches of equal length."""

    trial_id: str
    buckets: list[Bucket] = Field(description="oldest first")


class Spectrum(BaseModel):
    iteration: int
    layer: int = Field(description="layer_0 .. layer_9 of the paper, .. layer_16 on ImageNet")
    singular_values: list[float | None] = Field(description="of W as D uses it, descending")
    indices: list[int] | None = Field(
        default=None, description="of the values that are given, from 0; null if all are"
    )
    stable_ranks: list[float | None] | None = Field(
        description="after each iteration since the evaluation before; null unless asked for"
    )


class Spectra(BaseModel):
    trial_id: str
    items: list[Spectrum]


class Histogram(BaseModel):
    """D's outputs on 512 fixed images, or its loss on each, in bins of equal width."""

    iteration: int
    images: str = Field(description="training, test or generated")
    quantity: str = Field(description="d: D(x); d_loss: D's loss without penalty")
    low: float | None = Field(description="lower edge of the first bin")
    high: float | None = Field(description="upper edge of the last bin")
    counts: list[int] = Field(description="images per bin")
    not_finite: int = Field(description="images in no bin: their value is not finite")
    nonfinite: Nonfinite = {}


class Outputs(BaseModel):
    trial_id: str
    items: list[Histogram] = Field(description="oldest first")


class Sample(BaseModel):
    iteration: int
    url: str


class Samples(BaseModel):
    trial_id: str
    items: list[Sample]
