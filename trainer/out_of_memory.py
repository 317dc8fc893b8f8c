"""Advice for a run that the device's memory does not suffice for."""

from __future__ import annotations

import dataclasses

import torch

from trainer.config.methods import METHODS, NOT_ADDITIVE
from trainer.config.trial import TrialConfig
from trainer.data.sources import Source
from trainer.state import initial_state
from trainer.updates import train_iteration


def out_of_memory_advice(config: TrialConfig, source: Source) -> str:
    """Names the largest micro-batch, by halving, with which an iteration does fit."""
    problem = f"out of memory at micro-batch {config.micro_batch} on {config.device}"
    if METHODS[config.method].penalty in NOT_ADDITIVE:
        return f"{problem}, and {config.method} cannot divide its batch: take a smaller setting"
    size = config.micro_batch
    while size % 2 == 0:
        size //= 2
        if _fits(dataclasses.replace(config, micro_batch=size), source):
            return f"{problem}; {size} fits: --micro-batch {size}"
    return f"{problem}; not even {size} fits: take a smaller setting, or a bigger device"


def _fits(config: TrialConfig, source: Source) -> bool:
    """Whether a first iteration goes through; nothing of it is kept."""
    if config.device.startswith("cuda"):
        torch.cuda.empty_cache()
    try:
        state = initial_state(config)
        source.follow(config.seed, 0, config.n_critic, config.batch_size, config.micro_batch)
        train_iteration(config, state, source)
    except torch.OutOfMemoryError:
        return False
    finally:
        source.close()
    return True
