"""Findings of a contest: what each method was tuned to and from how many candidates, and how the
winners did on fresh seeds; as text and as a stored record."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from sweep.paper.scores import DECIMALS, SCORE_TITLES
from sweep.plan.tuning_space import Candidate
from sweep.run.rows import PENALTY
from sweep.run.tuning import Attempt, Tuning
from sweep.store.vocabulary import FINISHED, Row
from trainer.config.knobs import tuning_note
from trainer.config.trial import TrialConfig


def record_of_tuning(tuning: Tuning, final_trials: Sequence[str]) -> dict[str, Any]:
    """A tuning as it is stored; objectives that are not there yet, and a winner, are None."""
    attempts = [
        {
            "values": attempt.candidate,
            "objective": attempt.objective if attempt.is_judged else None,
            "trials": [
                {
                    "trial_id": config.trial_id,
                    "seed": config.seed,
                    "status": attempt.statuses.get(config.trial_id),
                    "objective": attempt.objectives.get(config.trial_id),
                }
                for config in attempt.configs
            ],
        }
        for attempt in tuning.attempts
    ]
    return {
        "method": tuning.space.method,
        "note": tuning_note(tuning.space.method),
        "knobs": [
            {
                "name": knob.name,
                "scale": knob.scale,
                "levels": list(knob.levels),
                "source": knob.source,
            }
            for knob in tuning.space.knobs
        ],
        "budget": tuning.budget,
        "candidates": attempts,
        "winner": _winner(tuning) if tuning.is_finished else None,
        "final_trials": list(final_trials),
    }


def _winner(tuning: Tuning) -> dict[str, Any]:
    values = tuning.winner
    if not tuning.attempts:
        return {"values": values, "candidate": None, "candidates": 0, "objective": None}
    position = [attempt.candidate for attempt in tuning.attempts].index(values)
    return {
        "values": values,
        "candidate": position + 1,
        "candidates": len(tuning.attempts),
        "objective": tuning.attempts[position].objective,
        "published_objective": tuning.attempts[0].objective,
    }


def tuning_lines(tunings: Sequence[Tuning], setting: str, seeds: Sequence[int]) -> list[str]:
    """What each method was tuned to, from how many candidates, with its objective."""
    score = tunings[0].space.trial(tunings[0].space.published(), 0).score_name
    lines = [
        f"tuned on {setting}, seeds {', '.join(map(str, seeds))}: mean best "
        f"{SCORE_TITLES[score]} before mode collapse, lower is better"
    ]
    width = max(len(tuning.space.method) for tuning in tunings)
    for tuning in tunings:
        words = _tuning_in_words(tuning, DECIMALS[score])
        lines.append(f"  {tuning.space.method:{width}}  {words}")
    return lines


def _tuning_in_words(tuning: Tuning, decimals: int) -> str:
    note = tuning_note(tuning.space.method)
    if not tuning.space.knobs:
        return note or ""
    n_judged = sum(attempt.is_judged for attempt in tuning.attempts)
    if not tuning.is_finished:
        text = f"not tuned yet: {n_judged} of {tuning.budget} candidates are judged"
        if tuning.is_interrupted:
            text += ", one was stopped; the same command goes on with it"
        return text
    winner = _winner(tuning)
    best, published = (
        _objective_in_words(tuning.attempts[position], decimals)
        for position in (winner["candidate"] - 1, 0)
    )
    text = (
        f"{best} with {values_in_words(winner['values'])}: candidate {winner['candidate']} of "
        f"{winner['candidates']}; as published {published}"
    )
    return f"{text}; {note}" if note else text


def values_in_words(candidate: Candidate) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in candidate.items())


def _objective_in_words(attempt: Attempt, decimals: int) -> str:
    """The mean, and on how many seeds there was no score."""
    n_missing = sum(value >= PENALTY for value in attempt.objectives.values())
    if n_missing == len(attempt.configs):
        return "no score"
    text = f"{attempt.objective:.{decimals}f}"
    n = len(attempt.configs)
    return f"{text} (no score on {n_missing} of {n} seeds)" if n_missing else text


def final_lines(
    finals: Mapping[str, Sequence[TrialConfig]],
    rows: Mapping[str, Row | None],
    settings: Sequence[str],
) -> list[str]:
    """The winners on fresh seeds: mean and standard deviation of their best scores, by setting."""
    trials = [config for configs in finals.values() for config in configs]
    if not trials:
        return []
    score = trials[0].score_name
    lines = [f"the winners on fresh seeds: best {SCORE_TITLES[score]}, mean ± sd (n)"]
    cells = [["", *settings]]
    for method, configs in finals.items():
        of_setting = [[c for c in configs if c.setting == setting] for setting in settings]
        cells.append(
            [method, *(_scores_in_words(each, rows, DECIMALS[score]) for each in of_setting)]
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        *lines,
        *("  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in cells),
    ]


def _scores_in_words(
    configs: Sequence[TrialConfig], rows: Mapping[str, Row | None], decimals: int
) -> str:
    if not configs:
        return "cannot run"
    final_rows = [rows.get(config.trial_id) for config in configs]
    scores = [
        row[f"best_{config.score_name}"]
        for row, config in zip(final_rows, configs, strict=True)
        if row is not None and row["status"] in FINISHED
    ]
    values = [value for value in scores if value is not None and math.isfinite(value)]
    if not values:
        return f"no score (0 of {len(configs)})"
    count = f"{len(values)}" if len(values) == len(configs) else f"{len(values)} of {len(configs)}"
    sd = f" ± {statistics.stdev(values):.{decimals}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{decimals}f}{sd} ({count})"
