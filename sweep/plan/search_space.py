"""Search spaces: every trial that a search may suggest, by the parameters that name it.

The spaces are finite, as i is quantised and sizes are those of Table I, so they are written out:
what cannot run is not in them, and one can be known to be exhausted. Standard library only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from sweep.plan.grid import missing_data, settings_on
from trainer.config.lookup import UsageError, lookup, select
from trainer.config.own_images import own_resolution
from trainer.config.settings import METHODS, PROFILES, setting_name
from trainer.config.trial import TrialConfig, trial_config

# i_ratio is one of 1/32, 2/32, .., 1.
I_STEPS = 32
# Methods with and without lifting and renormalisation, and dynamic compensation.
COMPENSATIONS = ("sn", "sr-static", "sr-dynamic", "sn-renorm", "sr-lift")
# D's learning rate over the profile's: TTUR's 4, half and twice of it, and as it is.
RATE_FACTORS = (1.0, 2.0, 4.0, 8.0)

Parameters = Mapping[str, Any]
Key = tuple[tuple[str, Any], ...]
_ORDER = ("method", "i_ratio", "batch_size", "channels", "discriminator_rate_factor")
# Of _ORDER, what a study over everything has categories of.
_CATEGORIES = ("method", "batch_size", "channels", "discriminator_rate_factor")


def _key(parameters: Parameters) -> Key:
    return tuple((name, parameters[name]) for name in _ORDER if name in parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The space of one study: `categories` by parameter, and i_ratio where a method lifts.

    `name` is the study's: a setting with one `method`, or a data set with None.
    """

    name: str
    dataset: str
    method: str | None
    categories: Mapping[str, Sequence[Any]]
    trials: Mapping[Key, TrialConfig]

    def trial(self, parameters: Parameters) -> TrialConfig | None:
        """The trial of these parameters; None if they cannot run together."""
        return self.trials.get(_key(parameters))

    def parameters(self) -> dict[str, dict[str, Any]]:
        """The parameters of every trial, by its id."""
        return {config.trial_id: dict(key) for key, config in self.trials.items()}

    def lifts(self, parameters: Parameters) -> bool:
        """True if i_ratio is one of the parameters, too."""
        return METHODS[parameters.get("method", self.method)].lifts

    def in_words(self) -> str:
        names = ", ".join(map(str, self.categories.get("method", [self.method])))
        sizes = [
            f"{name} of {', '.join(f'{value:g}' for value in values)}"
            for name, values in self.categories.items()
            if name != "method"
        ]
        i = f"i_ratio in steps of 1/{I_STEPS} up to 1"
        i += " where the method lifts" if self.method is None else ""
        return "; ".join([f"method {names}", *sizes, i])


def spaces_over_i(
    profile: str,
    settings: Sequence[str],
    method: str,
    seed: int,
    dataset: str | None = None,
    **changes: Any,
) -> list[Space]:
    """A space over i per setting. Raises UsageError for a name or value that is not one.

    `settings` are shell patterns over Table I, whose sizes run on the `dataset` if there is one,
    `changes` fields of every trial.
    """
    lookup("profile", PROFILES, profile)
    if not lookup("method", METHODS, method).lifts:
        lifting = ", ".join(name for name, m in METHODS.items() if m.lifts)
        raise UsageError(
            f"--method {method} lifts no singular values by rank, so there is no i to search "
            f"over: give one of {lifting}"
        )
    spaces = []
    for setting in settings_on(profile, settings, dataset):
        trials = {
            _key({"i_ratio": i}): trial_config(
                profile, setting, method, seed, dataset=dataset, i_ratio=i, **changes
            )
            for i in _ratios()
        }
        space = Space(
            name=setting,
            dataset=next(iter(trials.values())).dataset,
            method=method,
            categories={},
            trials=trials,
        )
        spaces.append(space)
    return spaces


def spaces_over_everything(
    profile: str,
    datasets: Sequence[str] | None,
    seed: int,
    **changes: Any,
) -> list[Space]:
    """A space over compensation, i, batch size, width and D's learning rate per data set; by
    default those of Table I. `changes` are fields of every trial. Raises UsageError for a name or
    value that is not one.
    """
    p = lookup("profile", PROFILES, profile)
    if datasets is None:
        names = list(dict.fromkeys(p.dataset.values()))
        if not names:
            raise UsageError(f"profile {profile} has no data of its own: give --dataset images")
    else:
        own = [name for name in datasets if own_resolution(name)]
        given = [name for name in datasets if name not in own]
        names = select(f"data set of the {profile} profile", p.recipes, given) if given else []
        names += own
    return [_space_of_dataset(profile, name, seed, changes) for name in names]


def _space_of_dataset(profile: str, dataset: str, seed: int, changes: Mapping[str, Any]) -> Space:
    p = PROFILES[profile]
    trials: dict[Key, TrialConfig] = {}
    refusal = UsageError(f"nothing runs on {dataset}")
    for choice in product(COMPENSATIONS, p.batch_size, p.channels, RATE_FACTORS):
        chosen: dict[str, Any] = dict(zip(_CATEGORIES, choice, strict=True))
        method, batch_size, channels, factor = choice
        name = setting_name(p, dataset, batch_size, channels)
        # SN with another rate of D has a name of its own, under which other sweeps train it.
        called = "sn-ttur" if method == "sn" and factor != 1 else method
        rate = {"discriminator_rate_factor": factor}
        for i in _ratios() if METHODS[method].lifts else [None]:
            try:
                config = trial_config(
                    profile, name, called, seed, dataset=dataset, i_ratio=i, **rate, **changes
                )
            except UsageError as error:
                refusal = error
                continue
            parameters = chosen if i is None else chosen | {"i_ratio": i}
            trials[_key(parameters)] = config
    if not trials:
        raise refusal
    parameters = [dict(key) for key in trials]
    categories = {
        name: list(dict.fromkeys(parameter_set[name] for parameter_set in parameters))
        for name in _CATEGORIES
    }
    return Space(name=dataset, dataset=dataset, method=None, categories=categories, trials=trials)


def available_spaces(
    spaces: Iterable[Space], data_root: Path | None, *, download: bool
) -> tuple[list[Space], dict[str, str]]:
    """The spaces whose data set is there, and why the others are skipped, by study.

    Raises UsageError if none is.
    """
    spaces = list(spaces)
    missing = missing_data((space.dataset for space in spaces), data_root, download=download)
    available = [space for space in spaces if space.dataset not in missing]
    reasons = {s.name: missing[s.dataset] for s in spaces if s.dataset in missing}
    if not available:
        raise UsageError(f"no data set of this search is there: {next(iter(reasons.values()))}")
    return available, reasons


def search_name(spaces: Iterable[Space], kind: str, profile: str, seed: int) -> str:
    """The name of a search: equal for equal spaces and an equal seed of the sampler."""
    ids = sorted(config.trial_id for space in spaces for config in space.trials.values())
    digest = hashlib.sha256("\n".join([str(seed), *ids]).encode()).hexdigest()[:6]
    return f"search-{kind}-{profile}-{digest}"


def _ratios() -> list[float]:
    return [step / I_STEPS for step in range(1, I_STEPS + 1)]
