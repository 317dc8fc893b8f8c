"""The grid as data: settings x methods x i x seeds, each trial once, longest first.

Standard library only, so that a plan can be shown without starting Ray or torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Generic, TypeVar

from sweep.paper.table2 import published_sr
from trainer.config.availability import missing_reason
from trainer.config.costs import operations
from trainer.config.lookup import UsageError, lookup, select
from trainer.config.own_code import OwnCode
from trainer.config.own_images import OwnImages, recipe_name
from trainer.config.own_trial import AnyTrial
from trainer.config.settings import ALL_SETTINGS, METHODS, PROFILES, SETTINGS, setting_name
from trainer.config.trial import LARGEST, TrialConfig, trial_config

# Of a plan: a range is soon typed that no memory holds.
MOST_SEEDS = 100_000


T = TypeVar("T", bound=AnyTrial)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[T]):
    """Trials, longest first, and what of the grid cannot run: the reason by setting where its
    data set is not there, by setting and method where the two do not go together. A plan that is
    only shown has trials without their data, too, and the reason in `missing` by data set."""

    profile: str
    trials: list[T]
    skipped: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)


def grid(
    profile: str,
    settings: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int],
    *,
    i_ratios: Sequence[float] = (),
    data_shares: Sequence[float] = (1.0,),
    iterations: int | None = None,
    precision: str | None = None,
    world_size: int | None = None,
    scorer: str | None = None,
    data_root: Path | None = None,
    download: bool = False,
    only_shown: bool = False,
    dataset: str | None = None,
    own: OwnImages | None = None,
    device: str | None = None,
    code: OwnCode | None = None,
) -> Plan[TrialConfig]:
    """The plan of a sweep. Raises UsageError for an unknown name or if nothing of it can run.

    `settings` and `methods` are shell patterns over Table I and the methods; `sr` is SR as the
    paper used it on the setting's data. Methods that lift run with each of `i_ratios`, or their
    default; each runs on each of `data_shares` of the training images. `scorer` is the SHA-256 of
    the Inception weights, for profiles that are scored by them. A plan that is `only_shown` needs
    no data. On a `dataset` of the profile, or `own` pictures, settings are sizes: those of a row
    on other data run as U_<batch>-<channels>, and those of a person's own `code` by its name. Each
    trial is trained by `world_size` ranks.
    """
    lookup("profile", PROFILES, profile)
    if own is not None:
        dataset = own.name
    names = settings_on(profile, settings, dataset)
    fields = {} if own is None else own.fields
    configs: dict[str, TrialConfig] = {}
    impossible: dict[str, str] = {}
    for setting, method in cells(names, methods):
        ratios = i_ratios if i_ratios and METHODS[method].lifts else (None,)
        try:
            of_first_seed = [
                trial_config(
                    profile,
                    setting,
                    method,
                    seed,
                    i_ratio=i,
                    data_share=share,
                    iterations=iterations,
                    precision=precision,
                    world_size=world_size,
                    scorer=scorer,
                    dataset=dataset,
                    device=device,
                    code=code,
                    **fields,
                )
                for i, share, seed in product(ratios, data_shares, seeds[:1])
            ]
            # Nothing else of a configuration depends on its seed.
            planned = [replace(c, seed=seed) for c, seed in product(of_first_seed, seeds)]
        except UsageError as error:
            impossible[f"{setting} with {method}"] = str(error)
            continue
        configs |= {config.trial_id: config for config in planned}
    if not configs:
        raise UsageError(next(iter(impossible.values()), "nothing is planned: give a seed"))
    # Own pictures were read when their identity was found.
    stored_sets = (c.dataset for c in configs.values() if c.own_images is None)
    missing = missing_data(stored_sets, data_root, download=download)
    # sorted() is stable: of equally long trials the settings stay in the table's order.
    trials = sorted(configs.values(), key=operations, reverse=True)
    if only_shown:
        return Plan(profile=profile, trials=trials, skipped=impossible, missing=missing)
    available = [config for config in trials if config.dataset not in missing]
    if not available:
        raise UsageError(f"no data set of this plan is there: {next(iter(missing.values()))}")
    reasons = {c.setting: missing[c.dataset] for c in configs.values() if c.dataset in missing}
    return Plan(profile=profile, trials=available, skipped=reasons | impossible)


def settings_on(profile: str, patterns: Sequence[str], dataset: str | None) -> list[str]:
    """Names of the settings, as they run on the data set. Raises UsageError for one that is none.

    Rows of Table I, and outside it what a pattern names that begins with U.
    """
    if dataset is None:
        return select("setting", SETTINGS, patterns)
    p = PROFILES[profile]
    lookup(f"data set of the {profile} profile", p.recipes, recipe_name(dataset))
    rows = [pattern for pattern in patterns if not pattern.upper().startswith("U")]
    outside = [pattern for pattern in patterns if pattern not in rows]
    names = select("setting", SETTINGS, rows) if rows else []
    names += select("setting", ALL_SETTINGS, outside) if outside else []
    sizes = (ALL_SETTINGS[name] for name in names)
    run_as = (setting_name(p, dataset, s.batch_size, s.channels) for s in sizes)
    return list(dict.fromkeys(run_as))


def missing_data(
    datasets: Iterable[str], data_root: Path | None, *, download: bool
) -> dict[str, str]:
    """Says why, by data set, those that are not there cannot be read, and what to do."""
    return {
        dataset: reason
        for dataset in dict.fromkeys(datasets)
        if (reason := missing_reason(dataset, data_root, download=download))
    }


def cells(settings: Sequence[str], methods: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields each setting with each method that the patterns name there. Raises UsageError."""
    for setting in settings:
        patterns = [published_sr(setting) if pattern == "sr" else pattern for pattern in methods]
        for method in select("method", METHODS, patterns):
            yield setting, method


def seeds(text: str) -> list[int]:
    """Parses `0,1` or `0-4` or both into whole numbers. Raises UsageError for anything else."""
    numbers: dict[int, None] = {}
    for part in text.split(","):
        first, last = _range(part)
        if last - first + len(numbers) >= MOST_SEEDS:
            raise UsageError(f"seeds {_shortened(part)} are more than {MOST_SEEDS:,} in all")
        numbers |= dict.fromkeys(range(first, last + 1))
    return list(numbers)


def _range(part: str) -> tuple[int, int]:
    """Parses `3` or `0-4` into the first and the last number. Raises UsageError."""
    first, dash, last = part.strip().partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise UsageError(f"seeds are whole numbers from 0, like 0,1 or 0-4, not {part!r}")
    # Python refuses to read very many digits.
    if max(len(first.lstrip("0")), len(last.lstrip("0"))) > len(str(LARGEST)):
        raise UsageError(f"seeds are at most 2^63 - 1, not {_shortened(part)}")
    low, high = int(first), int(last or first)
    if high < low:
        raise UsageError(f"seeds {part!r} end before they begin")
    if high > LARGEST:
        raise UsageError(f"seeds are at most 2^63 - 1, not {part!r}")
    return low, high


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:40]}...")


def ratios(text: str, flag: str = "--i-ratios") -> list[float]:
    """Parses `0.25,0.5` into numbers above 0 up to 1. Raises UsageError for anything else."""
    values = []
    for part in text.split(","):
        try:
            value = float(part)
        except ValueError:
            value = 0.0
        # NaN compares false, too.
        if not 0 < value <= 1:
            raise UsageError(f"{flag} are numbers in (0, 1], like 0.25,0.5, not {part!r}")
        values.append(value)
    return list(dict.fromkeys(values))
