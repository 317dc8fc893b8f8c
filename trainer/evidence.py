"""What a rule needs of a history before it can rule a signal of a collapse out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.config.settings import SHORTCUTS
from trainer.config.trial import TrialConfig
from trainer.thresholds import Thresholds
from trainer.verdict import TOO_EARLY

# The gauge can show a collapse of own pictures; that none is there it cannot.
GAUGE_ONLY = "FD-pictures shows none, but what rules one out is calibrated on no such pictures"
NO_SCORES = "neither modes nor Inception scores were measured"
# Signals whose rules wait for a share of the run. Divergence is plain at once.
JUDGED_BY_LENGTH = ("mode_collapse", "spectral_collapse", "dead")


def missing_evidence(
    history: Sequence[Mapping[str, Any]],
    iterations: int,
    modes: int | None,
    t: Thresholds,
    voting: Sequence[int] | None = None,
) -> dict[str, str]:
    """By signal, the reason why `history` cannot rule it out; without those that it can.

    `iterations` is the planned length, `modes` how many there are, None where they are not known,
    `voting` are D's layers that vote, None where its number of layers says which.
    """
    early, late = t.burn_in * iterations, t.spectral_burn_in * iterations
    scored = [r for r in history if (is_scored(r) if modes is None else "modes" in r)]
    reasons = {
        "mode_collapse": _too_few(scored, history, early, iterations, t),
        "spectral_collapse": _too_few(history, history, late, iterations, t),
        "dead": _too_few(history, history, early, iterations, t),
    }
    if history and not scored:
        gauged = any(map(is_gauged, history))
        reasons["mode_collapse"] = GAUGE_ONLY if gauged else NO_SCORES
    if voting is None and history:
        voting = voting_layers(len(history[0]["sigma2_ratio"]))
    if history and voting is not None and len(voting) < t.layers_fell:
        reasons["spectral_collapse"] = f"D has fewer than {t.layers_fell} layers that vote"
    if t.dead_spread == 0:
        reasons["dead"] = "a D of constant outputs is no failure in this kind of trial"
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _too_few(
    measured: Sequence[Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
    burn_in: float,
    iterations: int,
    t: Thresholds,
) -> str | None:
    """Reason why the evaluations that `measured` the signal are no streak; None if they can be."""
    n = sum(record["iteration"] >= burn_in for record in measured)
    if n >= t.patience:
        return None
    if not history or history[-1]["iteration"] < iterations:
        return TOO_EARLY
    return f"{n} evaluations from iteration {burn_in:g} on, where {t.patience} are needed"


def own_voting_layers(config: TrialConfig) -> Sequence[int] | None:
    """Indices of the regularised layers that vote of a person's own D; None of this project's."""
    return None if config.network_facts is None else config.network_facts.voting


def voting_layers(n_layers: int) -> list[int]:
    """Indices of the layers that vote on spectral collapse, of one of this project's D."""
    # The paper says that 1x1 shortcuts keep their spectrum, and on the digits they lose it in
    # healthy runs too.
    return [k for k in range(n_layers) if k not in SHORTCUTS.get(n_layers, ())]


def mean_of_voting(values: Sequence[float], voting: Sequence[int] | None = None) -> float:
    """Mean of one value per regularised layer over those that vote; NaN without any.

    Of sigma_2 / sigma_1 it is about 0.95 at the start, and less in collapse.
    """
    voting = voting_layers(len(values)) if voting is None else voting
    return sum(values[k] for k in voting) / len(voting) if voting else math.nan


def is_scored(record: Mapping[str, Any]) -> bool:
    """Tells whether an evaluation has both Inception scores."""
    scores = (record.get("fid"), record.get("inception_score"))
    return all(score is not None and math.isfinite(score) for score in scores)


def is_gauged(record: Mapping[str, Any]) -> bool:
    """Tells whether an evaluation has the scores of own pictures' gauge."""
    scores = (record.get("fd_pictures"), record.get("coverage"))
    return all(score is not None and math.isfinite(score) for score in scores)
