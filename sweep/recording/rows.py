"""Stored rows of a run that this project does not train. Pure; no torch, no Ray."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import pyarrow as pa

from sweep.recording.spectra import Layers
from sweep.store.schemas import SCHEMAS, SCORE_NAMES
from trainer.collapse import Record
from trainer.config.own_trial import OwnTrial
from trainer.thresholds import DEFAULT_THRESHOLDS
from trainer.verdict import Verdict

# Outside Table I.
GROUP = "U"
OWN_SCORE = "own_score"
# Beside the thresholds, places of the layers that vote.
VOTING = "voting_layers"
# Columns of one number that a loop may fill; the others are worked out here.
LOGGED = tuple(
    field.name
    for field in SCHEMAS["evaluations"]
    if (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
    and field.name not in ("iteration", "seconds", "spectrum_left", "spectrum_low", OWN_SCORE)
)
EVALUATION_COLUMNS = frozenset(SCHEMAS["evaluations"].names)
RESERVED = EVALUATION_COLUMNS - set(LOGGED)
WHOLE = tuple(n for n in LOGGED if pa.types.is_integer(SCHEMAS["evaluations"].field(n).type))
# Of the scores that the store has columns for, those with a direction of their own.
LOWER = (
    "fid", "kid_mean", "reverse_kl", "fd_digits", "reverse_kl_ungated", "mode_distance",
    "fd_pictures",
    "equilibrium_distance",
)  # fmt: skip
HIGHER = (
    "inception_score", "precision", "recall", "modes", "valid_share", "joint_class_score",
    "modes_ungated", "density", "coverage",
)  # fmt: skip
KNOWN_DIRECTIONS = {**dict.fromkeys(LOWER, "lower"), **dict.fromkeys(HIGHER, "higher")}


def identity_row(trial: OwnTrial) -> dict[str, Any]:
    """The columns that a plan and a trial share; null where the configuration has no such key."""
    names = ("batch_size", "channels", "i_ratio", "data_share", "precision")
    return {
        "trial_id": trial.trial_id,
        "profile": trial.profile,
        "setting": trial.setting,
        "group": GROUP,
        "dataset": trial.dataset,
        "method": trial.method,
        "seed": trial.seed,
        "iterations": trial.iterations,
        **{name: trial.config.get(name) for name in names},
    }


def plan_row(sweep: str, trial: OwnTrial, position: int) -> dict[str, Any]:
    """Row of `sweeps`; its work is counted in iterations, as nothing else is known of it."""
    parameters = None if trial.parameters is None else json.dumps(dict(trial.parameters))
    return {
        "sweep": sweep,
        "position": position,
        "operations": float(trial.iterations),
        "config": json.dumps(dict(trial.config)),
        "parameters": parameters,
        **identity_row(trial),
    }


def trial_row(
    trial: OwnTrial,
    history: Sequence[Record],
    verdict: Verdict,
    layers: Layers,
    *,
    has_ended: bool,
) -> dict[str, Any]:
    """The trial's row without its bookkeeping (status, host, times)."""
    last = history[-1] if history else None
    best = best_record(trial, history, verdict.mode_collapse_at)
    final = last if has_ended else None
    spectra = [record for record in history if record.get("spectrum_left") is not None]
    reached = last["iteration"] if last else 0
    return {
        **identity_row(trial),
        "iterations": trial.planned_iterations or max(1, reached),
        **verdict.onsets,
        "verdict_rules": json.dumps(dict(verdict.rules)),
        "not_judged": json.dumps(dict(verdict.not_judged)),
        "healthy": verdict.healthy,
        "iteration": reached,
        "best_iteration": best and best["iteration"],
        **{f"best_{name}": best and best.get(name) for name in SCORE_NAMES},
        "final_iteration": final and final["iteration"],
        **{f"final_{name}": final and final.get(name) for name in SCORE_NAMES},
        "first_spectrum_left": spectra[0]["spectrum_left"] if spectra else None,
        "final_spectrum_left": spectra[-1]["spectrum_left"] if spectra else None,
        "objective": objective(trial, best),
        "protocol": json.dumps({"extractor": None, "reason": "scores are the loop's own"}),
        "config": json.dumps({**trial.config, "version": trial.version}, sort_keys=True),
        "thresholds": json.dumps(
            {**dataclasses.asdict(DEFAULT_THRESHOLDS), VOTING: list(layers.voting)}
        ),
        "software": json.dumps(software()),
        "score": trial.score,
        "score_direction": trial.score and trial.scores[trial.score],
        "layer_names": list(layers.names) or None,
    }


def best_record(
    trial: OwnTrial, history: Sequence[Record], mode_collapse_at: int | None
) -> Record | None:
    """The evaluation with the best finite score before mode collapse, of equal ones the first."""
    if trial.score is None:
        return None
    column = trial.score_name
    sign = -1 if trial.is_higher_better else 1
    before = [
        record
        for record in history
        if (mode_collapse_at is None or record["iteration"] < mode_collapse_at)
        and record.get(column) is not None
        and math.isfinite(record[column])
    ]
    return min(before, key=lambda record: sign * record[column], default=None)


def objective(trial: OwnTrial, best: Record | None) -> float | None:
    """The objective of a search: the best score, negative where higher is better; None without."""
    if best is None or trial.score is None:
        return None
    sign = -1 if trial.is_higher_better else 1
    return sign * float(best[trial.score_name])


def stored_layers(row: Mapping[str, Any] | None) -> Layers:
    """The layers that an earlier process has found, by the trial's row; none if it has none."""
    if row is None or not row["layer_names"]:
        return Layers()
    return Layers(names=row["layer_names"], voting=json.loads(row["thresholds"])[VOTING])


def software() -> dict[str, str | None]:
    """Versions of what the numbers may depend on; of torch where the loop has imported it."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    torch = sys.modules.get("torch")
    versions["torch"] = getattr(torch, "__version__", None)
    try:
        versions["srgan-sweep"] = metadata.version("srgan-sweep")
    except metadata.PackageNotFoundError:  # a working directory that is not installed
        versions["srgan-sweep"] = None
    return versions | {"platform": sys.platform}
