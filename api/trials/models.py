"""Responses about trials, as the service promises them.

A number that is not finite is null, and `nonfinite` says by field which it was.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.notes.queries import NoteItem
from api.web.expense import Expense
from api.web.nonfinite import Nonfinite


class AveragedScores(BaseModel):
    """Scores of the moving average of G's weights, each taken as that of G without `ema_`."""

    ema_inception_score: float | None = Field(description="higher is better")
    ema_inception_score_std: float | None = Field(description="over the protocol's splits")
    ema_fid: float | None = Field(description="lower is better")
    ema_kid_mean: float | None = Field(description="over subsets, lower is better")
    ema_kid_std: float | None = Field(description="over the same subsets")
    ema_precision: float | None = Field(description="0 to 1, samples among real images")
    ema_recall: float | None = Field(description="0 to 1, real images among samples")
    ema_modes: int | None = Field(description="among valid samples; of 1000 for digits")
    ema_reverse_kl: float | None = Field(description="nats")
    ema_valid_share: float | None = Field(description="0 to 1")
    ema_fd_digits: float | None = Field(description="not an FID; lower is better")
    ema_fd_pictures: float | None = Field(description="not an FID; lower is better")
    ema_density: float | None = Field(description="1 is as among real pictures")
    ema_coverage: float | None = Field(description="0 to 1, real pictures near a sample")
    ema_joint_class_score: float | None = Field(description="1 to 1000, higher is better")
    ema_modes_ungated: int | None = Field(description="of 1000, over all samples")
    ema_reverse_kl_ungated: float | None = Field(description="nats, over all samples")
    ema_mode_distance: float | None = Field(description="0 to 1, from one share per mode; points")


class Scores(AveragedScores):
    """Scores of one evaluation; null where a score is not measured in the profile."""

    n_samples: int | None = Field(description="generated images behind the scores")
    reference_weights: bool | None = Field(
        description="of Inception scores: the reference network"
    )
    inception_score: float | None = Field(description="higher is better")
    inception_score_std: float | None = Field(description="over the protocol's splits")
    fid: float | None = Field(description="lower is better")
    kid_mean: float | None = Field(description="over subsets, lower is better")
    kid_std: float | None = Field(description="over the same subsets")
    precision: float | None = Field(description="0 to 1, samples among real images")
    recall: float | None = Field(description="0 to 1, real images among samples")
    modes: int | None = Field(description="if valid: of 1000 for digits, of 50 for own pictures")
    reverse_kl: float | None = Field(description="nats")
    valid_share: float | None = Field(description="0 to 1")
    fd_digits: float | None = Field(description="not an FID; lower is better")
    fd_pictures: float | None = Field(description="own pictures; not an FID; lower is better")
    density: float | None = Field(description="own pictures; 1 is as among real ones")
    coverage: float | None = Field(description="0 to 1, real pictures near a sample")
    joint_class_score: float | None = Field(description="1 to 1000, higher is better")
    modes_ungated: int | None = Field(description="of 1000, over all samples")
    reverse_kl_ungated: float | None = Field(description="nats, over all samples")
    mode_distance: float | None = Field(description="0 to 1, from one share per mode; points")
    equilibrium_distance: float | None = Field(description="of the affine problem")
    own_score: float | None = Field(description="of a loop of its own: what `score` names")
    nonfinite: Nonfinite = {}


class ScoresAt(Scores):
    """Scores and the iteration that they belong to."""

    iteration: int


