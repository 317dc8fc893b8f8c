"""Randomness as a function of (seed, iteration, purpose): there is no generator state to save.

No purpose names a method, so two methods of one seed see the same data, noise and first weights,
and an evaluation cannot disturb the training.
"""

from __future__ import annotations

import hashlib

import torch


def generator(
    device: torch.device | str, seed: int, iteration: int, purpose: str
) -> torch.Generator:
    """A fresh generator on `device`, the same for the same arguments."""
    digest = hashlib.blake2b(f"{seed}/{iteration}/{purpose}".encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest) >> 1)
