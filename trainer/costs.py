"""What a run costs, from its configuration alone. Standard library only.

Multiply-adds of convolutions and linear layers; a backward pass counts as two forward passes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.config import TrialConfig


def operations(config: TrialConfig) -> float:
    """Multiply-adds of the whole run, forward and backward.

    D sees real and generated images in each of its updates and generated ones once more in G's.
    """
    generator, discriminator = network_operations(config)
    d_update = config.batch_size * (generator + 6 * discriminator)
    g_update = config.generator_batch_size * (3 * generator + 2 * discriminator)
    return config.iterations * (config.n_critic * d_update + g_update)


def network_operations(config: TrialConfig) -> tuple[float, float]:
    """Multiply-adds per image of G and of D, one forward pass each."""
    g, d = config.generator_channels, config.channels
    if config.resolution is None:
        return config.latent_size * g + 3.0 * g * g + 2 * g, 2 * d + 3.0 * d * d + d
    if config.resolution == 128:
        return _generator(config, (16, 16, 8, 4, 2, 1)), _discriminator(
            config, (1, 2, 4, 8, 16, 16), downs=5
        )
    return _generator(config, (1, 1, 1, 1)), _discriminator(config, (1, 1, 1, 1), downs=2)


def _generator(config: TrialConfig, factors: tuple[int, ...]) -> float:
    widths = [config.generator_channels * factor for factor in factors]
    side = (config.resolution or 0) // 2 ** (len(widths) - 1)
    total = float(config.latent_size * widths[0] * side**2)
    for a, b in pairwise(widths):
        total += side**2 * a * b
        side *= 2
        total += side**2 * 9 * (a * b + b * b)
    return total + side**2 * 27 * widths[-1]


def _discriminator(config: TrialConfig, factors: tuple[int, ...], downs: int) -> float:
    widths = [config.channels * factor for factor in factors]
    side = config.resolution or 0
    total = side**2 * (27.0 * widths[0] + 9 * widths[0] ** 2)
    side //= 2
    total += side**2 * 3 * widths[0]
    for block, (a, b) in enumerate(pairwise(widths), start=1):
        total += side**2 * 9 * (a * a + a * b)
        if block < downs:
            side //= 2
            total += side**2 * a * b
    return total + widths[-1]
