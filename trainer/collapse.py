"""From the history of evaluations to a verdict: a pure function, and its thresholds.

Four signals are kept apart, each with the iteration at which it was first seen and the rule that
said so: *mode collapse* (quality), *spectral collapse*, a *dead discriminator*, *divergence*.
Whether the first two go together is the paper's claim, so neither is defined by the other.

A history is a list of records as `trainer.loop` makes them, oldest first.
"""

from __future__ import annotations

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

    `burn_in` is a share of the planned iterations, `patience` a number of consecutive
    evaluations, `grace` how many evaluations a run gets after the first bad one, so that its
    collapse is on record. Modes are out of 1000, counted with 1,000 samples. Calibrated on seeds
    100 and 101 of C_32-32, C_64-32, C_8-32 (collapsed: at most 28 modes between 30 % and 50 % of
    the run) and of B_8-64, B_64-64, B_256-64, A_16-128 (not: at least 29, once, then more).
    """

    burn_in: float = 0.3
    patience: int = 3
    grace: int = 6
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
        """The verdict in a few words: `healthy`, or every signal with its iteration."""
        seen = {
            "diverged": self.diverged_at,
            "dead D": self.dead_at,
            "mode collapse": self.mode_collapse_at,
            "spectral collapse": self.spectral_collapse_at,
        }
        said = [f"{name} at {at}" for name, at in seen.items() if at is not None]
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
    after_burn_in = [r for r in history if r["iteration"] >= t.burn_in * iterations]
    mode_collapse, mode_rule = _mode_collapse(history, after_burn_in, t)
    spectral = _first_run(after_burn_in, t.patience, lambda r: _spectrum_fell(r, history[0], t))
    gap_gone = _first_run(after_burn_in, t.patience, lambda r: abs(r["gap"]) < t.gap_gone)
    dead = _first_run(after_burn_in, t.patience, lambda r: r["d_spread"] < t.dead_spread)
    diverged = _first_run(history, 1, lambda r: not r["finite"])
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
    history: Sequence[Record], after_burn_in: Sequence[Record], t: Thresholds
) -> tuple[int | None, str]:
    """Modes fell from the best so far, or never rose; None where modes are not counted."""
    if not history or "modes" not in history[0]:
        return None, ""
    never = _first_run(after_burn_in, t.patience, lambda r: r["modes"] < t.modes_never)
    best, low = 0.0, []
    for record in history:
        best = max(best, record["modes"])
        low.append(best >= 2 * t.modes_never and record["modes"] < t.modes_fell * best)
    fell = _first_run(list(zip(history, low, strict=True)), t.patience, lambda pair: pair[1])
    if fell is not None and (never is None or fell <= never):
        return fell, f"modes below {t.modes_fell:g} of the best so far, {t.patience} times"
    return never, f"modes below {t.modes_never:g} after the burn-in, {t.patience} times"


def _first_run(records: Sequence[Any], patience: int, bad: Callable[[Any], bool]) -> int | None:
    """The iteration at which the first `patience` consecutive bad evaluations began."""
    streak: list[Any] = []
    for record in records:
        streak = [*streak, record] if bad(record) else []
        if len(streak) == patience:
            first = streak[0]
            return (first[0] if isinstance(first, tuple) else first)["iteration"]
    return None


def _later(at: int | None, by: int) -> int | None:
    return None if at is None else at + by
