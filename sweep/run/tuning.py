"""The tuning of one method: which candidate comes next, and which is best. Optuna through Ray
Tune's searcher for it; nothing here knows how trials are run.

What comes next is a pure function of what the earlier candidates gave, so a tuning that was killed
goes on as if it had not been, however many trials run at once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import optuna
from ray.tune.search.optuna import OptunaSearch

from sweep.plan.tuning_space import Candidate, TuningSpace
from sweep.run.rows import PENALTY
from sweep.store.vocabulary import FINISHED, Row, is_halved
from trainer.config.trial import TrialConfig

# The method as published, and so many others at random; only then does the sampler look at what
# they gave, one candidate after the other.
STARTUP = 5
# Candidates in a row that the sampler may name again before the nearest new one is taken.
PATIENCE = 5


@dataclass(slots=True)
class Attempt:
    """A candidate and its trials, one per tuning seed. By trial id: `statuses` of those that have
    ended, `objectives` of those that can be judged."""

    candidate: Candidate
    configs: list[TrialConfig]
    objectives: dict[str, float] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)

    @property
    def is_judged(self) -> bool:
        return len(self.objectives) == len(self.configs)

    @property
    def is_interrupted(self) -> bool:
        """True if a trial was stopped, and so gave nothing to judge by."""
        unjudged = self.statuses.keys() - self.objectives.keys()
        return any(self.statuses[trial_id] == "stopped" for trial_id in unjudged)

    @property
    def is_halved(self) -> bool:
        """True if a trial was stopped at a rung."""
        return self.is_judged and "stopped" in self.statuses.values()

    @property
    def objective(self) -> float:
        """Mean over the tuning seeds, lower is better; infinite until all have ended."""
        return (
            math.fsum(self.objectives.values()) / len(self.configs) if self.is_judged else math.inf
        )


class Tuning:
    """A tuning of at most `budget` candidates, the first the method as published.

    `candidates` are those of earlier starts, in their order. `seed` is the sampler's.
    """

    def __init__(
        self,
        space: TuningSpace,
        seeds: Sequence[int],
        *,
        budget: int,
        seed: int,
        candidates: Sequence[Candidate] = (),
    ) -> None:
        self.space = space
        self.seeds = seeds
        self.seed = seed
        self.budget = min(budget, space.size)
        self.attempts: list[Attempt] = []
        self._attempt_of_trial: dict[str, Attempt] = {}
        for candidate in candidates[: self.budget]:
            self._begin(candidate)

    @property
    def n_running(self) -> int:
        """Number of trials that have begun and not ended."""
        return sum(len(each.configs) - len(each.statuses) for each in self.attempts)

    @property
    def is_finished(self) -> bool:
        """True if all candidates are judged, and so the winner stands."""
        return len(self.attempts) >= self.budget and all(each.is_judged for each in self.attempts)

    @property
    def is_interrupted(self) -> bool:
        """True if it cannot go on: a trial that it waits for was stopped."""
        return any(each.is_interrupted for each in self.attempts)

    @property
    def winner(self) -> Candidate:
        """The candidate with the lowest objective, the earlier of equal ones; with nothing to
        tune, or where no candidate reached a score, the method as published."""
        if not self.attempts:
            return self.space.published()
        return min(self.attempts, key=lambda attempt: attempt.objective).candidate

    def next(self) -> list[TrialConfig]:
        """Begins a candidate; returns its trials, none if there is nothing to begin now."""
        position = len(self.attempts)
        if position >= self.budget:
            return []
        if position >= STARTUP and not all(each.is_judged for each in self.attempts):
            return []
        candidate = self._suggestion() if position else self.space.published()
        if candidate is None:
            self.budget = position  # the others cannot run
            return []
        return self._begin(candidate).configs

    def tell(self, trial_id: str, row: Row | None) -> bool:
        """Takes in how a trial ended; returns whether its candidate is now judged.

        A trial that failed or diverged counts as PENALTY, worse than any score; one that was
        stopped at a rung by the best that it had reached, which more training cannot make worse;
        one that was stopped otherwise does not count. Raises KeyError for a trial of another
        tuning.
        """
        attempt = self._attempt_of_trial[trial_id]
        status = "failed" if row is None else row["status"]
        attempt.statuses[trial_id] = status
        if status == "stopped" and not is_halved(row):
            attempt.objectives.pop(trial_id, None)
        else:
            attempt.objectives[trial_id] = _objective(row)
        return attempt.is_judged

    def group(self, trial_id: str) -> str:
        """Names the trials that a scheduler compares this one with: of equal method and seed."""
        configs = self._attempt_of_trial[trial_id].configs
        seed = next(config.seed for config in configs if config.trial_id == trial_id)
        return f"{self.space.method} s{seed}"

    def __contains__(self, trial_id: str) -> bool:
        return trial_id in self._attempt_of_trial

    def _begin(self, candidate: Candidate) -> Attempt:
        configs = [self.space.trial(candidate, seed) for seed in self.seeds]
        attempt = Attempt(candidate, configs)
        self.attempts.append(attempt)
        self._attempt_of_trial |= {config.trial_id: attempt for config in configs}
        return attempt

    def _suggestion(self) -> Candidate | None:
        """A candidate that was not tried; None if there is no other that can run."""
        candidates = [attempt.candidate for attempt in self.attempts]
        suggested: Candidate = {}
        for repeat in range(PATIENCE):
            suggested = suggestion(
                self.space,
                self.attempts,
                _derived_seed(self.seed, self.space.method, len(candidates), repeat),
            )
            if suggested not in candidates and self.space.runs(suggested):
                return suggested
        rest = [candidate for candidate in self.space.candidates() if candidate not in candidates]
        return min(rest, key=lambda c: self.space.distance(c, suggested), default=None)


def suggestion(space: TuningSpace, attempts: Sequence[Attempt], seed: int) -> Candidate:
    """Names a candidate: at random for the first STARTUP, then by TPE from what these gave.

    Optuna sees levels by their number, so that it knows their order, and as pruned what was
    stopped at a rung.
    """
    distributions = {
        knob.name: optuna.distributions.IntDistribution(0, len(knob.levels) - 1)
        for knob in space.knobs
    }
    if len(attempts) < STARTUP:
        sampler, attempts = optuna.samplers.RandomSampler(seed=seed), ()
    else:
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=0)
    search = OptunaSearch(
        distributions, metric="objective", mode="min", sampler=sampler, study_name=space.method
    )
    for attempt in attempts:
        numbers = {
            knob.name: knob.levels.index(attempt.candidate[knob.name]) for knob in space.knobs
        }
        pruned_at = [attempt.objective] if attempt.is_halved else None
        search.add_evaluated_point(
            numbers, attempt.objective, pruned=attempt.is_halved, intermediate_values=pruned_at
        )
    numbers = search.suggest("next")
    assert numbers is not None  # that is what other searchers say of a finished search
    return {knob.name: knob.levels[numbers[knob.name]] for knob in space.knobs}


def _derived_seed(*parts: object) -> int:
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _objective(row: Row | None) -> float:
    has_ended = row is not None and (row["status"] in FINISHED or is_halved(row))
    if row is None or not has_ended or row["diverged_at"] is not None:
        return PENALTY
    value = row["objective"]
    return float(value) if value is not None and math.isfinite(value) else PENALTY
