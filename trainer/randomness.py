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
    return torch.Generator(device).manual_seed(_seed_of(seed, iteration, purpose))


def seed_torch(seed: int, iteration: int, purpose: str) -> None:
    """Seeds torch's own generators, from which code draws that takes none, such as dropout."""
    torch.manual_seed(_seed_of(seed, iteration, purpose))


def _seed_of(seed: int, iteration: int, purpose: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{iteration}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def draw_purpose(k: int, j: int = 0) -> str:
    """The purpose of micro-batch j in an iteration's k-th D update, both counted from 0."""
    return part_purpose(f"D update {k}", j)


def part_purpose(update: str, part: int) -> str:
    """The purpose of one part of an update's batch; a batch that is not divided is part 0."""
    return f"{update}.{part}" if part else update
