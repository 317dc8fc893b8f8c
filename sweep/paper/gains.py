"""Gains of a method over SN, on the settings that have both. Standard library only.

A gain is relative to SN, in percent: of a score where higher is better other / SN - 1, of a
distance 1 - other / SN. An average is over settings, each counting once.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sweep.paper.answers import NOT_COMPARABLE, Answer, not_measured, verdict
from sweep.paper.contingency import sr_of
from sweep.paper.scores import SCORE_TITLES
from sweep.paper.table2 import MethodResult, SettingRow

# The paper prints one decimal, and cuts where it should round: 44.995 % is its 44.9 %.
PRINTED = 0.1
UNKNOWN = "no setting has this score of both methods"


@dataclass(frozen=True, slots=True)
class Means:
    """A setting's mean score under SN and under the other method."""

    sn: float
    other: float
    score: str
    comparable: bool

    @property
    def gain(self) -> float:
        if self.score == "IS":
            return 100 * (self.other / self.sn - 1)
        return 100 * (1 - self.other / self.sn)


# The name of a method's score on a setting, and its mean over the seeds.
Measure = Callable[[MethodResult], tuple[str, float | None]]


def distance(result: MethodResult) -> tuple[str, float | None]:
    """The best FID, or FD-digits."""
    return SCORE_TITLES[result.score], result.mean


def inception_score(scores: Mapping[str, float | None]) -> Measure:
    """The Inception score at the best evaluation, from those of the trials by id."""

    def mean(result: MethodResult) -> tuple[str, float | None]:
        seed_scores = [scores.get(seed.trial_id) for seed in result.seeds if seed.best is not None]
        measured = [score for score in seed_scores if score is not None]
        return "IS", statistics.fmean(measured) if measured else None

    return mean


def means_of(
    rows: Sequence[SettingRow], profile: str, method: str | None, measure: Measure
) -> dict[str, Means]:
    """Means by setting, where SN and the method (None: SR) both have the score.

    To an SN of 0 nothing is relative: such a setting is left out.
    """
    means = {}
    for row in rows:
        methods = row.measured.get(profile, {})
        sn, result = methods.get("sn"), methods.get(method or sr_of(row, profile))
        if sn is None or result is None:
            continue
        (score, a), (_, b) = measure(sn), measure(result)
        if a and b is not None:
            means[row.setting] = Means(a, b, score, sn.comparable and result.comparable)
    return means


def average(means: Mapping[str, Means], claimed: float) -> Answer:
    """Tells whether the mean gain is at least the claimed one, where it is comparable."""
    if not means:
        return not_measured(UNKNOWN)
    gains = [pair.gain for pair in means.values()]
    mean = statistics.fmean(gains)
    sentence = (
        f"mean gain in {_scores(means)}: {mean:.2f} % (settings: {len(gains)}, "
        f"{min(gains):.1f} to {max(gains):.1f} %)"
    )
    if not _comparable(means):
        return Answer(NOT_COMPARABLE, mean, len(gains), sentence, comparable=False)
    return Answer(verdict(mean >= claimed - PRINTED), mean, len(gains), sentence)


def all_cases(
    means: Mapping[str, Means], rows: Sequence[SettingRow], profile: str, method: str | None
) -> Answer:
    """Tells whether the method has the lower mean distance in every setting."""
    if not means:
        return not_measured(UNKNOWN)
    better = [name for name, pair in means.items() if pair.other < pair.sn]
    worse = [name for name in means if name not in better]
    sentence = f"a lower mean {_scores(means)} in {len(better)} of {len(means)} settings"
    if worse:
        sentence += f", not in {', '.join(worse)}"
    pairs = [row.pairs.get(profile, {}).get(method or sr_of(row, profile)) for row in rows]
    intervals = [pair.interval for pair in pairs if pair and pair.interval]
    if intervals:
        negative = sum(high < 0 for _, high in intervals)
        sentence += f"; the paired interval lies below 0 in {negative} of {len(intervals)}"
    return Answer(verdict(not worse), len(better), len(means), sentence, _comparable(means))


def _scores(means: Mapping[str, Means]) -> str:
    return " and ".join(sorted({pair.score for pair in means.values()}))


def _comparable(means: Mapping[str, Means]) -> bool:
    return all(pair.comparable for pair in means.values())
