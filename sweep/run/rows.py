"""Stored rows of plans and trials: the only mapping from evaluations to rows.

Pure functions of a configuration and of the history of its evaluations, the records of
`trainer.loop`. No torch, no Ray.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sweep.recording.rows import plan_row as own_plan_row
from sweep.store.schemas import SCORE_NAMES
from trainer.collapse import Record
from trainer.config.lifting import lifted_counts
from trainer.config.methods import METHODS
from trainer.config.own_trial import AnyTrial, OwnTrial, work_of
from trainer.config.picture_gauge import SCORE
from trainer.config.settings import ALL_SETTINGS
from trainer.config.trial import TrialConfig
from trainer.thresholds import Thresholds
from trainer.verdict import Verdict

# The objective where no distance could be measured: worse than any measured one (noise
# scores below 5,000 in FD-digits, below 500 in FID), and finite, as samplers ignore NaN.
PENALTY = 10_000.0

PENALTY_RATIOS = ("d_penalty_ratio", "g_penalty_ratio")
# Columns filled only with a GPU, only with `hessian_k`, not by an older version that began the
# trial, or by other loops.
RARELY_MEASURED = (
    "held_out_gap",
    "spectrum_low",
    "low_share",
    "gpu_memory",
    "d_gradient",
    "g_hessian",
    "g_hessian_residual",
    "d_hessian",
    "d_hessian_residual",
    "own_values",
)
# Of loops that are not this project's; `score` of own pictures without Inception weights too.
OF_OWN_TRIALS = dict.fromkeys(("score", "score_direction", "layer_names"))
OF_OWN_PLANS = dict.fromkeys(("config", "parameters"))


def identity_row(config: TrialConfig) -> dict[str, Any]:
    """The columns that a plan and a trial share; sizes in the paper's are null where the setting
    is none that this version names."""
    setting = ALL_SETTINGS.get(config.setting)
    return {
        "trial_id": config.trial_id,
        "profile": config.profile,
        "setting": config.setting,
        "group": setting and setting.group,
        "setting_batch_size": setting and setting.batch_size,
        "setting_channels": setting and setting.channels,
        "batch_size": config.batch_size,
        "micro_batch": config.micro_batch,
        "channels": config.channels,
        "dataset": config.dataset,
        "method": config.method,
        "form": METHODS[config.method].form,
        "i_ratio": config.i_ratio,
        "seed": config.seed,
        "iterations": config.iterations,
        "data_share": config.data_share,
        "precision": config.precision,
        "parent": config.parent,
        "parent_iteration": config.parent_iteration,
    }


def plan_rows(
    sweep: str, trials: Sequence[AnyTrial], first_position: int = 0
) -> list[dict[str, Any]]:
    """Rows of `sweeps`, in the order of `trials`, numbered from `first_position` on."""
    return [_plan_row(sweep, *numbered) for numbered in enumerate(trials, start=first_position)]


def _plan_row(sweep: str, position: int, config: AnyTrial) -> dict[str, Any]:
    if isinstance(config, OwnTrial):
        return own_plan_row(sweep, config, position)
    return {
        "sweep": sweep,
        "position": position,
        "operations": work_of(config),
        **identity_row(config),
        **OF_OWN_PLANS,
    }


def evaluation_rows(config: TrialConfig, history: Sequence[Record]) -> list[dict[str, Any]]:
    """Rows of `evaluations`; what this trial's protocol or method does not measure is None."""
    unmeasured = dict.fromkeys((*SCORE_NAMES, *RARELY_MEASURED))
    # Only where both players step at once are there two gradients to compare; else it is NaN.
    absent = {} if METHODS[config.method].simultaneous else dict.fromkeys(PENALTY_RATIOS)
    trial_id = config.trial_id
    return [{"trial_id": trial_id, **unmeasured, **record, **absent} for record in history]


def spectrum_rows(
    trial_id: str,
    iteration: int,
    spectra: Sequence[Sequence[float]],
    stable_ranks: Sequence[Sequence[float]],
) -> list[dict[str, Any]]:
    """Rows of `spectra` of one evaluation, one per layer; the first has no stable ranks yet."""
    return [
        {
            "trial_id": trial_id,
            "iteration": iteration,
            "layer": layer,
            "singular_values": list(values),
            "stable_ranks": list(stable_ranks[layer]) if stable_ranks else [],
        }
        for layer, values in enumerate(spectra)
    ]


def output_rows(
    trial_id: str, iteration: int, histograms: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of `outputs` of one evaluation, one per set of images and quantity."""
    return [{"trial_id": trial_id, "iteration": iteration, **row} for row in histograms]


def best_record(
    history: Sequence[Record], score: str, mode_collapse_at: int | None
) -> Record | None:
    """The evaluation with the lowest `score` before mode collapse, for every method alike.

    None if none has a number there; NaN is no number. Of equal ones it is the first.
    """
    before = [
        record
        for record in history
        if (mode_collapse_at is None or record["iteration"] < mode_collapse_at)
        and _is_number(record.get(score))
    ]
    return min(before, key=lambda record: record[score], default=None)


def objective(best: Record | None, score: str) -> float:
    """The objective of a search: the best distance, PENALTY if there is none. Always finite."""
    return PENALTY if best is None else float(best[score])


def trial_row(
    config: TrialConfig,
    history: Sequence[Record],
    verdict: Verdict | None,
    thresholds: Thresholds,
    final_scores: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """The trial's row without its bookkeeping (status, protocol, host, times).

    `final_scores` are given when the trial has ended; until then the `final_*` columns are None.
    """
    first, last = (history[0], history[-1]) if history else (None, None)
    collapse_iteration = None if verdict is None else verdict.mode_collapse_at
    best = best_record(history, config.score_name, collapse_iteration)
    final = last if final_scores is not None else None
    counts = lifted_counts(config)
    return {
        **identity_row(config),
        "mode_collapse_at": collapse_iteration,
        "spectral_collapse_at": verdict and verdict.spectral_collapse_at,
        "dead_at": verdict and verdict.dead_at,
        "diverged_at": verdict and verdict.diverged_at,
        "verdict_rules": json.dumps(dict(verdict.rules) if verdict else {}),
        "not_judged": json.dumps(dict(verdict.not_judged)) if verdict else None,
        "healthy": verdict and verdict.healthy,
        "lifted_counts": counts and list(counts),
        "iteration": last["iteration"] if last else 0,
        "best_iteration": best and best["iteration"],
        **{f"best_{name}": best and best.get(name) for name in SCORE_NAMES},
        "final_iteration": final and final["iteration"],
        **{f"final_{name}": (final_scores or {}).get(name) for name in SCORE_NAMES},
        "first_spectrum_left": first and first["spectrum_left"],
        "final_spectrum_left": final and final["spectrum_left"],
        "objective": objective(best, config.score_name),
        "config": json.dumps(dataclasses.asdict(config), sort_keys=True),
        "thresholds": json.dumps(dataclasses.asdict(thresholds)),
        **OF_OWN_TRIALS,
        "layer_names": config.network_facts and list(config.network_facts.layers),
        "score": SCORE if config.score_name == SCORE else None,
    }


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
