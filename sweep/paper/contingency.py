"""Mode collapse and spectral collapse, counted together over the trials. Standard library only.

Counted are finished trials of Table II's configurations whose collapse was judged; where one
collapse is seen and the other is not, they do not go side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

from sweep.paper.answers import Answer, not_measured, verdict
from sweep.paper.table2 import TABLE_II, SeedResult, SettingRow, published_sr
from sweep.store.judgement import is_judged
from sweep.store.vocabulary import FINISHED


def collapses_of_sn(rows: Sequence[SettingRow], profile: str) -> Answer:
    """Settings in which SN collapsed, by any seed, against Table II's flags."""
    flag_by_setting = {row.setting: _collapsed(row, profile, "sn") for row in rows}
    finished = {setting: flag for setting, flag in flag_by_setting.items() if flag is not None}
    if not finished:
        return not_measured("no finished trial of SN whose mode collapse was judged")
    flags = {True: 0, False: 0}
    hits = {True: 0, False: 0}
    for setting, flag in finished.items():
        flagged = TABLE_II[setting].mode_collapse
        flags[flagged] += 1
        hits[flagged] += flag
    sentence = (
        f"mode collapse in {hits[True]} of {flags[True]} settings that the paper flags and in "
        f"{hits[False]} of {flags[False]} that it does not"
    )
    agrees = hits[True] == flags[True] and not hits[False]
    comparable = _comparable(rows, profile, "sn")
    return Answer(verdict(agrees), sum(hits.values()), len(finished), sentence, comparable)


def no_collapse(rows: Sequence[SettingRow], profile: str, method: str | None) -> Answer:
    """Trials of the method (None: of SR) that collapsed, of all and of those where SN did."""
    trials, collapsed, after_sn, spared = 0, 0, 0, 0
    for row in rows:
        seeds = _judged(row, profile, method or sr_of(row, profile), "mode_collapse_at")
        trials += len(seeds)
        fell = sum(seed.mode_collapse_at is not None for seed in seeds)
        collapsed += fell
        if seeds and _collapsed(row, profile, "sn"):
            after_sn += 1
            spared += not fell
    if not trials:
        return not_measured("no finished trial of the method whose mode collapse was judged")
    sentence = (
        f"mode collapse in {collapsed} of {trials} trials; of {after_sn} settings in which SN "
        f"collapsed, {spared} did not"
    )
    return Answer(
        verdict(collapsed == 0), collapsed, trials, sentence, _comparable(rows, profile, method)
    )


def side_by_side(rows: Sequence[SettingRow], profile: str, method: str) -> Answer:
    """Trials of the method with both collapses or one, and which came first."""
    both = ("mode_collapse_at", "spectral_collapse_at")
    seeds = [seed for row in rows for seed in _judged(row, profile, method, *both)]
    fell = [(seed.mode_collapse_at, seed.spectral_collapse_at) for seed in seeds]
    both_at = [(m, s) for m, s in fell if m is not None and s is not None]
    modes_alone = sum(m is not None and s is None for m, s in fell)
    spectra_alone = sum(m is None and s is not None for m, s in fell)
    if not both_at and not modes_alone and not spectra_alone:
        return not_measured(f"no collapse was seen in {len(seeds)} trials")
    sentence = (
        f"both in {len(both_at)} of {len(seeds)} trials, mode collapse alone in {modes_alone}, "
        f"spectral collapse alone in {spectra_alone}"
    )
    if both_at:
        spectrum, modes = (sum(s < m for m, s in both_at), sum(m < s for m, s in both_at))
        sentence += f"; of both, the spectrum fell first in {spectrum}, the modes in {modes}"
    holds = not modes_alone and not spectra_alone
    comparable = _comparable(rows, profile, method)
    return Answer(verdict(holds), len(both_at), len(seeds), sentence, comparable)


def _judged(row: SettingRow, profile: str, method: str, *signals: str) -> list[SeedResult]:
    """Finished trials of which all these signals were judged."""
    result = row.measured.get(profile, {}).get(method)
    return [
        seed
        for seed in (() if result is None else result.seeds)
        if seed.status in FINISHED
        and all(is_judged(signal, seed.not_judged) for signal in signals)
    ]


def _collapsed(row: SettingRow, profile: str, method: str) -> bool | None:
    """Tells whether any seed collapsed; None without one that was judged."""
    seeds = _judged(row, profile, method, "mode_collapse_at")
    return any(seed.mode_collapse_at is not None for seed in seeds) if seeds else None


def _comparable(rows: Sequence[SettingRow], profile: str, method: str | None) -> bool:
    results = [row.measured.get(profile, {}).get(method or sr_of(row, profile)) for row in rows]
    return all(result.comparable for result in results if result is not None)


def sr_of(row: SettingRow, profile: str) -> str:
    """The method that stands for SR: the row's own, or else static compensation."""
    own = published_sr(row.setting)
    return own if own in row.measured.get(profile, {}) else "sr-static"