class Trial(BaseModel):
    """One training run: what it is, how it stands, what was seen."""

    trial_id: str
    profile: str
    setting: str = Field(description="row of Table I, or U_<batch>-<channels>, or own words")
    group: str
    setting_batch_size: int | None = Field(description="in the paper's sizes; null if own")
    setting_channels: int | None = Field(description="in the paper's sizes; null if own")
    batch_size: int | None = Field(description="real images per D update, as run")
    micro_batch: int | None
    channels: int | None = Field(description="width of D, as run")
    dataset: str
    method: str
    form: str | None = Field(description="project or reparam; null where no spectrum is set")
    i_ratio: float | None = Field(description="share of singular values lifted")
    data_share: float | None = Field(description="of the training images; null for all")
    seed: int
    precision: str | None = Field(description="of convolutions and matrix products")
    parent: str | None = Field(description="trial that it branched off")
    parent_iteration: int | None = Field(description="iteration at which it branched off")
    status: str = Field(description="planned, running, completed, collapsed, failed, stopped")
    stop_reason: str | None
    rung: int | None = Field(description="of successive halving that stopped it, from 1")
    rung_budget: int | None = Field(description="iterations at that rung")
    mode_collapse_at: int | None = Field(description="iteration at which it began")
    spectral_collapse_at: int | None = Field(description="iteration at which it began")
    dead_at: int | None
    diverged_at: int | None
    healthy: bool | None = Field(description="all judged, none seen; null if not all were judged")
    not_judged: dict[str, str] | None = Field(
        description="why a signal was not judged; null if that is not recorded"
    )
    iteration: int | None = Field(description="G updates done")
    iterations: int = Field(description="G updates planned")
    score: str | None = Field(description="decides what is best; null: FID, or FD-digits")
    score_direction: str | None = Field(description="of it lower or higher is better; null: lower")
    layer_names: list[str] | None = Field(description="of D; null: as the paper counts them")
    best: ScoresAt | None = Field(description="of the lowest distance before mode collapse")
    final: ScoresAt | None = Field(description="the last, at the full sample count")
    first_spectrum_left: float | None = Field(description="mean sigma_2/sigma_1 of 3x3 layers")
    final_spectrum_left: float | None
    objective: float | None = Field(description="what a search minimises")
    protocol: dict[str, Any] | None = Field(description="extractor, weights hash, sample counts")
    seconds: float | None
    started_at: datetime | None
    updated_at: datetime | None
    tags: list[str] = Field([], description="that notes have put on it")
    nonfinite: Nonfinite = {}


class TrialPage(BaseModel):
    """A page of trials."""

    items: list[Trial]
    next_cursor: str | None = Field(description="null on the last page")
    snapshot: str = Field(description="changes if and only if the store's content changed")


class TrialRows(BaseModel):
    """A page of trials of which only the asked columns are given, under their stored names."""

    items: list[dict[str, Any]] = Field(description="`nonfinite` says what is null for that")
    next_cursor: str | None = Field(description="null on the last page")
    snapshot: str = Field(description="changes if and only if the store's content changed")


class Signal(BaseModel):
    """A collapse that was seen."""

    name: Literal["mode_collapse", "spectral_collapse", "dead", "diverged"]
    at: int = Field(description="iteration at which it began")
    rule: str | None = Field(description="what said so")


class Verdict(BaseModel):
    sentence: str = Field(description="what was seen and, of two collapses, which came first")
    healthy: bool | None = Field(
        description="every signal was judged, and none seen so far; null if some were not judged"
    )
    signals: list[Signal] = Field(description="earliest first")


class Relative(BaseModel):
    """A trial that this one branched off, or that branched off it."""

    trial_id: str
    method: str
    i_ratio: float | None
    at: int | None = Field(description="iteration of the branch")
    status: str


class TrialDetail(Trial):
    """A trial and everything that is stored beside its scores."""

    sweeps: list[str] = Field(description="sweeps whose plan has the trial")
    notes: list[NoteItem] = Field(description="on it, oldest first")
    verdict: Verdict
    ancestors: list[Relative] = Field(description="what it branched off, the parent first")
    children: list[Relative] = Field(description="what branched off it")
    lifted_counts: list[int] | None = Field(
        description="i of static compensation, per layer of D; null without, or in older rows"
    )
    config: dict[str, Any] | None = Field(description="everything that can change a number")
    thresholds: dict[str, Any] | None = Field(description="collapse thresholds in force")
    verdict_rules: dict[str, Any] | None = Field(description="the rule behind each collapse")
    software: dict[str, Any] | None
    host: str | None
    attempt: str | None
    traceback: str | None
    failures: int | None = Field(description="how often it has failed")
    cpus: float | None = Field(description="that it had, where it last ran")
    gpus: float | None = Field(description="that it had there, a share of one below 1")
    gpu_hours: float | None = Field(description="of whole GPUs; null of a trial on CPUs")
    expense: Expense | None = Field(description="null if no rate was given, or nothing has run")
    snapshot: str
