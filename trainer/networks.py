"""Builds a configuration's generator and discriminator, with their first weights."""

from __future__ import annotations

from typing import Any

from trainer.affine import AffineDiscriminator, AffineGenerator
from trainer.config.methods import METHODS
from trainer.config.trial import TrialConfig
from trainer.layers import initialise
from trainer.models import Discriminator, Generator
from trainer.randomness import generator
from trainer.toys import PointDiscriminator, PointGenerator


def build(config: TrialConfig) -> tuple[Any, Any]:
    """(G, D) on the configuration's device; the same weights for every method of a seed
    but of D, where it judges packs."""
    g, d = _bare(config)
    # Drawn on the CPU whatever the device, so that a seed means the same start everywhere.
    initialise(g, generator("cpu", config.seed, 0, "initial generator"))
    initialise(d, generator("cpu", config.seed, 0, "initial discriminator"))
    return g.to(config.device), d.to(config.device)


def _bare(config: TrialConfig) -> tuple[Any, Any]:
    normalisation, packing = METHODS[config.method].normalisation, config.packing or 1
    if config.dataset == "affine":
        return AffineGenerator(), AffineDiscriminator()
    if config.resolution is None:
        return (
            PointGenerator(config.latent_size, config.generator_channels),
            PointDiscriminator(config.channels, normalisation, packing),
        )
    return (
        Generator(
            config.resolution,
            config.generator_channels,
            config.latent_size,
            config.classes,
            config.generator_normalisation,
        ),
        Discriminator(config.resolution, config.channels, config.classes, normalisation, packing),
    )
