"""Response models of `/sweeps`: what the service promises of sweeps."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.notes.queries import NoteItem
from api.web.expense import Expense
from api.web.nonfinite import Nonfinite


class Progress(BaseModel):
    """How much of a plan is done; a trial that ended early, by collapse or stop, is."""

    trials: int
    trials_ended: int
    iterations: int
    iterations_done: int
    share: float = Field(description="iterations done of planned, 0 to 1")


class TimeLeft(BaseModel):
    """Seconds until the planned and running trials are done, by the rates measured so far."""

    p10: float = Field(description="if trials run as fast as the fastest tenth did")
    p50: float
    p90: float = Field(description="if they run as slowly as the slowest tenth did")
    measured: int = Field(description="trials whose rate is known")


class Best(BaseModel):
    """The best score on a data set so far, before mode collapse: the lowest distance, or what a
    loop of its own declares."""

    dataset: str
    score: str
    value: float
    iteration: int
    trial_id: str
    setting: str
    method: str
    i_ratio: float | None
    seed: int


class RungStops(BaseModel):
    """A rung at which the sweep's search has stopped trials that were not among the best."""

    rung: int = Field(description="from 1")
    budget: int = Field(description="iterations at the rung")
    trials: int = Field(description="that it has stopped")


class Sweep(BaseModel):
    """A named list of planned trials and how it stands."""

    name: str
    state: Literal[
        "planned", "running", "stalled", "interrupted", "lost", "failed", "finished", "unknown"
    ]
    sentence: str = Field(description="the state in words")
    counts: dict[str, int] = Field(description="trials by status")
    progress: Progress
    eta_seconds: float | None = Field(description="as the driver estimates it, while it runs")
    time_left: TimeLeft | None = Field(
        description="while it runs, once three trials have been measured"
    )
    best: list[Best] = Field(description="by data set")
    rungs: list[RungStops] = Field(description="of successive halving, in a search that uses it")
    compute_hours: float = Field(
        description="that its trials took, one by one, whichever sweep ran them"
    )
    gpu_hours: float = Field(description="of whole GPUs: a trial with a quarter of one counts so")
    cpu_hours: float = Field(description="of threads, of the trials that ran without a GPU")
    expense: Expense | None = Field(description="null if no rate was given, or nothing has run")
    started_at: datetime | None
    heartbeat: datetime | None = Field(description="when the driver last wrote")
    updated_at: datetime | None = Field(description="when a trial last wrote")
    host: str | None
    attempt: str | None
    command: str | None
    slots: int | None
    tags: list[str] = Field(description="that notes have put on it")
    nonfinite: Nonfinite = {}


class SweepList(BaseModel):
    items: list[Sweep]
    snapshot: str


class SweepDetail(Sweep):
    trials: list[str] = Field(description="trial ids in the plan's order")
    notes: list[NoteItem] = Field(description="on the sweep itself, oldest first")
    snapshot: str


class Column(BaseModel):
    """A column of the matrix."""

    method: str
    i_ratio: float | None
    data_share: float | None = Field(description="of the training images; null for all")


class Seed(BaseModel):
    """A trial as a dot of the matrix."""

    seed: int
    trial_id: str
    status: str
    iteration: int | None
    iterations: int
    best: float | None
    mode_collapse_at: int | None
    spectral_collapse_at: int | None
    dead_at: int | None
    diverged_at: int | None
    nonfinite: Nonfinite = {}


class Cell(BaseModel):
    """The trials of a setting on a data set by a method; `mean` and `sd` are of finished ones."""

    profile: str
    setting: str
    dataset: str
    method: str
    i_ratio: float | None
    data_share: float | None = Field(description="of the training images; null for all")
    score: str
    n: int = Field(description="finished trials with a score")
    mean: float | None
    sd: float | None = Field(description="null for n < 2")
    seeds: list[Seed]
    nonfinite: Nonfinite = {}


class Matrix(BaseModel):
    sweep: str
    settings: list[str] = Field(description="rows, in Table I's order")
    columns: list[Column]
    cells: list[Cell] = Field(description="those that have a trial")
    snapshot: str
