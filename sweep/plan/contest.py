"""A contest of methods as it is asked for: what is tuned, with which budget, and where the winners
run. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from sweep.plan.grid import cells, settings_on
from sweep.plan.tuning_space import Candidate, TuningSpace
from trainer.config.lookup import UsageError, lookup
from trainer.config.settings import ALL_SETTINGS, PROFILES, SETTINGS
from trainer.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """A contest: each of `spaces`, all of one tuning setting, has at most `budget` candidates,
    each run with every tuning seed; the winners run on `settings` with `seeds`.

    `skipped` says, by setting and method, what does not go together.
    """

    spaces: Sequence[TuningSpace]
    budget: int
    tuning_seeds: Sequence[int]
    settings: Sequence[str]
    seeds: Sequence[int]
    sampler_seed: int
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def tuning_setting(self) -> str:
        return self.spaces[0].setting

    def candidates(self, space: TuningSpace) -> int:
        """Number of candidates of a method: fewer than the budget where it has no more."""
        return min(self.budget, space.size)

    def tuning_trials(self, space: TuningSpace, candidate: Candidate) -> list[TrialConfig]:
        return [space.trial(candidate, seed) for seed in self.tuning_seeds]

    def final_trials(self, space: TuningSpace, candidate: Candidate) -> list[TrialConfig]:
        """The trials of a winner; those of a setting on which it cannot run are left out."""
        configs = []
        for setting in self.settings:
            try:
                configs += [space.trial(candidate, seed, setting) for seed in self.seeds]
            except UsageError:
                continue
        return configs

    @property
    def identity(self) -> dict[str, Any]:
        """What the objectives of candidates depend on, and which one comes next."""
        space = self.spaces[0]
        changes = {name: value for name, value in space.changes.items() if value is not None}
        return {
            "profile": space.profile,
            "tuning_setting": space.setting,
            "tuning_seeds": list(self.tuning_seeds),
            "sampler_seed": self.sampler_seed,
            "changes": changes,
        }

    @property
    def record(self) -> dict[str, Any]:
        """The contest as it is stored."""
        return {
            **self.identity,
            "budget": self.budget,
            "settings": list(self.settings),
            "seeds": list(self.seeds),
        }

    @property
    def default_name(self) -> str:
        """The default name of its sweep: equal for equal contests."""
        methods = [space.method for space in self.spaces]
        content = json.dumps([self.record, methods], sort_keys=True).encode()
        return f"rivals-{self.spaces[0].profile}-{hashlib.sha256(content).hexdigest()[:6]}"


def contest(
    profile: str,
    methods: Sequence[str],
    *,
    budget: int,
    tuning_setting: str,
    tuning_seeds: Sequence[int],
    settings: Sequence[str],
    seeds: Sequence[int],
    sampler_seed: int,
    dataset: str | None = None,
    **changes: Any,
) -> Contest:
    """A contest of the methods and on the settings that the shell patterns name.

    On another `dataset` than the settings' own, settings are sizes, as in `sweep.plan.grid`.
    `changes` are fields of every trial. Raises UsageError for a name or value that is not one, and
    if a seed is used both for tuning and after it.
    """
    lookup("profile", PROFILES, profile)
    if dataset is None:
        lookup("setting", SETTINGS, tuning_setting)
    else:
        changes["dataset"] = dataset
        lookup("setting", ALL_SETTINGS, tuning_setting)
    (tuning_setting,) = settings_on(profile, [tuning_setting], dataset)
    names = settings_on(profile, settings, dataset)
    if common_seeds := sorted(set(tuning_seeds) & set(seeds)):
        raise UsageError(
            f"seed {common_seeds[0]} is one of --tuning-seeds and of --seeds: the winners must "
            "run on seeds that they were not chosen by"
        )
    spaces, skipped = [], {}
    for setting, method in cells([tuning_setting], methods):
        space = TuningSpace(profile=profile, setting=setting, method=method, changes=changes)
        try:
            space.published()
        except UsageError as error:
            skipped[f"{setting} with {method}"] = str(error)
            continue
        spaces.append(space)
    if not spaces:
        raise UsageError(next(iter(skipped.values()), "nothing is planned: give a method"))
    for space, setting in product(spaces, names):
        try:
            space.trial(space.published(), 0, setting)
        except UsageError as error:
            skipped[f"{setting} with {space.method}"] = str(error)
    return Contest(
        spaces=spaces,
        budget=budget,
        tuning_seeds=tuning_seeds,
        settings=names,
        seeds=seeds,
        sampler_seed=sampler_seed,
        skipped=skipped,
    )
