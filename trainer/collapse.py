"""From the history of evaluations to a verdict: a pure function, and its thresholds.

Four signals are kept apart, each with the iteration at which it was first seen and the rule that
said so: *mode collapse* (quality), *spectral collapse*, a *dead discriminator*, *divergence*.
Whether the first two go together is the paper's claim, so neither is defined by the other.

A history is a list of records as `trainer.loop` makes them, oldest first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]

# The 3x3 layers vote on spectral collapse. The 1x1 shortcuts, layer_2 and layer_5, do not: the
# paper says that they keep their spectrum, and on the digits they lose it in healthy runs too.
VOTING_LAYERS = (0, 1, 3, 4, 6, 7, 8, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a signal counts. The defaults separate SN runs of the digits profile, and only those.

    `burn_in` and `spectral_burn_in` are shares of the planned iterations, `patience` a number of
    consecutive evaluations after them, `grace` how many evaluations a run gets after the first
    bad one, so that its collapse is on record. Modes are out of 1000, counted with 1,000 samples.

    Calibrated on seeds 100 and 101. Collapsed: C_8-32, C_32-32 (twice), C_64-32, of at most 28
    modes from 30 % to 50 % of the run, with two to five layers fallen to its end. Not collapsed:
    B_8-64, B_64-64, B_256-64, A_16-128, A_64-128 (twice), of 29 modes once and then more; in
    A_64-128 up to four layers fall in the first half and recover, hence the longer burn-in.
    """

    burn_in: float = 0.3
    spectral_burn_in: float = 0.5
    patience: int = 3
    grace: int = 8
    modes_never: float = 30
    modes_fell: float = 0.5
    layers_fell: int = 2
    sigma2_fell: float = 0.85
    gap_gone: float = 0.02
    dead_spread: float = 1e-4


DEFAULT_THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Each `*_at` is an iteration or None; `rules` says by name which rule spoke and why."""

    mode_collapse_at: int | None
    spectral_collapse_at: int | None
    dead_at: int | None
    diverged_at: int | None
    rules: Mapping[str, str]
    stop: str | None

    @property
    def words(self) -> str:
        return in_words({name: getattr(self, name) for name in SIGNALS})


SIGNALS = {
    "mode_collapse_at": "mode collapse",
    "spectral_collapse_at": "spectral collapse",
    "dead_at": "dead D",
    "diverged_at": "diverged",
}


def in_words(seen: Mapping[str, int | None]) -> str:
    """`healthy`, or every signal that was seen with its iteration; keys as in SIGNALS."""
    said = [f"{word} at {seen[name]}" for name, word in SIGNALS.items() if seen[name] is not None]
    return ", ".join(said) or "healthy"


def judge(
    history: Sequence[Record],
    iterations: int,
    *,
    projected: bool,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Verdict:
    """The verdict on a run of planned length `iterations` after the evaluations in `history`.

    `projected` tells whether the method overwrites weights: if it does, its spectrum alone never
    stops a run, because no spectral rule holds across methods.
    """
    t = thresholds
    early, late = t.burn_in * iterations, t.spectral_burn_in * iterations
    mode_collapse, mode_rule = _mode_collapse(history, early, t)
    spectral = _streak(history, t.patience, lambda r: _spectrum_fell(r, history[0], t), late)
    gap_gone = _streak(history, t.patience, lambda r: abs(r["gap"]) < t.gap_gone, early)
    dead = _streak(history, t.patience, lambda r: r["d_spread"] < t.dead_spread, early)
    diverged = _streak(history, 1, lambda r: not r["finite"])
    rules = {
        "mode_collapse": mode_rule,
        "spectral_collapse": f"sigma_2/sigma_1 of {t.layers_fell} or more 3x3 layers below "
        f"{t.sigma2_fell:g} of their own first value, {t.patience} times",
        "dead": f"D(x) on real and fake images spread below {t.dead_spread:g}, {t.patience} times",
        "diverged": "a loss or a weight is not finite",
    }
    at = {
        "mode_collapse": mode_collapse,
        "spectral_collapse": spectral,
        "dead": dead,
        "diverged": diverged,
    }
    last = history[-1]["iteration"] if history else 0
    period = history[-1]["iteration"] - history[-2]["iteration"] if len(history) > 1 else 0
    reasons = {
        "diverged": diverged,
        "dead discriminator": _later(dead, t.grace * period),
        "mode collapse": _later(mode_collapse, t.grace * period),
        "spectral collapse without a gap": None
        if projected or spectral is None or gap_gone is None
        else _later(max(spectral, gap_gone), t.grace * period),
    }
    return Verdict(
        mode_collapse_at=mode_collapse,
        spectral_collapse_at=spectral,
        dead_at=dead,
        diverged_at=diverged,
        rules={name: rule for name, rule in rules.items() if at[name] is not None},
        stop=next((why for why, due in reasons.items() if due is not None and last >= due), None),
    )


def spectrum_left(record: Record) -> float:
    """Mean sigma_2 / sigma_1 of the 3x3 layers: about 0.95 at the start, less in collapse."""
    ratios = record["sigma2_ratio"]
    return sum(ratios[layer] for layer in VOTING_LAYERS) / len(VOTING_LAYERS)


def _spectrum_fell(record: Record, first: Record, t: Thresholds) -> bool:
    now, then = record["sigma2_ratio"], first["sigma2_ratio"]
    return sum(now[k] < t.sigma2_fell * then[k] for k in VOTING_LAYERS) >= t.layers_fell


def _mode_collapse(
    history: Sequence[Record], burn_in: float, t: Thresholds
) -> tuple[int | None, str]:
    """Modes fell from the best so far, or never rose; None where modes are not counted."""
    history = [r for r in history if "modes" in r]
    # A run that never rose is bad from the start; it counts as collapsed from the burn-in on.
    risen_late = [r for r in history if r["iteration"] >= burn_in]
    never = _streak(risen_late, t.patience, lambda r: r["modes"] < t.modes_never)
    best = list(itertools.accumulate((r["modes"] for r in history), max))
    so_far = dict(zip((r["iteration"] for r in history), best, strict=True))
    fell = _streak(history, t.patience, lambda r: _fell(r["modes"], so_far[r["iteration"]], t))
    if fell is not None and (never is None or fell <= never):
        return fell, f"modes below {t.modes_fell:g} of the best so far, {t.patience} times"
    return never, f"modes below {t.modes_never:g} after the burn-in, {t.patience} times"


def _fell(modes: int, best: int, t: Thresholds) -> bool:
    return best >= 2 * t.modes_never and modes < t.modes_fell * best


def _streak(
    records: Sequence[Record],
    patience: int,
    bad: Callable[[Record], bool],
    burn_in: float = 0,
) -> int | None:
    """The iteration at which the first streak of bad evaluations began that has `patience` of
    them from iteration `burn_in` on."""
    began, count = None, 0
    for record in records:
        if not bad(record):
            began, count = None, 0
            continue
        began = record["iteration"] if began is None else began
        count += record["iteration"] >= burn_in
        if count == patience:
            return began
    return None


def _later(at: int | None, by: int) -> int | None:
    return None if at is None else at + by
