"""Builds a configuration's generator and discriminator, with their first weights."""

from __future__ import annotations

from typing import Any

import torch

from trainer import own_networks
from trainer.affine import AffineDiscriminator, AffineGenerator
from trainer.config.methods import METHODS
from trainer.config.own_code import NetworkSizes, unchanged_function
from trainer.config.trial import TrialConfig
from trainer.layers import begin, initialise
from trainer.models import Discriminator, Generator
from trainer.randomness import generator, seed_torch
from trainer.toys import PointDiscriminator, PointGenerator


def build(config: TrialConfig) -> tuple[Any, Any]:
    """(G, D) on the configuration's device; the same weights for every method of a seed
    but of D, where it judges packs."""
    if config.networks is not None:
        return _own(config, config.networks)
    g, d = _bare(config)
    # Drawn on the CPU whatever the device, so that a seed means the same start everywhere.
    initialise(g, generator("cpu", config.seed, 0, "initial generator"))
    initialise(d, generator("cpu", config.seed, 0, "initial discriminator"))
    return g.to(config.device), d.to(config.device)


def _own(config: TrialConfig, entry: str) -> tuple[Any, Any]:
    """A person's own networks with the first weights that they come with, of the trial's seed."""
    assert config.resolution is not None
    sizes = NetworkSizes(
        resolution=config.resolution,
        channels=config.channels,
        generator_channels=config.generator_channels,
        latent_size=config.latent_size,
        classes=config.classes,
    )
    with torch.random.fork_rng(devices=[]):
        seed_torch(config.seed, 0, "initial networks")
        function = unchanged_function(entry, config.networks_source)
        g, d = own_networks.built(entry, function, sizes)
        _, x, labels = own_networks.traced_batch(sizes)
        d.track(METHODS[config.method].normalisation, x, labels)
    begin(d.normalised_layers(), generator("cpu", config.seed, 0, "initial discriminator"))
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
