"""Headline of the paper page: a profile's collapses, and who is better seed by seed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from api.drawing.look import in_order
from api.paper.table2 import MethodScore, Pair, SettingScores
from sweep.paper.claims import CONTROLS
from sweep.store.judgement import is_judged
from sweep.store.vocabulary import FINISHED

# Methods of the headline: SN, the controls that the paper lacks, and what it calls SR.
HEADLINE_METHODS = ("sn", *CONTROLS, "sr-static", "sr-dynamic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapses:
    """A method's finished runs of Table II's configurations whose mode collapse was judged, and
    in how many of them modes collapsed."""

    method: str
    runs: int
    fell: int
    settings: int
    settings_fell: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A method against SN, seed by seed at the last iteration that both have.

    `middle` is the median over the pairs of the change of the distance, in percent.
    """

    method: str
    pairs: int
    better: int
    middle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything that the head of the page says."""

    settings: int
    runs: int
    finished: int
    seeds: int
    score: str
    comparable: int
    collapses: Sequence[Collapses]
    gains: Sequence[Gain]


def standing(rows: Sequence[SettingScores], profile: str) -> Standing:
    measured = {row.setting: row.measured[profile] for row in rows if row.measured.get(profile)}
    cells = [cell for by in measured.values() for cell in by.values()]
    runs = [seed for cell in cells for seed in cell.seeds]
    methods = [m for m in in_order(cell.method for cell in cells) if m in HEADLINE_METHODS]
    pairs = [(method, pair) for row in rows for method, pair in row.pairs.get(profile, {}).items()]
    gains = [_gain(m, [pair for method, pair in pairs if method == m]) for m in methods]
    return Standing(
        settings=len(measured),
        runs=len(runs),
        finished=sum(seed.status in FINISHED for seed in runs),
        seeds=len({seed.seed for seed in runs}),
        score=cells[0].score if cells else "fid",
        comparable=sum(cell.comparable for cell in cells),
        collapses=[_collapses(m, [cell for cell in cells if cell.method == m]) for m in methods],
        gains=[gain for gain in gains if gain is not None],
    )


def _collapses(method: str, cells: Sequence[MethodScore]) -> Collapses:
    finished = [
        [
            seed
            for seed in cell.seeds
            if seed.status in FINISHED and is_judged("mode_collapse_at", seed.not_judged)
        ]
        for cell in cells
    ]
    finished = [seeds for seeds in finished if seeds]
    collapsed = [[s for s in seeds if s.mode_collapse_at is not None] for seeds in finished]
    return Collapses(
        method=method,
        runs=sum(map(len, finished)),
        fell=sum(map(len, collapsed)),
        settings=len(finished),
        settings_fell=sum(map(bool, collapsed)),
    )


def _gain(method: str, pairs: Sequence[Pair]) -> Gain | None:
    """None without a pair that can be divided."""
    changes = [
        100 * seed.difference / seed.sn
        for pair in pairs
        for seed in pair.seeds
        if seed.difference is not None and seed.sn
    ]
    if not changes:
        return None
    return Gain(
        method=method,
        pairs=len(changes),
        better=sum(change < 0 for change in changes),
        middle=statistics.median(changes),
    )
