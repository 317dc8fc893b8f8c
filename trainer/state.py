"""The state of a run as a value: what is needed to go on bit for bit, and its bytes."""

from __future__ import annotations

import dataclasses
import io
import warnings
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainer.adam import Adam
from trainer.config.lookup import UsageError
from trainer.config.methods import METHODS
from trainer.config.trial import TrialConfig
from trainer.ema import Weights, weights_of
from trainer.networks import build

Optimiser = Adam | torch.optim.Optimizer

_MODULES = ("generator", "discriminator", "generator_optimiser", "discriminator_optimiser")
_VALUES = ("gamma", "leading", "directions", "ema", "iteration", "seconds", "history", "interval")
# What the shapes of the networks' weights follow from.
_SHAPING = (
    "resolution",
    "channels",
    "generator_channels",
    "latent_size",
    "packing",
    "data_classes",
)
# Absent from older checkpoints: without the first a run goes on as if it had just begun, without
# the second they are of an evaluation, and without the third the average of G starts anew.
_OPTIONAL = {"leading", "interval", "ema"}


@dataclass(slots=True, kw_only=True)
class Interval:
    """Measurements of the iterations since the last evaluation, which the next one averages.

    `sums` [n] are of what an iteration returns, on the device; `stable_ranks` has a tensor
    [layers] per iteration; `seconds` is the time that they took.
    """

    sums: Tensor
    stable_ranks: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def iterations(self) -> int:
        return len(self.stable_ranks)


@dataclass(slots=True, kw_only=True)
class TrainState:
    """Networks with their singular vectors, optimisers, and everything measured so far.

    `gamma` holds, per regularised layer of D, the highest sigma_k / sigma_1 [r] that dynamic
    compensation has seen, or the sigma_k [r] that sr-iso puts back, None before the first call;
    `leading` the projector [r, r] onto its first i singular vectors, from which static
    compensation on a GPU goes on, None where it starts anew; `directions` [n, P] what NuGAN
    nudges G's gradient away from, or [3] the averages of D's outputs that LeCam keeps it near.
    `ema` are G's averaged weights by name.
    `iteration` counts finished iterations, `seconds` the time that they and the evaluations took
    in all attempts. `history` holds the scalar record of every evaluation: verdicts rest on it.
    `interval` is None where `iteration` has been evaluated.
    """

    generator: Any
    discriminator: Any
    generator_optimiser: Optimiser
    discriminator_optimiser: Optimiser
    gamma: list[Tensor | None]
    leading: list[Tensor | None]
    ema: Weights
    directions: Tensor | None = None
    iteration: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    interval: Interval | None = None


def initial_state(config: TrialConfig) -> TrainState:
    """The state before the first iteration."""
    g, d = build(config)
    if config.resolution is not None:
        # Convolutions run 5 to 20 % faster on a CPU with the channels innermost; the same numbers.
        for network in (g, d):
            network.to(memory_format=torch.channels_last)
    return TrainState(
        generator=g,
        discriminator=d,
        generator_optimiser=_optimiser(config, g, config.learning_rate),
        discriminator_optimiser=_optimiser(config, d, config.discriminator_learning_rate),
        gamma=[None] * len(d.regularised_layers()),
        leading=[None] * len(d.regularised_layers()),
        ema=weights_of(g),
    )


def _optimiser(config: TrialConfig, network, rate: float) -> Optimiser:
    parameters = network.parameters()
    if config.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=rate)
    if config.optimiser == "rmsprop":
        # TensorFlow's defaults, with which JARE's toy problems were released.
        return torch.optim.RMSprop(parameters, lr=rate, alpha=0.9, eps=1e-10)
    betas = (config.beta1, config.beta2)
    return Adam(parameters, lr=rate, betas=betas)


def to_bytes(config: TrialConfig, state: TrainState) -> bytes:
    """The state as a file that `from_bytes` and `branch` read."""
    stored = {name: getattr(state, name).state_dict() for name in _MODULES}
    stored |= {name: getattr(state, name) for name in _VALUES}
    stored["interval"] = None if state.interval is None else _packed(state.interval)
    buffer = io.BytesIO()
    # The configuration for whoever has the file alone: `trainer.generate`.
    identity = {"trial_id": config.trial_id, "config": dataclasses.asdict(config)}
    torch.save(stored | identity, buffer)
    return buffer.getvalue()


def from_bytes(config: TrialConfig, content: bytes) -> TrainState:
    """The stored state. Raises UsageError if it is none, or of another configuration."""
    stored = _read(config, content)
    if stored["trial_id"] != config.trial_id:
        raise UsageError(
            f"the checkpoint belongs to {stored['trial_id']}, not to {config.trial_id}"
            + _in_brackets(_differences(config, stored))
            + "; --from-checkpoint starts a run of its own from its networks"
        )
    state = initial_state(config)
    _load_modules(config, state, stored)
    for name in stored.keys() & set(_VALUES):
        setattr(state, name, stored[name])
    if "ema" not in stored:
        _restart_average(state, config.trial_id)
    if stored.get("interval") is not None:
        state.interval = _unpacked(stored["interval"])
    return state


