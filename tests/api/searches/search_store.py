"""A store with a search over everything: its trials, and what the search has recorded."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

from sweep.plan.search_space import Space, spaces_over_everything
from sweep.run.rows import PENALTY, identity_row, plan_rows
from sweep.store.store import Store
from sweep.store.vocabulary import study_path
from tests.api.stores import START, write_driver
from trainer.config.trial import TrialConfig

SEARCH, PLANNED, ENDED = "search", 30, 26
# Of the trials in the plan's order: without a score, stopped at a rung, failed, running.
PENALISED, HALVED, FAILED, RUNNING = 3, 5, 7, 26


def space() -> Space:
    return next(s for s in spaces_over_everything("digits", ["digits8"], 0))


def chosen_configs() -> list[TrialConfig]:
    """Trials of every method, from the space of the search, the same ones each time."""
    by_method: dict[str, list[TrialConfig]] = {}
    for config in space().trials.values():
        by_method.setdefault(config.method, []).append(config)
    draw = random.Random(1)
    few = [draw.sample(configs, 5) for configs in by_method.values()]
    return [config for turn in zip(*few, strict=True) for config in turn][:PLANNED]


def trial_row(number: int, config: TrialConfig) -> dict[str, Any]:
    """A trial whose score is lower the nearer its i is to 0.3; later ones end later."""
    status = {HALVED: "stopped", FAILED: "failed", RUNNING: "running"}.get(number, "completed")
    score = 400 + 400 * abs((config.i_ratio or 1.0) - 0.3) + number
    has_score = number != PENALISED
    return {
        **identity_row(config),
        "status": status,
        "iteration": 100 if number == HALVED else config.iterations,
        "best_iteration": 50 if has_score else None,
        "best_fd_digits": score if has_score else None,
        "objective": score if has_score else PENALTY,
        "rung": 1 if number == HALVED else None,
        "rung_budget": 100 if number == HALVED else None,
        "config": json.dumps({"discriminator_rate_factor": config.discriminator_rate_factor}),
        "verdict_rules": "{}",
        "not_judged": "{}",
        "started_at": START,
        "updated_at": START + timedelta(minutes=number),
        "traceback": "RuntimeError: none" if number == FAILED else None,
    }


def write_search(root: Path, *, recorded: bool = True) -> Store:
    """The store; without `recorded` the search has left no word of its studies."""
    store = Store(root)
    configs = chosen_configs()
    store.write_rows("sweeps", SEARCH, plan_rows(SEARCH, configs))
    for number, config in enumerate(configs[:ENDED], start=1):
        store.write_rows("trials", config.trial_id, [trial_row(number, config)])
    write_driver(store, SEARCH, state="finished")
    if recorded:
        study = {"study": "digits8", "method": None, "asked_for": PLANNED, "possible": 9648}
        store.write(study_path(SEARCH), json.dumps({"studies": [study]}).encode())
    return store
