"""Claims of the paper in numbers, against its own Table II and against the stored trials.

Standard library only.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sweep.paper.answers import HOLDS, Answer, verdict
from sweep.paper.contingency import collapses_of_sn, no_collapse, side_by_side
from sweep.paper.gains import (
    PRINTED,
    Measure,
    all_cases,
    average,
    distance,
    inception_score,
    means_of,
)
from sweep.paper.table2 import TABLE_II, SettingRow

CONTROLS = ("sn-renorm", "sr-lift")
# Gain of SR over SN in each row of Table II, in percent.
IS_GAINS = {name: 100 * (row.sr_is / row.sn_is - 1) for name, row in TABLE_II.items()}
FID_GAINS = {name: 100 * (1 - row.sr_fid / row.sn_fid) for name, row in TABLE_II.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence of the paper; `claimed` in percent where it is a number. `beside` answers the
    same question with another method in the place of SR (or of SN, where it is about SN)."""

    name: str
    says: str
    where: str
    claimed: float | None
    table: Answer
    measured: Mapping[str, Answer]
    beside: Mapping[str, Mapping[str, Answer]]


# Asked for a profile and a method, None for the claim's own.
Question = Callable[[str, str | None], Answer]


def claims(rows: Sequence[SettingRow], inception: Mapping[str, float | None]) -> list[Claim]:
    """The audit, from the rows of Table II and the best Inception score of each trial by id."""
    score = inception_score(inception)

    def better(profile: str, method: str | None) -> Answer:
        means = means_of(rows, profile, method, distance)
        return all_cases(means, rows, profile, method)

    def gain(measure: Measure, claimed: float, setting: str | None = None) -> Question:
        chosen_rows = [row for row in rows if setting in (None, row.setting)]
        return lambda profile, method: average(
            means_of(chosen_rows, profile, method, measure), claimed
        )

    def gain_on_setting(
        name: str, measure: Measure, claimed: float, section: str, setting: str
    ) -> Claim:
        score_label, gains = ("IS", IS_GAINS) if measure is score else ("FID", FID_GAINS)
        sentence = f"With {setting}, SR-GAN has improved {score_label} by {claimed} %"
        table = _published_setting(claimed, gains[setting])
        ask = gain(measure, claimed, setting)
        return _claim(rows, name, sentence, section, table, ask, CONTROLS, claimed)

    return [
        _claim(
            rows, "is_gain", "On average, SR-GANs have improved the IS by 13.9 %", "Sec. IV",
            _published_average(13.9, IS_GAINS, "IS"), gain(score, 13.9), CONTROLS, 13.9,
        ),
        _claim(
            rows, "fid_gain", "On average, SR-GANs have improved the FID by 21.8 %", "Sec. IV",
            _published_average(21.8, FID_GAINS, "FID"), gain(distance, 21.8), CONTROLS, 21.8,
        ),
        _claim(
            rows, "all_cases", "In all cases, SR-GANs outperform SN-GANs", "Sec. IV",
            _published_cases(IS_GAINS, FID_GAINS), better, CONTROLS,
        ),
        gain_on_setting("is_gain_E_512-64", score, 19.4, "Sec. IV", "E_512-64"),
        gain_on_setting("is_gain_E_2048-64", score, 44.9, "Secs. IV, IV-A", "E_2048-64"),
        gain_on_setting("fid_gain_E_2048-64", distance, 9.1, "Sec. IV-A", "E_2048-64"),
        *_collapse_claims(rows),
    ]  # fmt: skip


def _collapse_claims(rows: Sequence[SettingRow]) -> list[Claim]:
    modes = [name for name, row in TABLE_II.items() if row.mode_collapse]
    spectra = [name for name, row in TABLE_II.items() if row.spectral_collapse]
    shared = [name for name in modes if name in spectra]
    flag_counts = (
        f"{len(shared)} settings have both flags, {len(modes) - len(shared)} mode collapse alone, "
        f"{len(spectra) - len(shared)} spectral collapse alone"
    )
    measured = {m for row in rows for methods in row.measured.values() for m in methods}
    return [
        _claim(
            rows, "collapses_of_sn",
            "Mode collapse is observed in 10 settings of SN, and not in the other 16", "Sec. II-C",
            Answer(verdict(len(modes) == 10), len(modes), len(TABLE_II), ", ".join(modes)),
            lambda profile, _: collapses_of_sn(rows, profile), (),
        ),
        _claim(
            rows, "no_collapse_with_sr",
            "In all 10 settings where mode collapse has occurred to SN, none has to SR", "Sec. IV",
            Answer(HOLDS, 0, len(TABLE_II), "SN alone is flagged; the caption says none for SR"),
            lambda profile, method: no_collapse(rows, profile, method), sorted(measured - {"sn"}),
        ),
        _claim(
            rows, "side_by_side", "Spectral collapse and mode collapse always go side by side",
            "Secs. I, II-C, App. C",
            Answer(verdict(modes == spectra), len(shared), len(TABLE_II), flag_counts),
            lambda profile, method: side_by_side(rows, profile, method or "sn"),
            sorted(measured - {"sn"}),
        ),
    ]  # fmt: skip


def _claim(
    rows: Sequence[SettingRow],
    name: str,
    sentence: str,
    section: str,
    table: Answer,
    ask: Question,
    other_methods: Sequence[str],
    claimed: float | None = None,
) -> Claim:
    methods: dict[str, set[str]] = {}
    for row in rows:
        for profile, measured in row.measured.items():
            methods.setdefault(profile, set()).update(measured)
    return Claim(
        name=name,
        says=sentence,
        where=section,
        claimed=claimed,
        table=table,
        measured={profile: ask(profile, None) for profile in sorted(methods)},
        beside={
            profile: {m: ask(profile, m) for m in other_methods if m in methods[profile]}
            for profile in sorted(methods)
        },
    )


def _published_average(claimed: float, values: Mapping[str, float], score: str) -> Answer:
    mean = statistics.fmean(values.values())
    flagged = [values[name] for name, row in TABLE_II.items() if row.mode_collapse]
    sentence = (
        f"the {len(values)} rows' mean gain in {score} is {mean:.2f} %, of the {len(flagged)} in "
        f"which SN collapsed {statistics.fmean(flagged):.2f} %"
    )
    return Answer(verdict(abs(mean - claimed) <= PRINTED), mean, len(values), sentence)


def _published_setting(claimed: float, value: float) -> Answer:
    sentence = f"the row's two numbers give {value:.2f} %"
    return Answer(verdict(abs(value - claimed) <= PRINTED), value, 1, sentence)


def _published_cases(gains: Mapping[str, float], cuts: Mapping[str, float]) -> Answer:
    worse = [f"IS in {name}" for name, gain in gains.items() if gain <= 0]
    worse += [f"FID in {name} ({-cut:.1f} % worse)" for name, cut in cuts.items() if cut <= 0]
    sentence = f"SR is better in IS and FID of {len(gains)} settings"
    if worse:
        sentence += f", but not in {', '.join(worse)}"
    better = sum(gain > 0 and cuts[name] > 0 for name, gain in gains.items())
    return Answer(verdict(not worse), better, len(gains), sentence)
