"""Rivals: every method against SN and its two controls, as far as the intervals go.

`sn-renorm` renormalises as SR does and lifts nothing, `sn-ttur` is SN whose D learns faster: what
SR gains over them is what lifting gains. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sweep.paper.contingency import sr_of
from sweep.paper.pairs import PairedDifference
from sweep.paper.scores import DECIMALS, SCORE_TITLES
from sweep.paper.table2 import BASELINES, SettingRow
from sweep.paper.typeset import number

BETTER, WORSE, OPEN, NOT_ENOUGH = "better", "worse", "not resolved", "not enough"


def finding(pair: PairedDifference | None) -> str:
    """Whether the method is better or worse than the baseline, as far as the interval goes.

    `not resolved` where the interval contains 0, `not enough` below three pairs.
    """
    if pair is None or pair.interval is None:
        return NOT_ENOUGH
    low, high = pair.interval
    if high < 0:
        return BETTER
    return WORSE if low > 0 else OPEN


def pair_of(row: SettingRow, profile: str, method: str, baseline: str) -> PairedDifference | None:
    """The method minus the baseline on the row's setting; None where no seed has both."""
    return row.contrasts.get(profile, {}).get(baseline, {}).get(method)


def answer(rows: Sequence[SettingRow], profile: str) -> str | None:
    """SR against SN and its controls in a sentence no stronger than the intervals are.

    None where no seed of a setting has SR and SN.
    """
    parts, findings = [], {}
    for baseline in BASELINES:
        pairs = _of_sr(rows, profile, baseline)
        if not pairs and baseline == "sn":
            return None
        if pairs:
            parts.append(_part(pairs, baseline))
        findings[baseline] = [finding(pair) for _, pair, _ in pairs]
    names = " and ".join(sorted({sr for _, _, sr in _of_sr(rows, profile, "sn")}))
    score = next(iter(_scores(rows, profile)))
    conclusion = _conclusion(findings)
    return (
        f"{names} by paired seeds, {SCORE_TITLES[score]}, lower is better: {'; '.join(parts)}. "
        f"{conclusion[0].upper()}{conclusion[1:]}"
    )


def _of_sr(
    rows: Sequence[SettingRow], profile: str, baseline: str
) -> list[tuple[SettingRow, PairedDifference, str]]:
    results = []
    for row in rows:
        sr = sr_of(row, profile)
        pair = pair_of(row, profile, sr, baseline)
        if pair is not None:
            results.append((row, pair, sr))
    return results


def _scores(rows: Sequence[SettingRow], profile: str) -> dict[str, None]:
    return {
        result.score: None
        for row in rows
        for result in row.measured.get(profile, {}).values()
        if result.seeds
    }


def _part(pairs: Sequence[tuple[SettingRow, PairedDifference, str]], baseline: str) -> str:
    """The difference on one setting, or on how many settings which way it points."""
    if len(pairs) == 1:
        ((row, pair, _),) = pairs
        score = next(r.score for by in row.measured.values() for r in by.values())
        return (
            f"minus {baseline} {difference_text(pair, DECIMALS[score])} on {row.setting} "
            f"({finding(pair)})"
        )
    counts: dict[str, int] = dict.fromkeys((BETTER, WORSE, OPEN, NOT_ENOUGH), 0)
    for _, pair, _ in pairs:
        counts[finding(pair)] += 1
    tally = ", ".join(f"{word} on {count}" for word, count in counts.items() if count)
    return f"against {baseline} {tally} of {len(pairs)} settings"


def _conclusion(findings: Mapping[str, Sequence[str]]) -> str:
    """In how many settings SR gains over each control: lifting is judged by these, not by SN."""
    clauses = [
        _gained(beyond, name, findings[name])
        for beyond, name in (("renormalising", "sn-renorm"), ("a faster D", "sn-ttur"))
    ]
    return f"{'; '.join(clauses)}."


def _gained(beyond: str, control: str, findings: Sequence[str]) -> str:
    judged = [word for word in findings if word != NOT_ENOUGH]
    if not findings:
        return f"a gain beyond {beyond} is open, {control} was not run beside it"
    if not judged:
        return f"a gain beyond {beyond} cannot be judged from fewer than three seeds"
    gained, settings = judged.count(BETTER), "setting" if len(judged) == 1 else "settings"
    return f"a gain beyond {beyond} is shown in {gained} of {len(judged)} {settings}"


def difference_text(pair: PairedDifference, decimals: int) -> str:
    """Mean and interval with n; below three pairs each value and nothing more."""
    if pair.interval is None:
        values = ", ".join(number(seed.difference, decimals, sign=True) for seed in pair.seeds)
        return f"{values} (n = {pair.n})"
    low, high = (number(value, decimals, sign=True) for value in pair.interval)
    return f"{number(pair.mean, decimals, sign=True)} [{low}, {high}] (n = {pair.n})"
