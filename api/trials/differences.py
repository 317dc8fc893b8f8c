"""Differences between trials: in configuration, protocol, thresholds and software. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.trials.models import TrialDetail

Part = Literal["configuration", "protocol", "thresholds", "software"]

# Columns of a plan, known before a trial has a configuration, under the configuration's names.
IDENTITY = (
    "profile", "setting", "dataset", "method", "form", "i_ratio", "data_share", "seed",
    "batch_size",
    "micro_batch", "channels", "iterations", "precision", "parent", "parent_iteration",
)  # fmt: skip


def differences(trials: Sequence[TrialDetail], *, every: bool = False) -> list[Difference]:
    """The keys whose values differ between the trials, or every key.

    A key that a trial has not recorded, as one that has not started, is no difference by itself.
    """
    parts_of_trials = [_parts(trial) for trial in trials]
    items = []
    for part in parts_of_trials[0]:
        sides = [parts[part] for parts in parts_of_trials]
        for name in dict.fromkeys(name for side in sides for name in side):
            recorded = [name in side for side in sides]
            differs = _differ([side[name] for side in sides if name in side])
            if every or differs:
                items.append(
                    Difference(
                        part=part,
                        key=name,
                        values=[side.get(name) for side in sides],
                        recorded=recorded,
                        differs=differs,
                    )
                )
    return items


def _differ(values: Sequence[Any]) -> bool:
    return any(value != values[0] for value in values[1:])


def _parts(trial: TrialDetail) -> dict[Part, dict[str, Any]]:
    identity = {name: getattr(trial, name) for name in IDENTITY}
    return {
        "configuration": identity | dict(flat_items(trial.config or {})),
        "protocol": dict(flat_items(trial.protocol or {})),
        "thresholds": dict(flat_items(trial.thresholds or {})),
        "software": dict(flat_items(trial.software or {})),
    }


def flat_items(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Flattens nested objects: `final.extractor` is the key of a value two levels deep."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat_items(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


class Difference(BaseModel):
    """A key and its value in each trial, in the order of the trials."""

    part: Part
    key: str
    values: list[Any]
    recorded: list[bool] = Field(description="false where the trial has not stored the key")
    differs: bool = Field(description="among the trials that have stored it")
