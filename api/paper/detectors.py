"""The contest of the detectors over the stored runs, as typed rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from api.paper.courses import courses
from api.reading.snapshot import Row, Snapshot
from api.web.formats import schema_of
from sweep.paper import contest
from sweep.paper.detectors import DETECTORS, Run
from sweep.store.judgement import reasons_not_judged, standing_reason
from sweep.store.store import Store
from sweep.store.vocabulary import FINISHED

# Seeds from here on are for calibration, as those that the verdict's own thresholds come from.
FIRST_CALIBRATION_SEED = 100


class Lead(BaseModel):
    trial_id: str
    onset: int = Field(description="iteration at which mode collapse began")
    alarm: int | None = Field(description="iteration of the alarm; null without one")
    lead: int | None = Field(description="iterations of the alarm before the onset")


class Tally(BaseModel):
    method: str | None
    collapsed: int
    hits: int = Field(description="collapsed runs with an alarm")
    before: int = Field(description="hits before mode collapse began")
    healthy: int
    false_alarms: int


class Detector(BaseModel):
    """A detector on the runs of a profile, judged on the seeds that it was not calibrated on."""

    profile: str
    detector: str
    says: str
    circular: bool = Field(description="it looks at what the label is made of")
    judged: int = Field(description="runs that have what it needs, of both kinds of seeds")
    not_judged: dict[str, int] = Field(description="why other runs are not, and how many")
    calibration_collapsed: int
    calibration_healthy: int
    threshold: float | None
    total: Tally | None
    by_method: list[Tally]
    leads: list[Lead]
    median_lead: float | None
    area: float | None = Field(description="under the ROC, whole runs")
    interval: tuple[float, float] | None = Field(description="95 %, bootstrap over seeds")
    area_before: float | None = Field(
        description="the same of what was seen before mode collapse began, at matched times"
    )
    interval_before: tuple[float, float] | None
    seeds: list[int] = Field(description="that it was judged on")
    curve: list[tuple[float, float]] = Field(description="shares of false alarms and of hits")
    reasons: dict[str, str] = Field(description="why a number is null")


class Detectors(BaseModel):
    calibration_seeds: list[int]
    label: str
    patience: int
    burn_in: float
    items: list[Detector]
    snapshot: str


IDENTITY = ("trial_id", "setting", "method", "seed", "iterations")
LABEL = "mode collapse by quality (modes, or IS and FID), as stored with each trial"


def detectors_of(
    snapshot: Snapshot, store: Store, rows: Sequence[Row], calibration: Sequence[int] | None
) -> list[Detector]:
    """Judges each detector on each profile. Raises StoreError while the curves cannot be read."""
    by_profile: dict[str, list[Row]] = {}
    for row in rows:
        if row["status"] != "planned":
            by_profile.setdefault(row["profile"], []).append(row)
    return [
        detector
        for profile in sorted(by_profile)
        for detector in _of_profile(snapshot, store, profile, by_profile[profile], calibration)
    ]


def calibration_of(rows: Sequence[Row], calibration: Sequence[int] | None) -> list[int]:
    """The seeds asked for, or those of the rows from FIRST_CALIBRATION_SEED on."""
    if calibration is not None:
        return sorted(set(calibration))
    return sorted({row["seed"] for row in rows if row["seed"] >= FIRST_CALIBRATION_SEED})


def _of_profile(
    snapshot: Snapshot,
    store: Store,
    profile: str,
    rows: Sequence[Row],
    calibration: Sequence[int] | None,
) -> list[Detector]:
    reasons: dict[str, int] = {}
    labelled = []
    for row in rows:
        if (reason := why_not_labelled(row)) is None:
            labelled.append(row)
        else:
            reasons[reason] = reasons.get(reason, 0) + 1
    runs = [
        Run(
            **{
                name: row[name] for name in ("trial_id", "setting", "method", "seed", "iterations")
            },
            onset=row["mode_collapse_at"],
            alarms=course.alarms_of(),
        )
        for row, course in zip(labelled, courses(store, snapshot, labelled), strict=True)
    ]
    seeds = calibration_of(rows, calibration)
    return [_judged(profile, detector, runs, seeds, reasons) for detector in DETECTORS]


def _judged(
    profile: str,
    detector: Any,
    runs: Sequence[Run],
    seeds: Sequence[int],
    reasons: Mapping[str, int],
) -> Detector:
    judgement = dataclasses.asdict(contest.judged(detector, runs, seeds))
    unmeasured = sum(detector.name not in run.alarms for run in runs)
    missing = {f"no {detector.needs} stored": unmeasured} if unmeasured else {}
    return Detector(
        profile=profile,
        says=detector.says,
        circular=detector.circular,
        not_judged={**reasons, **missing},
        **judgement,
    )


def why_not_labelled(row: Row) -> str | None:
    """Reason why a run is neither collapsed nor healthy; None if it is one of them."""
    if row["status"] not in FINISHED:
        return "not finished"
    if row["parent"] is not None:
        return "branched off another run"
    if row["mode_collapse_at"] is not None:
        return None
    reason = standing_reason("mode_collapse_at", reasons_not_judged(row))
    if reason is not None:
        return f"mode collapse was not judged: {reason}"
    if row["dead_at"] is not None or row["diverged_at"] is not None:
        return "a dead discriminator or divergence, and no mode collapse"
    if row["final_modes"] is None and row["final_inception_score"] is None:
        return "no modes and no Inception score: mode collapse was not judged"
    return None


class DetectorRow(BaseModel):
    """A row of the table: a detector on a profile's runs, of all methods or of one."""

    profile: str
    detector: str
    threshold: float | None
    area: float | None
    low: float | None
    high: float | None
    area_before: float | None
    median_lead: float | None


DETECTOR_SCHEMA = schema_of((DetectorRow, set()), (Tally, set()))


def detector_rows(detectors: Sequence[Detector]) -> Iterator[dict[str, Any]]:
    """Rows of a table: per detector one of all methods, then one per method."""
    for one in detectors:
        low, high = one.interval or (None, None)
        fields = one.model_dump(include=set(DetectorRow.model_fields)) | {"low": low, "high": high}
        nothing = dict.fromkeys(Tally.model_fields)
        for tally in (one.total, *one.by_method):
            yield fields | (nothing if tally is None else tally.model_dump())
