"""The verdict on a history of evaluations: a pure function.

Four signals are kept apart, each with the iteration at which it was first seen and the rule that
said so: *mode collapse* (quality), *spectral collapse*, a *dead discriminator*, *divergence*.
Whether the first two go together is the paper's claim, so neither is defined by the other. A
signal that no rule could speak of is not judged, and the reason is given.

A history is a list of records as `trainer.loop` makes them, oldest first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer.config.methods import METHODS
from trainer.config.settings import dataset_facts
from trainer.config.trial import TrialConfig
from trainer.evidence import (
    JUDGED_BY_LENGTH,
    is_gauged,
    is_scored,
    missing_evidence,
    own_voting_layers,
    voting_layers,
)
from trainer.thresholds import DEFAULT_THRESHOLDS, Thresholds, thresholds_for
from trainer.verdict import Verdict

Record = Mapping[str, Any]
NOT_FINITE = "a loss or a weight is not finite"


def verdict_on(config: TrialConfig, history: Sequence[Record]) -> Verdict:
    """The verdict on a trial after the evaluations in `history`, by the thresholds of its kind."""
    return judge(
        history,
        config.iterations,
        projected=METHODS[config.method].form is not None,
        modes=facts.modes if (facts := dataset_facts(config.dataset)) else None,
        thresholds=thresholds_for(config),
        voting=own_voting_layers(config),
    )


def judge(
    history: Sequence[Record],
    iterations: int,
    *,
    projected: bool,
    modes: int | None = 1000,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    voting: Sequence[int] | None = None,
) -> Verdict:
    """The verdict on a run of planned length `iterations` after the evaluations in `history`.

    `projected` tells whether the method sets singular values: if it does, its spectrum alone
    never stops a run, because no spectral rule holds across methods. `modes` is how many there
    are; None where they are not known, and Inception scores or the gauge of own pictures, if any,
    speak in their place. `voting` are D's layers that vote on its spectrum, None where their
    number says which.
    Of a run planned shorter than the thresholds hold for, divergence alone is judged.
    """
    t = thresholds
    diverged = streak(history, 1, lambda r: not r["finite"])
    if iterations < t.shortest:
        return _divergence_alone(diverged, iterations, t)
    early, late = t.burn_in * iterations, t.spectral_burn_in * iterations
    if modes is not None:
        mode_collapse, mode_rule = _mode_collapse(history, early, modes, t)
    elif any(map(is_gauged, history)):
        mode_collapse, mode_rule = _gauge_collapse(history, t)
    else:
        mode_collapse, mode_rule = _score_collapse(history, early, t)
    n_layers = len(history[0]["sigma2_ratio"]) if history else 0
    voters = voting_layers(n_layers) if voting is None else voting
    spectral = spectral_collapse(history, voters, late, t)
    gap_gone = streak(history, t.patience, lambda r: abs(r["gap"]) < t.gap_gone, early)
    dead = streak(history, t.patience, lambda r: r["d_spread"] < t.dead_spread, early)
    rules = {
        "mode_collapse": mode_rule,
        "spectral_collapse": f"sigma_2/sigma_1 of {t.layers_fell} or more 3x3 layers below "
        f"{t.sigma2_fell:g} of their own first value, and the share of sigma/sigma_1 below 0.5, "
        f"mean of these layers, up by more than {t.low_share_rose:g}, {t.patience} times",
        "dead": f"D(x) on real and fake images spread below {t.dead_spread:g}, {t.patience} times",
        "diverged": NOT_FINITE,
    }
    first_seen_at = {
        "mode_collapse": mode_collapse,
        "spectral_collapse": spectral,
        "dead": dead,
        "diverged": diverged,
    }
    last = history[-1]["iteration"] if history else 0
    period = history[-1]["iteration"] - history[-2]["iteration"] if len(history) > 1 else 0
    stop_due_at = {
        "diverged": diverged,
        "dead discriminator": delayed(dead, t.grace * period),
        "mode collapse": delayed(mode_collapse, t.grace * period),
        "spectral collapse without a gap": None
        if projected or spectral is None or gap_gone is None
        else delayed(max(spectral, gap_gone), t.grace * period),
    }
    return Verdict(
        mode_collapse_at=mode_collapse,
        spectral_collapse_at=spectral,
        dead_at=dead,
        diverged_at=diverged,
        rules={name: rule for name, rule in rules.items() if first_seen_at[name] is not None},
        not_judged={
            name: reason
            for name, reason in missing_evidence(history, iterations, modes, t, voting).items()
            if first_seen_at[name] is None
        },
        stop=next(
            (reason for reason, due in stop_due_at.items() if due is not None and last >= due),
            None,
        ),
    )


def _divergence_alone(diverged: int | None, iterations: int, t: Thresholds) -> Verdict:
    reason = f"planned for {iterations} iterations, and the thresholds hold from {t.shortest} on"
    return Verdict(
        mode_collapse_at=None,
        spectral_collapse_at=None,
        dead_at=None,
        diverged_at=diverged,
        rules={} if diverged is None else {"diverged": NOT_FINITE},
        not_judged=dict.fromkeys(JUDGED_BY_LENGTH, reason),
        stop=None if diverged is None else "diverged",
    )


def _reference_spectra(history: Sequence[Record]) -> dict[int, Sequence[float]]:
    """By iteration, the sigma_2 / sigma_1 per layer that a fall is measured from.

    That of the initial weights; in a branch, which begins with trained ones, the best so far.
    """
    ratios = [record["sigma2_ratio"] for record in history]
    if history and history[0]["iteration"] > 0:
        ratios = itertools.accumulate(ratios, lambda a, b: list(map(max, a, b)))
    else:
        ratios = ratios[:1] * len(ratios)
    return dict(zip((record["iteration"] for record in history), ratios, strict=True))


def spectral_collapse(
    history: Sequence[Record], voting: Sequence[int], burn_in: float, thresholds: Thresholds
) -> int | None:
    """The iteration from which on so many of the `voting` layers were below their own reference.

    A record needs `iteration` and, per layer, `sigma2_ratio`. Where records have `spectrum_low`,
    the share of many singular values must have fallen with sigma_2. Evaluations before iteration
    `burn_in` do not count towards the patience.
    """
    t = thresholds
    reference, lowest = _reference_spectra(history), _reference_shares(history)

    def has_fallen(record: Record) -> bool:
        current, first = record["sigma2_ratio"], reference[record["iteration"]]
        if sum(current[k] < t.sigma2_fell * first[k] for k in voting) < t.layers_fell:
            return False
        share = record.get("spectrum_low", math.inf)
        return share - lowest[record["iteration"]] > t.low_share_rose

    return streak(history, t.patience, has_fallen, burn_in)


def _reference_shares(history: Sequence[Record]) -> dict[int, float]:
    """By iteration, the share of low singular values that a rise is measured from: as
    `_reference_spectra`, the lowest being the best. Without a record of it any share is a rise."""
    shares = [record.get("spectrum_low", -math.inf) for record in history]
    if history and history[0]["iteration"] > 0:
        lowest = itertools.accumulate(shares, min)
    else:
        lowest = shares[:1] * len(shares)
    return dict(zip((record["iteration"] for record in history), lowest, strict=True))


def _mode_collapse(
    history: Sequence[Record], burn_in: float, modes: int, t: Thresholds
) -> tuple[int | None, str]:
    """Modes fell from the best so far, or never rose; None where modes are not counted."""
    history = [r for r in history if "modes" in r]
    fewest = t.modes_never * modes
    # A run that never rose is bad from the start; it counts as collapsed from the burn-in on.
    risen_late = [r for r in history if r["iteration"] >= burn_in]
    never = streak(risen_late, t.patience, lambda r: r["modes"] < fewest)
    best = list(itertools.accumulate((r["modes"] for r in history), max))
    so_far = dict(zip((r["iteration"] for r in history), best, strict=True))

    def has_fallen(record: Record) -> bool:
        highest = so_far[record["iteration"]]
        return highest >= 2 * fewest and record["modes"] < t.modes_fell * highest

    fell = streak(history, t.patience, has_fallen)
    if fell is not None and (never is None or fell <= never):
        return fell, f"modes below {t.modes_fell:g} of the best so far, {t.patience} times"
    return never, f"modes below {fewest:g} after the burn-in, {t.patience} times"


def _score_collapse(
    history: Sequence[Record], burn_in: float, t: Thresholds
) -> tuple[int | None, str]:
    """IS fell and FID rose from the best so far, or FID never fell; None without the scores."""
    history = [r for r in history if is_scored(r)]
    if not history:
        return None, ""
    # The first score of a branch is of a trained network: nothing to compare with.
    first = history[0]["fid"] if history[0]["iteration"] == 0 else math.inf
    late = [r for r in history if r["iteration"] >= burn_in]
    never = streak(late, t.patience, lambda r: r["fid"] > t.fid_never * first)
    so_far = _best_so_far(history, "inception_score", "fid")

    def has_fallen(record: Record) -> bool:
        highest, lowest = so_far[record["iteration"]]
        fell = record["inception_score"] < t.is_fell * highest
        return fell and record["fid"] > t.fid_rose * lowest

    fell = streak(history, t.patience, has_fallen)
    if fell is not None and (never is None or fell <= never):
        rule = f"IS below {t.is_fell:g} of its best and FID above {t.fid_rose:g} of its best"
        return fell, f"{rule}, {t.patience} times"
    rule = f"FID above {t.fid_never:g} of the first one after the burn-in"
    return never, f"{rule}, {t.patience} times"


def _best_so_far(
    history: Sequence[Record], rising: str, falling: str
) -> dict[int, tuple[float, float]]:
    """(highest of `rising`, lowest of `falling`) up to each evaluation, by its iteration."""
    best = itertools.accumulate(
        ((r[rising], r[falling]) for r in history),
        lambda a, b: (max(a[0], b[0]), min(a[1], b[1])),
    )
    return dict(zip((r["iteration"] for r in history), best, strict=True))


def _gauge_collapse(history: Sequence[Record], t: Thresholds) -> tuple[int | None, str]:
    """FD-pictures rose and coverage fell from the best so far, both."""
    history = [r for r in history if is_gauged(r)]
    so_far = _best_so_far(history, "coverage", "fd_pictures")

    def has_fallen(record: Record) -> bool:
        highest, lowest = so_far[record["iteration"]]
        fell = highest >= t.coverage_risen and record["coverage"] < t.coverage_fell * highest
        return fell and record["fd_pictures"] > t.fd_pictures_rose * lowest

    rule = (
        f"coverage below {t.coverage_fell:g} of its best and FD-pictures above "
        f"{t.fd_pictures_rose:g} of its best, {t.patience} times"
    )
    return streak(history, t.patience, has_fallen), rule


def streak(
    records: Sequence[Record],
    patience: int,
    bad: Callable[[Record], bool],
    burn_in: float = 0,
) -> int | None:
    """The iteration at which the first streak of bad evaluations began that has `patience` of
    them from iteration `burn_in` on."""
    start, count = None, 0
    for record in records:
        if not bad(record):
            start, count = None, 0
            continue
        start = record["iteration"] if start is None else start
        count += record["iteration"] >= burn_in
        if count == patience:
            return start
    return None


def delayed(iteration: int | None, delay: int) -> int | None:
    return None if iteration is None else iteration + delay
