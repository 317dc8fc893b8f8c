"""A trained generator in a file: a checkpoint, or safetensors as the service gives them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.config.lookup import UsageError
from trainer.config.trial import TrialConfig
from trainer.networks import build
from trainer.state import read_stored
from trainer.weights.safetensors_format import parse_safetensors

CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class TrainedGenerator:
    """A generator in evaluation mode on its configuration's device, and where it is from."""

    config: TrialConfig
    network: Any
    trial_id: str
    iteration: int


def load_generator(path: Path, device: str, networks: str | None = None) -> TrainedGenerator:
    """Loads a `.safetensors` file, or a checkpoint of the trainer.

    Raises UsageError if it is neither, is damaged, or does not say of which configuration it is.
    A file's word is not enough to import a person's own code: its `networks` are named beside it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if content[:2] == b"PK":
        stored = read_stored(content, "cpu")
        values, weights = stored.get("config") or _beside(path), stored["generator"]
        trial_id, iteration = stored["trial_id"], stored["iteration"]
    else:
        metadata, weights = read_safetensors(content, path)
        try:
            values = json.loads(metadata["config"])
            trial_id, iteration = metadata["trial_id"], int(metadata["iteration"])
        except (LookupError, ValueError) as error:
            reason = "its metadata lacks the trial's configuration"
            raise UsageError(f"{path} is no generator of this trainer: {reason}") from error
    config = _configuration(values, device, path)
    if config.networks != networks:
        there = config.networks or "this project's"
        advice = f"give --networks {there}" if config.networks else "leave out --networks"
        raise UsageError(f"{path} is of the networks {there}: {advice}")
    network, _ = build(config)
    if config.resolution is not None:
        network.to(memory_format=torch.channels_last)  # as in training: the same bits
    try:
        network.load_state_dict(weights)
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).partition("\n")[2].partition("\n")[0].strip() or str(error)
        raise UsageError(f"the weights in {path} do not fit {trial_id}: {reason}") from error
    return TrainedGenerator(config, network.eval().requires_grad_(False), trial_id, iteration)


def _beside(path: Path) -> Mapping[str, Any]:
    """The configuration in the folder that `python -m trainer --out` writes."""
    try:
        return json.loads((path.parent / CONFIG).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} was written before checkpoints held their configuration, and there is no "
            f"{CONFIG} beside it: /trials/ID/generator of the service gives both in one file"
        ) from error


def _configuration(values: Mapping[str, Any], device: str, path: Path) -> TrialConfig:
    names = {field.name for field in dataclasses.fields(TrialConfig)}
    own: dict[str, Any] = {name: value for name, value in values.items() if name in names}
    try:
        return TrialConfig(**{**own, "device": device})
    except (TypeError, UsageError) as error:
        raise UsageError(f"the configuration in {path} is none of this trainer: {error}") from None


def read_safetensors(content: bytes, path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """(metadata, tensors by name). Raises UsageError for a file that is none."""
    try:
        return parse_safetensors(content)
    except ValueError as error:
        raise UsageError(f"{path} is neither safetensors nor a checkpoint: {error}") from error
