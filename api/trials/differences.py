"""What trials differ in: their configuration, and what their scores and software are. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.trials.models import TrialDetail

Part = Literal["configuration", "protocol", "thresholds", "software"]

# What a plan knows of a trial before it has a configuration, under the configuration's names.
IDENTITY = (
    "profile", "setting", "dataset", "method", "form", "i_ratio", "seed", "batch_size",
    "micro_batch", "channels", "iterations", "precision", "parent", "parent_iteration",
)  # fmt: skip


def differences(trials: Sequence[TrialDetail], *, every: bool = False) -> list[Difference]:
    """The keys whose values are not the same in all trials, or every key.

    A key that a trial has not recorded, as one that has not started, is no difference by itself.
    """
    parts = [_parts(trial) for trial in trials]
    found = []
    for part in parts[0]:
        names = dict.fromkeys(name for of in parts for name in of[part])
        for name in names:
            there = [name in of[part] for of in parts]
            values = [of[part].get(name) for of in parts]
            differs = _differ([v for v, has in zip(values, there, strict=True) if has])
            if every or differs:
                found.append(
                    Difference(part=part, key=name, values=values, recorded=there, differs=differs)
                )
    return found


def _differ(values: Sequence[Any]) -> bool:
    return any(value != values[0] for value in values[1:])


def _parts(trial: TrialDetail) -> dict[Part, dict[str, Any]]:
    identity = {name: getattr(trial, name) for name in IDENTITY}
    return {
        "configuration": identity | dict(flat(trial.config or {})),
        "protocol": dict(flat(trial.protocol or {})),
        "thresholds": dict(flat(trial.thresholds or {})),
        "software": dict(flat(trial.software or {})),
    }


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """`final.extractor` for what lies in an object in an object."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}.")
        else:
            yield before + name, value


class Difference(BaseModel):
    """A key and its value in each trial, in the order of the trials."""

    part: Part
    key: str
    values: list[Any]
    recorded: list[bool] = Field(description="false where the trial has not stored the key")
    differs: bool = Field(description="among the trials that have stored it")
