"""The studies of a search: what to start next, and what came of it. Optuna and Ray Tune's
searcher for it; nothing here knows how trials are run.

A study is in memory. It is rebuilt from the plan and the rows of the trials whenever the command
starts, so the store stays the only record.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from ray.tune.search.optuna import OptunaSearch

from sweep.plan.search_space import I_STEPS, Parameters, Space
from sweep.run.study_report import Outcome, finding, lines, objective, record
from sweep.store.vocabulary import FINISHED, Row, is_halved
from trainer.config.trial import TrialConfig


class Study:
    """A study: at most `trials` different trials of its space, `planned` ones among them."""

    def __init__(self, space: Space, planned: Iterable[str], *, trials: int, seed: int) -> None:
        self.space = space
        self.trials = trials
        self.rows: dict[str, Row] = {}
        self.running: set[str] = set()
        self._parameters = space.parameters()
        self._unknown = dict.fromkeys(self._parameters)
        self._neighbours = Neighbours(space, self._parameters)
        self._ask_by_trial: dict[str, str] = {}
        self._asks = 0
        # The seed goes to the sampler: OptunaSearch takes its own seed of 0 for none. Its space
        # is a function, as i_ratio is there for some methods only.
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        storage = optuna.storages.InMemoryStorage()
        self._search = OptunaSearch(
            self._define,
            metric="objective",
            mode="min",
            sampler=sampler,
            study_name=space.name,
            storage=storage,
        )
        self._study = optuna.load_study(study_name=space.name, storage=storage, sampler=sampler)
        for trial_id in planned:
            if trial_id in self._unknown:
                self._begin(trial_id, self._enqueue(trial_id))

    @property
    def n_suggested(self) -> int:
        """Number of trials that it has suggested, those of earlier starts included."""
        return len(self._parameters) - len(self._unknown)

    @property
    def exhausted(self) -> bool:
        return not self._unknown

    @property
    def finished(self) -> bool:
        """True if it will suggest nothing more."""
        return self.exhausted or self.n_suggested >= self.trials

    def suggest(self) -> TrialConfig | None:
        """A trial that is not known yet: the sampler's, or the nearest if that is known or cannot
        run. None if the study is finished."""
        if self.finished:
            return None
        ask, parameters = self._ask()
        config = self.space.trial(parameters)
        if config is not None and config.trial_id in self._unknown:
            self._begin(config.trial_id, ask)
            return config
        self._answer(ask, None if config is None else self.rows.get(config.trial_id))
        # Asked once more, samplers mostly repeat themselves, and each time costs as much.
        nearest = self._neighbours.nearest(parameters, self._unknown)
        self._begin(nearest, self._enqueue(nearest))
        return self.space.trial(self._parameters[nearest])

    def tell(self, trial_id: str, row: Row | None) -> None:
        """A trial has ended. Only what is completed or collapsed, or was stopped at a rung, counts
        for the sampler; what went on from its rung counts there as it did."""
        self.running.discard(trial_id)
        if row is not None and row["status"] not in FINISHED and not is_halved(row):
            row = None
        earlier_row = self.rows.get(trial_id)
        if earlier_row is None:
            # A trial that failed and was run again is asked for once more.
            ask = self._ask_by_trial.pop(trial_id, None) or self._enqueue(trial_id)
            self._answer(ask, row)
        if row is not None and (earlier_row is None or is_halved(earlier_row)):
            self.rows[trial_id] = row

    def outcome(self) -> Outcome:
        findings = [finding(self._parameters[i], row) for i, row in self.rows.items()]
        return Outcome(
            space=self.space,
            trials=self.trials,
            suggested=self.n_suggested,
            findings=sorted(findings, key=lambda result: (result.objective, result.trial_id)),
        )

    def _define(self, trial: optuna.Trial) -> None:
        parameters = {
            name: trial.suggest_categorical(name, list(values))
            for name, values in self.space.categories.items()
        }
        if self.space.lifts(parameters):
            trial.suggest_float("i_ratio", 1 / I_STEPS, 1.0, step=1 / I_STEPS)

    def _ask(self) -> tuple[str, Parameters]:
        self._asks += 1
        ask = str(self._asks)
        parameters = self._search.suggest(ask)
        assert parameters is not None  # that is what other searchers say of a finished search
        return ask, parameters

    def _enqueue(self, trial_id: str) -> str:
        """Asks for a trial that was not the sampler's idea."""
        self._study.enqueue_trial(self._parameters[trial_id])
        return self._ask()[0]

    def _begin(self, trial_id: str, ask: str) -> None:
        del self._unknown[trial_id]
        self.running.add(trial_id)
        self._ask_by_trial[trial_id] = ask

    def _answer(self, ask: str, row: Row | None) -> None:
        """Without a row the sampler is told of a failure, which it passes over; a trial that was
        stopped at a rung is pruned there, and ranks below those that were not."""
        result = None if row is None else {"objective": objective(row)}
        if row is not None and result is not None and is_halved(row):
            at_rung = result | {"training_iteration": row["rung_budget"]}
            self._search.on_trial_result(ask, at_rung)
            result = None
        self._search.on_trial_complete(ask, result, error=row is None)


