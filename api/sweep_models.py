"""What the service promises of sweeps: the responses of `/sweeps`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.models import Nonfinite


class Progress(BaseModel):
    """How much of a plan is done; a trial that ended early, by collapse or stop, is."""

    trials: int
    trials_ended: int
    iterations: int
    iterations_done: int
    share: float = Field(description="iterations done of planned, 0 to 1")


class Sweep(BaseModel):
    """A named list of planned trials and how it stands."""

    name: str
    state: Literal["planned", "running", "stalled", "interrupted", "failed", "finished", "unknown"]
    sentence: str = Field(description="the state in words")
    counts: dict[str, int] = Field(description="trials by status")
    progress: Progress
    eta_seconds: float | None = Field(description="as the driver estimates it, while it runs")
    started_at: datetime | None
    heartbeat: datetime | None = Field(description="when the driver last wrote")
    updated_at: datetime | None = Field(description="when a trial last wrote")
    host: str | None
    attempt: str | None
    command: str | None
    slots: int | None
    nonfinite: Nonfinite = {}


class SweepList(BaseModel):
    items: list[Sweep]
    snapshot: str


class SweepDetail(Sweep):
    trials: list[str] = Field(description="trial ids in the plan's order")
    snapshot: str
