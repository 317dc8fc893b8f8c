"""Verdict on a history of which only parts were measured, as of somebody else's loop. Pure.

A record has `iteration` and `finite`; and, where they were measured, `sigma2_ratio` per layer with
`spectrum_low`, `d_spread`, `gap`, and scores under their own names. What was not measured is not
judged, with the reason, and so such a run is seldom called healthy.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trainer.collapse import NOT_FINITE, Record, delayed, spectral_collapse, streak
from trainer.thresholds import DEFAULT_THRESHOLDS, Thresholds
from trainer.verdict import TOO_EARLY, Verdict

Scores = Mapping[str, str]

# Scores of which that of an untrained G is known to be bad.
BAD_AT_FIRST = ("fid", "kid_mean", "fd_digits", "fd_pictures", "mode_distance")
# Of a run that has ended, where TOO_EARLY would promise more.
TOO_FEW = "fewer than {} evaluations after the burn-in"


def judge_parts(
    history: Sequence[Record],
    iterations: int | None,
    *,
    scores: Scores,
    voting: Sequence[int] = (),
    projected: bool = False,
    has_ended: bool = False,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Verdict:
    """The verdict after `history`, of a run planned for `iterations`, None if that is not known.

    `scores` have their direction, `lower` or `higher` is better: quality has collapsed when all of
    them are worse than their best so far at once, by the margins that the thresholds give FID and
    IS. `voting` are the layers that vote on the spectrum. It stops a run, unless the method is
    `projected` and sets singular values, or D's gap was logged and is not gone. None of the
    thresholds is calibrated on anything but SN-GANs of the digits.
    """
    # A network of one voting layer is judged by that one.
    t = replace(thresholds, layers_fell=max(1, min(thresholds.layers_fell, len(voting))))
    early, late = (share * (iterations or 0) for share in (t.burn_in, t.spectral_burn_in))
    # Without a planned length it cannot be said that a score is late.
    rise_due = None if iterations is None else early
    spectra = [r for r in history if r.get("sigma2_ratio")]
    outputs = [r for r in history if r.get("d_spread") is not None]
    gaps = [r for r in history if r.get("gap") is not None]
    scored = [r for r in history if all(_is_number(r.get(name)) for name in scores)]
    mode_collapse, mode_rule = _score_collapse(scored, scores, rise_due, t)
    onsets = {
        "mode_collapse": mode_collapse,
        "spectral_collapse": spectral_collapse(spectra, voting, late, t) if voting else None,
        "dead": streak(outputs, t.patience, lambda r: r["d_spread"] < t.dead_spread, early),
        "diverged": streak(history, 1, lambda r: not r["finite"]),
    }
    rules = {
        "mode_collapse": mode_rule,
        "spectral_collapse": f"sigma_2/sigma_1 of {t.layers_fell} or more of {len(voting)} voting "
        f"layers below {t.sigma2_fell:g} of their own first value, and the share of sigma/sigma_1 "
        f"below 0.5, mean of these layers, up by more than {t.low_share_rose:g}, "
        f"{t.patience} times",
        "dead": f"D(x) on real and fake images spread below {t.dead_spread:g}, {t.patience} times",
        "diverged": NOT_FINITE,
    }
    reasons = {
        "mode_collapse": _quality_reason(scored, scores, history, rise_due, t),
        "spectral_collapse": _spectral_reason(spectra, voting, late, t),
        "dead": _reason(outputs, early, t, "no spread of D's outputs (d_spread) was logged"),
    }
    gap_gone = streak(gaps, t.patience, lambda r: abs(r["gap"]) < t.gap_gone, early)
    return Verdict(
        **{f"{name}_at": onset for name, onset in onsets.items()},
        rules={name: rule for name, rule in rules.items() if onsets[name] is not None},
        not_judged={
            name: TOO_FEW.format(t.patience) if has_ended and reason == TOO_EARLY else reason
            for name, reason in reasons.items()
            if reason is not None and onsets[name] is None
        },
        stop=_stop(history, onsets, gap_gone if gaps else 0, t, projected=projected),
    )


def _stop(
    history: Sequence[Record],
    onsets: Mapping[str, int | None],
    gap_gone: int | None,
    t: Thresholds,
    *,
    projected: bool,
) -> str | None:
    """The reason to stop now; the grace lets a collapse be seen in the record."""
    last = history[-1]["iteration"] if history else 0
    period = last - history[-2]["iteration"] if len(history) > 1 else 0
    spectral = onsets["spectral_collapse"]
    due = {
        "diverged": onsets["diverged"],
        "dead discriminator": delayed(onsets["dead"], t.grace * period),
        "mode collapse": delayed(onsets["mode_collapse"], t.grace * period),
        "spectral collapse": None
        if projected or spectral is None or gap_gone is None
        else delayed(max(spectral, gap_gone), t.grace * period),
    }
    return next((why for why, at in due.items() if at is not None and last >= at), None)


def _score_collapse(
    scored: Sequence[Record], scores: Scores, burn_in: float | None, t: Thresholds
) -> tuple[int | None, str]:
    """All scores worse than their best so far by the margins, or never better than at first."""
    if not scores or not scored or not _above_zero(scored, scores):
        return None, ""
    best = itertools.accumulate(scored, lambda a, b: _better(a, b, scores))
    best_at = dict(zip((r["iteration"] for r in scored), best, strict=True))

    def has_fallen(record: Record) -> bool:
        highest = best_at[record["iteration"]]
        return all(_is_worse(record[n], highest[n], scores[n], t) for n in scores)

    fell = streak(scored, t.patience, has_fallen)
    rose = _never_rose(scored, scores, burn_in, t)
    names = " and ".join(scores)
    if fell is not None and (rose is None or fell <= rose):
        margins = f"above {t.fid_rose:g} of the best (higher is better: below {t.is_fell:g})"
        return fell, f"{names} {margins}, {t.patience} times"
    distances = " and ".join(name for name in scores if name in BAD_AT_FIRST)
    return rose, f"{distances} never below {t.fid_never:g} of the first, {t.patience} times"


def _never_rose(
    scored: Sequence[Record], scores: Scores, burn_in: float | None, t: Thresholds
) -> int | None:
    first, names = scored[0], [name for name in scores if name in BAD_AT_FIRST]
    if burn_in is None or not names or first["iteration"] > 0:
        return None

    def is_bad(record: Record) -> bool:
        return all(record[name] > t.fid_never * first[name] for name in names)

    late = [r for r in scored if r["iteration"] > 0 and r["iteration"] >= burn_in]
    return streak(late, t.patience, is_bad)


def _better(a: Record, b: Record, scores: Scores) -> Record:
    """The best of both records, score by score."""
    choose = {"lower": min, "higher": max}
    return {name: choose[way](a[name], b[name]) for name, way in scores.items()}


def _is_worse(value: float, best: float, direction: str, t: Thresholds) -> bool:
    return value > t.fid_rose * best if direction == "lower" else value < t.is_fell * best


def _quality_reason(
    scored: Sequence[Record],
    scores: Scores,
    history: Sequence[Record],
    burn_in: float | None,
    t: Thresholds,
) -> str | None:
    if not scores:
        return "no score with a direction was declared"
    if history and not scored:
        return f"no evaluation has a finite {' and '.join(scores)}"
    if scored and not _above_zero(scored, scores):
        return "a score is not above 0, and the rule compares ratios"
    if not any(name in BAD_AT_FIRST for name in scores):
        return f"none of {', '.join(BAD_AT_FIRST)} tells whether the run ever became good"
    if burn_in is None:
        return "no planned iterations tell when the run should have become good"
    if scored and scored[0]["iteration"] > 0:
        return "no score of iteration 0 tells whether the run ever became good"
    return _reason(scored, burn_in, t, "")


def _spectral_reason(
    spectra: Sequence[Record], voting: Sequence[int], burn_in: float, t: Thresholds
) -> str | None:
    if spectra and not voting:
        return "no layer votes"
    if spectra and any(math.isnan(spectra[-1]["sigma2_ratio"][k]) for k in voting):
        return "a singular value is not finite"
    return _reason(spectra, burn_in, t, "no spectra were logged")


def _reason(measured: Sequence[Record], burn_in: float, t: Thresholds, nothing: str) -> str | None:
    """Reason why these records can be no streak after the burn-in; None if they can."""
    if not measured and nothing:
        return nothing
    counted = sum(record["iteration"] >= burn_in for record in measured)
    return None if counted >= t.patience else TOO_EARLY


def _above_zero(scored: Sequence[Record], scores: Scores) -> bool:
    return all(record[name] > 0 for record in scored for name in scores)


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