def _packed(interval: Interval) -> dict[str, Any]:
    """The interval in few tensors, of types that are read without running code."""
    ranks = torch.stack(interval.stable_ranks)
    return {"sums": interval.sums, "stable_ranks": ranks, "seconds": interval.seconds}


def _unpacked(stored: dict[str, Any]) -> Interval:
    ranks = list(stored["stable_ranks"].unbind())
    return Interval(sums=stored["sums"], stable_ranks=ranks, seconds=stored["seconds"])


def origin(content: bytes) -> tuple[str, int]:
    """(trial id, iteration) of a stored state. Raises UsageError if it is none."""
    stored = _read(None, content)
    return stored["trial_id"], stored["iteration"]


def branch(config: TrialConfig, content: bytes) -> TrainState:
    """A run of `config` that goes on from another run's stored state (the paper's Fig. 6).

    Networks, singular vectors, optimisers, G's average and the iteration are taken over; the
    history, and what belongs to the other run's method, begin anew. Raises UsageError if the
    networks do not fit.
    """
    stored = _read(config, content)
    if (stored["trial_id"], stored["iteration"]) != (config.parent, config.parent_iteration):
        raise UsageError(
            f"the snapshot is {stored['trial_id']} at iteration {stored['iteration']}, not "
            f"{config.parent} at {config.parent_iteration}"
        )
    state = initial_state(config)
    _load_modules(config, state, stored)
    state.iteration = stored["iteration"]
    if "ema" in stored:
        state.ema = stored["ema"]
    else:
        _restart_average(state, stored["trial_id"])
    return state


def _restart_average(state: TrainState, trial_id: str) -> None:
    state.ema = weights_of(state.generator)
    warnings.warn(
        f"the checkpoint of {trial_id} at iteration {state.iteration} is of a version without a "
        "moving average of G: the average starts there, and its scores before stay empty",
        RuntimeWarning,
        stacklevel=3,
    )


def _read(config: TrialConfig | None, content: bytes) -> dict[str, Any]:
    return read_stored(content, "cpu" if config is None else config.device)


def read_stored(content: bytes, device: str) -> dict[str, Any]:
    """The content of a stored state, tensors on `device`. Raises UsageError if it is none."""
    try:
        stored = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception as error:  # its unpickler raises many kinds, whose words mislead
        raise UsageError("no checkpoint of this trainer, or a damaged one") from error
    if not isinstance(stored, dict):
        raise UsageError(f"no checkpoint of this trainer: it holds a {type(stored).__name__}")
    if missing := {*_MODULES, *_VALUES, "trial_id"} - _OPTIONAL - set(stored):
        raise UsageError(f"no checkpoint of this trainer: it lacks {', '.join(sorted(missing))}")
    return stored


def _load_modules(config: TrialConfig, state: TrainState, stored: dict[str, Any]) -> None:
    try:
        for name in _MODULES:
            getattr(state, name).load_state_dict(stored[name])
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
        reason = _misfit(config, stored) or _first_reason(error)
        raise UsageError(f"the networks of {stored['trial_id']} do not fit: {reason}") from error


def _misfit(config: TrialConfig, stored: dict[str, Any]) -> str:
    """Why the stored networks are of another shape, in words; empty if no configuration tells."""
    method = METHODS.get(stored.get("config", {}).get("method"))
    wanted = METHODS[config.method]
    if method is not None and (method.normalisation == "wn") != (wanted.normalisation == "wn"):
        # Weight normalisation learns a gain per row; other weights would be read without theirs.
        holder = "it has" if method.normalisation == "wn" else f"{config.method} has"
        return f"{holder} a learned gain in every layer of D, which the other lacks"
    return ", ".join(_differences(config, stored, _SHAPING))


def _first_reason(error: Exception) -> str:
    return str(error).partition("\n")[2].partition("\n")[0].strip() or str(error)


def _differences(
    config: TrialConfig, stored: dict[str, Any], names: Collection[str] | None = None
) -> list[str]:
    """`channels 16 there, 8 here` for each field, or each of `names`, in which the two differ.

    Empty for a checkpoint of a version that kept no configuration.
    """
    there = stored.get("config")
    if there is None:
        return []
    here = dataclasses.asdict(config)
    return [
        f"{name} {_value(there.get(name))} there, {_value(value)} here"
        for name, value in here.items()
        if there.get(name) != value and (names is None or name in names)
    ]


def _value(value: Any) -> str:
    return "none" if value is None else str(value)


def _in_brackets(differences: list[str]) -> str:
    """The first four differences, ` (seed 0 there, 1 here)`; empty for none."""
    more = ["..."] if len(differences) > 4 else []
    return f" ({'; '.join(differences[:4] + more)})" if differences else ""
