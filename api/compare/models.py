"""Response models of `/compare`: what the service promises of trials side by side."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from api.notes.queries import NoteItem
from api.trials.differences import Difference
from api.trials.models import ScoresAt, Verdict


class DistanceAt(BaseModel):
    """A trial's distance, and by how much it is above the first trial's."""

    value: float | None = Field(description="FID or FD-digits, lower is better, or a loop's own")
    iteration: int | None
    above_first: float | None = Field(description="null for the first, and where scores differ")


class ComparedTrial(BaseModel):
    """One of the trials: how it ended, and its scores beside those of the first."""

    trial_id: str
    label: str = Field(description="short, and its own among the trials")
    profile: str
    setting: str
    method: str
    i_ratio: float | None
    seed: int
    status: str
    iteration: int | None = Field(description="G updates done")
    iterations: int = Field(description="G updates planned")
    verdict: Verdict
    score: str = Field(description="which score decides: a distance, or a loop's own")
    best: ScoresAt | None
    final: ScoresAt | None
    best_distance: DistanceAt
    final_distance: DistanceAt
    matched_distance: DistanceAt = Field(
        description="at the last iteration at which all that have begun were evaluated"
    )
    seconds: float | None
    tags: list[str] = Field(description="that notes have put on it")
    notes: list[NoteItem] = Field(description="on it, oldest first")


class Comparison(BaseModel):
    trials: list[ComparedTrial] = Field(description="in the order asked for")
    keys: list[Difference] = Field(description="that differ; with `all` every one")
    latent_vectors: str | None = Field(
        description="why samples are not of the same latent vectors; null if they are"
    )
    snapshot: str


class ComparedRows(BaseModel):
    """Stored rows of all trials, one trial after the other."""

    trials: list[str]
    items: list[dict[str, Any]]
