"""The grid as data: settings x methods x seeds, each trial once, longest first.

Standard library only, so that a plan can be shown without starting Ray or torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.config import TrialConfig, missing_reason, trial_config
from trainer.settings import METHODS, PROFILES, SETTINGS, UsageError, lookup, select


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Trials, longest first, and for each setting whose data set is not there the reason."""

    profile: str
    trials: list[TrialConfig]
    skipped: Mapping[str, str]


def grid(
    profile: str,
    settings: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int],
    *,
    iterations: int | None = None,
    data_root: Path | None = None,
    download: bool = False,
) -> Plan:
    """The plan of a sweep. Raises UsageError for an unknown name or when no data set is there.

    `settings` and `methods` are shell patterns over Table I and the methods.
    """
    lookup("profile", PROFILES, profile)
    names = select("setting", SETTINGS, settings)
    configs = [
        trial_config(profile, setting, method, seed, iterations=iterations)
        for setting in names
        for method in select("method", METHODS, methods)
        for seed in dict.fromkeys(seeds)
    ]
    if not configs:
        raise UsageError("nothing is planned: give at least one seed")
    reasons = {
        config.setting: reason
        for config in configs
        if (reason := missing_reason(config.dataset, data_root, download=download))
    }
    trials = [config for config in configs if config.setting not in reasons]
    if not trials:
        raise UsageError(f"no data set of this plan is there: {next(iter(reasons.values()))}")
    # sorted() is stable: of equally long trials the settings stay in the table's order.
    trials = sorted(trials, key=lambda config: -config.operations)
    return Plan(profile=profile, trials=trials, skipped=reasons)


def seeds(text: str) -> list[int]:
    """`0,1` or `0-4` or both, as whole numbers. Raises UsageError for anything else."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"seeds are whole numbers from 0, like 0,1 or 0-4, not {part!r}")
        if dash and int(last) < int(first):
            raise UsageError(f"seeds {part!r} end before they begin")
        found += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(found))
