"""Rivals: every method against SN and its two controls, as far as the intervals go.

`sn-renorm` renormalises as SR does and lifts nothing, `sn-ttur` is SN whose D learns faster: what
SR gains over them is what lifting gains. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sweep.paper.contingency import sr_of
from sweep.paper.pairs import PairedDifference
from sweep.paper.scores import DECIMALS, SCORE_TITLES
from sweep.paper.table2 import SettingRow

BETTER, WORSE, OPEN, NOT_ENOUGH = "better", "worse", "not resolved", "not enough"
# What a difference to each baseline is about, in the answer.
QUESTIONS = {
    "sn": "the method as a whole",
    "sn-renorm": "what it does beyond renormalising",
    "sn-ttur": "what it does beyond a faster D",
}


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
    for baseline in QUESTIONS:
        pairs = _of_sr(rows, profile, baseline)
        if not pairs and baseline == "sn":
            return None
        if pairs:
            parts.append(_part(pairs, baseline))
        findings[baseline] = [finding(pair) for _, pair, _ in pairs]
    names = " and ".join(sorted({sr for _, _, sr in _of_sr(rows, profile, "sn")}))
    score = next(iter(_scores(rows, profile)))
    return (
        f"{names} by paired seeds, {SCORE_TITLES[score]}, lower is better: {'; '.join(parts)}. "
        f"{_conclusion(findings)}"
    )


def _of_sr(
    rows: Sequence[SettingRow], profile: str, baseline: str
) -> list[tuple[SettingRow, PairedDifference, str]]:
    found = []
    for row in rows:
        sr = sr_of(row, profile)
        pair = pair_of(row, profile, sr, baseline)
        if pair is not None:
            found.append((row, pair, sr))
    return found


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
    counts = {word: 0 for word in (BETTER, WORSE, OPEN, NOT_ENOUGH)}
    for _, pair, _ in pairs:
        counts[finding(pair)] += 1
    tally = ", ".join(f"{word} on {count}" for word, count in counts.items() if count)
    return f"against {baseline} {tally} of {len(pairs)} settings"


def _conclusion(findings: Mapping[str, Sequence[str]]) -> str:
    """What follows for lifting: the comparison with the controls, not with SN."""
    missing = [name for name in ("sn-renorm", "sn-ttur") if not findings[name]]
    if missing:
        names = " and ".join(missing)
        were = "was" if len(missing) == 1 else "were"
        return f"{names} {were} not run beside it: how much of this is lifting is open."
    controls = [found for name in ("sn-renorm", "sn-ttur") for found in findings[name]]
    if all(found == BETTER for found in controls):
        return "Lifting gains over both controls in every setting."
    if all(found == NOT_ENOUGH for found in controls):
        return "With fewer than three seeds nothing follows about lifting."
    if BETTER not in controls:
        return "That lifting gains anything beyond its controls is not shown."
    return "Lifting gains over its controls in some of these comparisons, not in all."


def difference_text(pair: PairedDifference, decimals: int) -> str:
    """Mean and interval with n; below three pairs each value and nothing more."""
    if pair.interval is None:
        values = ", ".join(_signed(seed.difference, decimals) for seed in pair.seeds)
        return f"{values} (n = {pair.n})"
    low, high = (_signed(value, decimals) for value in pair.interval)
    return f"{_signed(pair.mean, decimals)} [{low}, {high}] (n = {pair.n})"


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", "−")
