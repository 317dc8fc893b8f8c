"""A contest of rivals: each method is tuned with the same budget, then its winner runs on fresh
seeds. What the launcher asks for trials.

The candidates are on record before their trials start; all else follows from the rows of trials.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import optuna

from sweep.plan.contest import Contest
from sweep.plan.tuning_space import Candidate
from sweep.run.rivals_report import final_lines, record_of_tuning, tuning_lines
from sweep.run.tuning import Tuning
from sweep.store.vocabulary import Row
from trainer.config.costs import operations
from trainer.config.trial import TrialConfig


class Rivals:
    """The trials of a contest, tuning first.

    `planned` are the ids of the stored plan, `candidates` those on record by method. `keep` stores
    how each tuning stands, a JSON object per method.
    """

    def __init__(
        self,
        contest: Contest,
        planned: Collection[str],
        candidates: Mapping[str, Sequence[Candidate]],
        keep: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.contest = contest
        self.tunings = [
            Tuning(
                space,
                contest.tuning_seeds,
                budget=contest.budget,
                seed=contest.sampler_seed,
                candidates=candidates.get(space.method, ()),
            )
            for space in contest.spaces
        ]
        self.rows: dict[str, Row | None] = {}
        self._planned = set(planned)
        self._keep = keep
        self._pending = deque(
            config
            for tuning in self.tunings
            for attempt in tuning.attempts
            for config in attempt.configs
            if config.trial_id not in self._planned
        )
        self._finals: dict[str, tuple[Candidate, list[TrialConfig]]] = {}

    def next(self) -> TrialConfig | None:
        """A trial of the tuning that has the fewest running, then of the winners, longest first;
        None if there is none to start now."""
        if not self._pending:
            self._begin_candidate()
        if self._pending:
            config = self._pending.popleft()
        else:
            config = max(self._final_trials_left(), key=operations, default=None)
        if config is not None:
            self._planned.add(config.trial_id)
        return config

    def finished(self) -> bool:
        """True if no trial will be suggested any more."""
        if self._pending or self._final_trials_left():
            return False
        return all(tuning.is_finished or tuning.is_interrupted for tuning in self.tunings)

    def tell(self, trial_id: str, row: Row | None) -> None:
        """A trial has ended with that row of `trials`, None if it has none."""
        self.rows[trial_id] = row
        judged = [each.tell(trial_id, row) for each in self.tunings if trial_id in each]
        if any(judged):
            self._keep(self.records())

    def records(self) -> list[dict[str, Any]]:
        """How each tuning stands, for the store."""
        return [
            record_of_tuning(tuning, [config.trial_id for config in self._final_trials(tuning)])
            for tuning in self.tunings
        ]

    def group(self, trial_id: str) -> str | None:
        """The method and seed of a tuning trial; winners run to their end."""
        for tuning in self.tunings:
            if trial_id in tuning:
                return tuning.group(trial_id)
        return None

    def lines(self) -> list[str]:
        """Lines on what was tuned to what, and on the winners' scores; the first are stored."""
        self._keep(self.records())
        finals = {
            tuning.space.method: self._final_trials(tuning)
            for tuning in self.tunings
            if tuning.is_finished
        }
        contest = self.contest
        return [
            *tuning_lines(self.tunings, contest.tuning_setting, contest.tuning_seeds),
            *final_lines(finals, self.rows, contest.settings),
        ]

    def _begin_candidate(self) -> None:
        for tuning in sorted(self.tunings, key=lambda t: (t.n_running, len(t.attempts))):
            if configs := tuning.next():
                self._keep(self.records())
                self._pending += [c for c in configs if c.trial_id not in self._planned]
                return

    def _final_trials(self, tuning: Tuning) -> list[TrialConfig]:
        """The trials of a tuning's winner; none while it is not known."""
        if not tuning.is_finished:
            return []
        method, winner = tuning.space.method, tuning.winner
        if method not in self._finals or self._finals[method][0] != winner:
            self._finals[method] = winner, self.contest.final_trials(tuning.space, winner)
        return self._finals[method][1]

    def _final_trials_left(self) -> list[TrialConfig]:
        return [
            config
            for tuning in self.tunings
            for config in self._final_trials(tuning)
            if config.trial_id not in self._planned
        ]
