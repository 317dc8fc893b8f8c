"""The contest of the detectors: lead times, hits, false alarms and ROC of each, over stored runs.

Thresholds are tuned on the calibration seeds and judged on the others. Standard library only.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sweep.paper import roc
from sweep.paper.detectors import Detector, Run, alarm_at, highest, tuned

# Methods that hold the spectrum up by force: no sigma rule can see their modes collapse.
COUNTER_CASES = ("sr-iso", "sr-floor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A collapsed run's alarm: `lead` is in iterations before mode collapse began, below 0 after
    it, None without an alarm."""

    trial_id: str
    onset: int
    alarm: int | None
    lead: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts at the threshold: `before` of the hits were raised before mode collapse began."""

    method: str | None
    collapsed: int
    hits: int
    before: int
    healthy: int
    false_alarms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A detector on the runs of the other seeds; `reasons` says why a number is None.

    `area` is over whole runs, `area_before` over what was seen before mode collapse began, each
    collapsed run beside the healthy ones until the same share of the run.
    """

    detector: str
    judged: int
    calibration_collapsed: int
    calibration_healthy: int
    threshold: float | None
    total: Tally | None
    by_method: list[Tally]
    leads: list[Lead]
    median_lead: float | None
    area: float | None
    interval: tuple[float, float] | None
    area_before: float | None
    interval_before: tuple[float, float] | None
    seeds: list[int]
    curve: list[tuple[float, float]]
    reasons: dict[str, str]


def judged(detector: Detector, runs: Sequence[Run], calibration: Collection[int]) -> Judgement:
    """The judgement of a detector on the runs that have its levels."""
    name = detector.name
    with_levels = [run for run in runs if name in run.alarms]
    tuning = [run for run in with_levels if run.seed in calibration]
    held_out = [run for run in with_levels if run.seed not in calibration]
    ill, well = _parts(tuning)
    threshold = tuned((highest(r, name) for r in ill), (highest(r, name) for r in well))
    reasons: dict[str, str] = {}
    if threshold is None:
        reasons["threshold"] = _missing(ill, well, f"calibration seeds ({_seeds(calibration)})")
    collapsed, healthy = _parts(held_out)
    pairs = before = None
    if collapsed and healthy:
        pairs = _pairs(name, collapsed, healthy, early=False)
        before = _pairs(name, collapsed, healthy, early=True)
    else:
        reasons["area"] = _missing(collapsed, healthy, "other seeds")
    area_interval = None if pairs is None else roc.interval(pairs)
    if pairs is not None and area_interval is None:
        reasons["interval"] = _no_interval(held_out, roc.area(pairs))
    leads = [] if threshold is None else [_lead(run, name, threshold) for run in collapsed]
    lead_values = [lead.lead for lead in leads if lead.lead is not None]
    return Judgement(
        detector=name,
        judged=len(with_levels),
        calibration_collapsed=len(ill),
        calibration_healthy=len(well),
        threshold=threshold,
        total=None if threshold is None else _tally(held_out, name, threshold, None),
        by_method=[]
        if threshold is None
        else [
            _tally(held_out, name, threshold, method)
            for method in sorted({run.method for run in held_out})
        ],
        leads=leads,
        median_lead=statistics.median(lead_values) if lead_values else None,
        area=None if pairs is None else roc.area(pairs),
        interval=area_interval,
        area_before=None if before is None else roc.area(before),
        interval_before=None if before is None else roc.interval(before),
        seeds=sorted({run.seed for run in held_out}),
        curve=roc.curve([highest(r, name) for r in collapsed], [highest(r, name) for r in healthy])
        if pairs is not None
        else [],
        reasons=reasons,
    )


def _parts(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """The collapsed ones and the healthy ones."""
    return [r for r in runs if r.onset is not None], [r for r in runs if r.onset is None]


def _seeds(seeds: Collection[int]) -> str:
    return ", ".join(map(str, sorted(seeds))) or "none"


def _missing(collapsed: Sequence[Run], healthy: Sequence[Run], group: str) -> str:
    parts = {"collapsed": collapsed, "healthy": healthy}
    names = " and no ".join(name for name, runs in parts.items() if not runs)
    return f"no {names} run of the {group}" if names else "no run has a level"


def _no_interval(runs: Sequence[Run], value: float | None) -> str:
    seeds = len({run.seed for run in runs})
    if seeds < roc.FEWEST_SEEDS:
        return f"an interval needs {roc.FEWEST_SEEDS} seeds, there are {seeds}"
    if value in (0.0, 1.0):
        return f"the runs of {seeds} seeds do not overlap: a bootstrap cannot say how nearly"
    return "too few bootstraps have both kinds of runs"


def _pairs(
    name: str, collapsed: Sequence[Run], healthy: Sequence[Run], *, early: bool
) -> roc.Concordance:
    """Pairs of a collapsed and a healthy run, both whole, or until the collapse began."""
    horizons = {run.trial_id: _share_of_onset(run) if early else math.inf for run in collapsed}
    ill: dict[int, list[tuple[float, float]]] = {}
    for run in collapsed:
        horizon = horizons[run.trial_id]
        ill.setdefault(run.seed, []).append((highest(run, name, horizon), horizon))
    well: dict[float, dict[int, list[float]]] = {}
    for horizon in set(horizons.values()):
        by_seed = well.setdefault(horizon, {})
        for run in healthy:
            by_seed.setdefault(run.seed, []).append(highest(run, name, horizon))
    return roc.concordance(ill, well)


def _share_of_onset(run: Run) -> float:
    """The share of the run after which its modes had begun to collapse, itself left out."""
    assert run.onset is not None
    return (run.onset - 0.5) / max(1, run.iterations)


def _lead(run: Run, name: str, threshold: float) -> Lead:
    assert run.onset is not None
    alarm = alarm_at(run, name, threshold)
    return Lead(
        trial_id=run.trial_id,
        onset=run.onset,
        alarm=alarm,
        lead=None if alarm is None else run.onset - alarm,
    )


def _tally(runs: Sequence[Run], name: str, threshold: float, method: str | None) -> Tally:
    selection = [run for run in runs if method in (None, run.method)]
    collapsed, healthy = _parts(selection)
    leads = [_lead(run, name, threshold) for run in collapsed]
    return Tally(
        method=method,
        collapsed=len(collapsed),
        hits=sum(lead.alarm is not None for lead in leads),
        before=sum(lead.lead is not None and lead.lead > 0 for lead in leads),
        healthy=len(healthy),
        false_alarms=sum(alarm_at(run, name, threshold) is not None for run in healthy),
    )
