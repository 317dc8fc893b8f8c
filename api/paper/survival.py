"""The share of runs that have not collapsed: Kaplan and Meier's estimate over iterations.

The event is mode collapse, at the iteration at which it began. Any other end censors: of the run,
healthy or not, or of what is known of one that still goes on. A run whose mode collapse was not
judged, as one too short or without scores, is left out and counted apart, for it would count as
one that did not collapse. A run that branched off another is at risk from its branch on. Bands are
Greenwood's, on the scale of log(-log), 95 %.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, Field

from api.reading.snapshot import Row
from api.web.formats import schema_of
from sweep.store.judgement import reasons_not_judged, standing_reason

# Of the standard normal distribution, two-sided 95 %.
Z = 1.959963984540054


class Step(BaseModel):
    """What is known after an iteration at which a run collapsed or was last seen."""

    iteration: int
    at_risk: int = Field(description="runs known not to have collapsed before it")
    events: int = Field(description="runs that collapsed at it")
    censored: int = Field(description="runs last seen at it, not collapsed")
    share: float = Field(description="estimated share of runs that have not collapsed")
    low: float | None = Field(description="95 %; null where nothing or all has collapsed")
    high: float | None


class Survival(BaseModel):
    """A method's runs; each counts from iteration 0 or from its branch."""

    profile: str
    method: str
    i_ratio: float | None
    trials: int = Field(description="whose mode collapse was judged, or may yet be")
    collapsed: int
    censored: int
    not_judged: int = Field(description="further trials, left out: their mode collapse was not")
    steps: list[Step]


class Survivals(BaseModel):
    items: list[Survival]
    snapshot: str


def survival(rows: Iterable[Row]) -> list[Survival]:
    """Survival by profile, method and i, of the trials on all images that have begun."""
    runs: dict[tuple[str, str, float | None], list[tuple[int, int, bool]]] = {}
    not_judged: Counter[tuple[str, str, float | None]] = Counter()
    for row in rows:
        begun = row["status"] != "planned" and row["iteration"] is not None
        if begun and row.get("data_share") is None:
            key = (row["profile"], row["method"], row["i_ratio"])
            own = runs.setdefault(key, [])
            if standing_reason("mode_collapse_at", reasons_not_judged(row)) is None:
                own.append(_run(row))
            else:
                not_judged[key] += 1
    ordered = sorted(runs, key=lambda key: (*key[:2], key[2] or 0.0))
    return [
        Survival(
            profile=key[0],
            method=key[1],
            i_ratio=key[2],
            trials=len(runs[key]),
            collapsed=sum(fell for *_, fell in runs[key]),
            censored=sum(not fell for *_, fell in runs[key]),
            not_judged=not_judged[key],
            steps=list(steps(runs[key])),
        )
        for key in ordered
    ]


def _run(row: Row) -> tuple[int, int, bool]:
    """Returns the first iteration at risk, the last, and whether it collapsed there.

    Nobody is at risk before it begins, whatever an odd row says of a branch.
    """
    start, collapsed_at = row["parent_iteration"] or 0, row["mode_collapse_at"]
    end = row["iteration"] if collapsed_at is None else collapsed_at
    return start, max(end, start), collapsed_at is not None


def steps(runs: Sequence[tuple[int, int, bool]]) -> Iterator[Step]:
    """Estimates after every end, from (first, last, collapsed) of each run."""
    share, variance = 1.0, 0.0
    ends = Counter(end for _, end, _ in runs)
    collapses = Counter(end for _, end, fell in runs if fell)
    for iteration in sorted(ends):
        at_risk = sum(
            start < iteration <= end or start == iteration == end for start, end, _ in runs
        )
        events = collapses[iteration]
        share *= 1 - events / at_risk
        surviving = at_risk - events
        variance += events / (at_risk * surviving) if surviving else 0.0
        low, high = band(share, variance)
        yield Step(
            iteration=iteration,
            at_risk=at_risk,
            events=events,
            censored=ends[iteration] - events,
            share=share,
            low=low,
            high=high,
        )


def band(share: float, variance: float) -> tuple[float | None, float | None]:
    """Band of a share; `variance` is Greenwood's sum: the share's variance over its square."""
    if not 0 < share < 1:
        return None, None
    width = Z * math.sqrt(variance) / math.log(share)
    return share ** math.exp(-width), share ** math.exp(width)


SURVIVAL_ONLY = {"steps", "trials", "collapsed", "censored", "not_judged"}
STEP_SCHEMA = schema_of((Survival, SURVIVAL_ONLY), (Step, set()))


def step_rows(items: Iterable[Survival]) -> Iterator[dict[str, Any]]:
    """Rows of a table, one per step."""
    for item in items:
        survival_fields = item.model_dump(exclude=SURVIVAL_ONLY)
        yield from (survival_fields | step.model_dump() for step in item.steps)
