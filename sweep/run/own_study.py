"""The Optuna study over somebody else's function: what to start next, and what came of it.

In memory: it is rebuilt from the plan, which has what the sampler chose, and from the rows of the
trials whenever the command starts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import TrialState

from sweep.plan.own_space import Define, defined
from sweep.report.display import distance
from sweep.store.vocabulary import FINISHED, Row, is_halved
from trainer.config.lookup import UsageError
from trainer.config.own_trial import OwnTrial

# Asked again for a configuration that is known, samplers mostly repeat themselves.
TRIES = 20
SHOWN = 5
# Makes a trial of a configuration and of what the sampler chose for it.
Make = Callable[[Mapping[str, Any], Mapping[str, Any]], OwnTrial]


class OwnStudy:
    """A search of at most `trials` different ones in the space of `define`, the `planned` first.

    Raises UsageError where the space gives for the choices of a planned trial another one.
    """

    def __init__(
        self, define: Define, make: Make, planned: Sequence[OwnTrial], *, trials: int, seed: int
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(sampler=sampler)
        self._define, self._make, self._trials = define, make, trials
        self._asks: dict[str, optuna.Trial] = {}
        self._rows: dict[str, Row] = {}
        self._known: dict[str, OwnTrial] = {}
        self._is_exhausted = False
        # Before any work: a study of its own, so that nothing is suggested by that.
        throwaway = optuna.create_study().ask()
        self._make(defined(define, throwaway), throwaway.params)
        for trial in planned:
            self._recall(trial)

    def _recall(self, trial: OwnTrial) -> None:
        self._study.enqueue_trial(dict(trial.parameters or {}))
        ask, suggested = self._ask()
        if suggested.trial_id != trial.trial_id:
            raise UsageError(
                f"the space is another one than that of {trial.trial_id}, which this sweep has "
                "planned: give another --name"
            )
        self._begin(ask, trial)

    def _ask(self) -> tuple[optuna.Trial, OwnTrial]:
        ask = self._study.ask()
        config = defined(self._define, ask)
        return ask, self._make(config, ask.params)

    def _begin(self, ask: optuna.Trial, trial: OwnTrial) -> None:
        self._asks[trial.trial_id] = ask
        self._known[trial.trial_id] = trial

    def next(self) -> OwnTrial | None:
        """A trial that is not known yet; None if the study has all, or the sampler finds none."""
        for _ in range(0 if self.finished() else TRIES):
            ask, trial = self._ask()
            if trial.trial_id not in self._known:
                self._begin(ask, trial)
                return trial
            self._answer(ask, self._rows.get(trial.trial_id))
        self._is_exhausted = True
        return None

    def finished(self) -> bool:
        """True if no trial will be suggested any more."""
        return self._is_exhausted or len(self._known) >= self._trials

    def tell(self, trial_id: str, row: Row | None) -> None:
        """A trial has ended; only what completed, collapsed or was stopped at a rung counts."""
        if row is not None and row["status"] not in FINISHED and not is_halved(row):
            row = None
        if (ask := self._asks.pop(trial_id, None)) is not None:
            self._answer(ask, row)
        elif row is not None and trial_id not in self._rows and trial_id in self._known:
            # A trial that failed and was run again is asked for once more.
            self._study.enqueue_trial(dict(self._known[trial_id].parameters or {}))
            self._answer(self._ask()[0], row)
        if row is not None:
            self._rows[trial_id] = row

    def _answer(self, ask: optuna.Trial, row: Row | None) -> None:
        """A trial without a score is a failure to the sampler, which passes over it."""
        value = None if row is None else row["objective"]
        if row is None or value is None:
            self._study.tell(ask, state=TrialState.FAIL)
        elif is_halved(row):
            ask.report(value, row["rung_budget"])
            self._study.tell(ask, state=TrialState.PRUNED)
        else:
            self._study.tell(ask, value)

    def group(self, trial_id: str) -> str | None:
        """Name of the trials that a rung compares; they share what is not suggested."""
        return "own" if trial_id in self._known else None

    def lines(self) -> list[str]:
        """Lines with the best trials, and what the sampler chose for each."""
        scored = {i: row for i, row in self._rows.items() if row["objective"] is not None}
        best = sorted(scored, key=lambda trial_id: scored[trial_id]["objective"])[:SHOWN]
        if not best:
            return ["no trial has a score"]
        return ["the best of the search:"] + [
            f"    {trial_id}: {self._score(scored[trial_id])} with "
            f"{json.dumps(dict(self._known[trial_id].parameters or {}))}"
            for trial_id in best
        ]

    @staticmethod
    def _score(row: Row) -> str:
        value = -row["objective"] if row["score_direction"] == "higher" else row["objective"]
        return f"{row['score']} {distance(value)}"
