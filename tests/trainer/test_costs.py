"""Counted operations against those that torch counts in the real networks.

Torch counts floating-point operations; ours are multiply-adds, half as many.
"""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from trainer.config import trial_config
from trainer.costs import network_operations
from trainer.losses import LOSSES
from trainer.networks import build


def inputs(config, n):
    """z[n, latent], images or points [n, ..] and labels[n] or None."""
    shape = (2,) if config.resolution is None else (3, config.resolution, config.resolution)
    labels = None if config.classes is None else torch.arange(n)
    return torch.randn(n, config.latent_size), torch.randn(n, *shape), labels


CONFIGS = {
    "digits 8": trial_config("digits", "B_8-64", "sn", 0),
    "digits 16": trial_config("digits", "E_64-128", "sn", 0),
    "cifar 128": trial_config("paper", "A_64-128", "sn", 0, device="cpu"),
    "cifar 32": trial_config("paper", "C_64-32", "none", 0, device="cpu"),
    "cifar 256": trial_config("paper", "D_128-256", "none", 0, device="cpu"),
    "cifar conditional": trial_config(
        "paper", "B_64-64", "sn", 0, dataset="cifar10-conditional", device="cpu"
    ),
    "imagenet": trial_config(
        "paper", "E_512-64", "sn", 0, device="cpu", channels=4, generator_channels=4
    ),
    "ring8": trial_config("toy", "ring8", "jare", 0),
    "grid25": trial_config("toy", "grid25", "sn", 0),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_one_forward_pass(name):
    config = CONFIGS[name]
    n = 2
    z, x, labels = inputs(config, n)
    for network, argument, ours in zip(
        build(config), (z, x), network_operations(config), strict=True
    ):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(argument, labels)
        assert n * ours == pytest.approx(counter.get_total_flops() / 2, rel=0.01)


@pytest.mark.parametrize("name", ["digits 16", "imagenet", "grid25"])
def test_an_iteration_with_its_backward_passes(name):
    """n_critic updates of D and one of G, counted by torch at one image for each in the batch.

    First layers need no gradient in their input, which ours count: hence the margin.
    """
    config = CONFIGS[name]
    g, d = build(config)
    z, x, labels = inputs(config, 1)
    loss = LOSSES[config.loss]
    with FlopCounterMode(display=False) as d_update:
        with torch.no_grad():
            fake = g(z, labels)
        loss.discriminator(d(x, labels), d(fake, labels)).backward()
    d.requires_grad_(False)
    with FlopCounterMode(display=False) as g_update:
        loss.generator(d(g(z, labels), labels)).backward()
    flops = config.batch_size * config.n_critic * d_update.get_total_flops()
    flops += config.generator_batch_size * g_update.get_total_flops()
    assert config.operations == pytest.approx(config.iterations * flops / 2, rel=0.05)


def test_operations_grow_with_what_is_run():
    base = CONFIGS["digits 8"].operations
    for change in ("iterations", "batch_size", "n_critic", "channels", "generator_channels"):
        doubled = {change: 2 * getattr(CONFIGS["digits 8"], change)}
        if change == "batch_size":
            doubled["micro_batch"] = doubled["batch_size"]
        assert trial_config("digits", "B_8-64", "sn", 0, **doubled).operations > base, change


def test_published_operations_of_the_cifar_networks():
    """1.68 and 0.272 thousand million multiply-adds with the released order of the shortcuts,
    which has their 1x1 convolutions on four times as many pixels."""
    generator, discriminator = network_operations(CONFIGS["cifar 128"])
    generator += 3 * 256 * 256 * (4**2 + 8**2 + 16**2)
    discriminator += 3 * 128 * 128 * 8**2
    assert f"{generator / 1e9:.2f}" == "1.68"
    assert f"{discriminator / 1e9:.3f}" == "0.272"