class Neighbours:
    """The nearest of a space's trials: a search asks for it thousands of times."""

    def __init__(self, space: Space, parameters: Mapping[str, Parameters]) -> None:
        self._ids = np.array([*parameters])
        self._columns = {
            name: _numbers((own[name] for own in parameters.values()), values)
            for name, values in space.categories.items()
        }
        self._values = {name: [*values] for name, values in space.categories.items()}
        self._ratios = np.array([own.get("i_ratio", 0.0) for own in parameters.values()])

    def nearest(self, parameters: Parameters, candidates: Collection[str]) -> str:
        """The first of the nearest `candidates`, in their order in the space, by 1 per category
        that differs, and the difference of i_ratio."""
        distance = np.abs(self._ratios - parameters.get("i_ratio", 0.0))
        for name, column in self._columns.items():
            distance += column != self._values[name].index(parameters[name])
        order = np.argsort(distance, kind="stable")
        return next(str(self._ids[i]) for i in order if self._ids[i] in candidates)


def _numbers(chosen: Iterable[Any], values: Sequence[Any]) -> np.ndarray:
    """The place of each choice among the values."""
    places = {value: place for place, value in enumerate(values)}
    return np.array([places[value] for value in chosen])


class Studies:
    """All studies of a search, which share the slots evenly: what the launcher asks for trials.

    `planned` are the ids of the stored plan. `timeout`, in s from now, ends suggesting and not
    the trials that run. `keep` stores what was found, a JSON object per study.
    """

    def __init__(
        self,
        spaces: Sequence[Space],
        planned: Sequence[str],
        *,
        trials: int,
        seed: int,
        timeout: float | None = None,
        keep: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.studies = [Study(space, planned, trials=trials, seed=seed) for space in spaces]
        self._study_of_trial = {
            i: study for study in self.studies for i in study.space.parameters()
        }
        self._deadline = math.inf if timeout is None else time.monotonic() + timeout
        self._keep = keep
        self._recorded = False

    def next(self) -> TrialConfig | None:
        """A trial of the study that has the fewest running; None if there is none to start."""
        if not self._recorded and any(study.rows for study in self.studies):
            # Whatever ends this run, the sweep is on record as this search.
            self._keep([record(study.outcome()) for study in self.studies])
            self._recorded = True
        if self.finished():
            return None
        turns = [study for study in self.studies if not study.finished]
        return min(turns, key=lambda study: (len(study.running), study.n_suggested)).suggest()

    def finished(self) -> bool:
        """True if no trial will be suggested any more."""
        late = time.monotonic() >= self._deadline
        return late or all(study.finished for study in self.studies)

    def tell(self, trial_id: str, row: Row | None) -> None:
        """A trial has ended with that row of `trials`, None if it has none.

        The plan may hold trials of a study whose data set is not there now.
        """
        if trial_id in self._study_of_trial:
            self._study_of_trial[trial_id].tell(trial_id, row)

    def group(self, trial_id: str) -> str | None:
        """The study of a trial: its trials share their seed, and differ in what is searched."""
        study = self._study_of_trial.get(trial_id)
        return None if study is None else study.space.name

    def lines(self) -> list[str]:
        """Lines on the best trials and the importances of each study, which are stored as well."""
        outcomes = [study.outcome() for study in self.studies]
        self._keep([record(outcome) for outcome in outcomes])
        return [line for outcome in outcomes for line in lines(outcome)]
