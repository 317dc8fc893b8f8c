"""The networks against the released ones: sizes, layer order, start, and the exact rewrites."""

import math

import pytest
import torch
import torch.nn.functional as F

from trainer.models import (
    Discriminator,
    DiscriminatorBlock,
    FirstDiscriminatorBlock,
    Generator,
    GeneratorBlock,
    SNConv2d,
    advance,
    initialise,
    upsample,
)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_sizes_of_the_released_networks():
    assert round(parameters(Generator(32, 256, 128)) / 1e6, 2) == 4.28
    sizes = {ch: round(parameters(Discriminator(ch)) / 1e6, 2) for ch in (32, 64, 128, 256)}
    assert sizes == {32: 0.07, 64: 0.26, 128: 1.05, 256: 4.20}


@pytest.mark.parametrize("resolution", [8, 16, 32])
def test_shapes_at_every_resolution(resolution):
    images = Generator(resolution, 8, 128)(torch.randn(5, 128))
    assert images.shape == (5, 3, resolution, resolution)
    assert images.abs().max() <= 1
    discriminator = Discriminator(8)
    initialise(discriminator, torch.Generator().manual_seed(0))
    assert discriminator(images).shape == (5,)


def test_layers_in_the_order_of_the_paper():
    shapes = [tuple(layer.weight.shape) for layer in Discriminator(32).convolutions()]
    first = [(32, 3, 3, 3), (32, 32, 3, 3), (32, 3, 1, 1)]
    second = [(32, 32, 3, 3), (32, 32, 3, 3), (32, 32, 1, 1)]
    assert shapes == first + second + 4 * [(32, 32, 3, 3)]
    assert Discriminator(32).l5.bias is None


def test_start_is_glorot_with_zero_biases():
    generator, discriminator = Generator(32, 64, 128), Discriminator(64)
    for network in (generator, discriminator):
        initialise(network, torch.Generator().manual_seed(0))
        for name, value in network.named_parameters():
            if name.endswith("bias"):
                assert not value.any(), name
    bounds = {
        discriminator.block3.c1: math.sqrt(2) * math.sqrt(6 / (64 * 9 + 64 * 9)),
        discriminator.block2.c_sc: math.sqrt(6 / (64 + 64)),
        generator.c: math.sqrt(6 / (64 * 9 + 3 * 9)),
        generator.l1: math.sqrt(6 / (128 + 64 * 16)),
    }
    for layer, bound in bounds.items():
        assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.02)


def test_u_moves_only_in_advance():
    layer = SNConv2d(3, 8, 3)
    initialise(layer, torch.Generator().manual_seed(0))
    before = layer.u.clone()
    layer(torch.randn(2, 3, 8, 8))
    assert torch.equal(layer.u, before)
    advance([layer])
    assert not torch.equal(layer.u, before)


def test_shortcuts_equal_the_released_order_in_float64():
    """Released: 1x1 convolution after upsampling in G and before pooling in D's second block."""
    torch.manual_seed(0)
    x = torch.randn(2, 6, 8, 8).double()
    g = GeneratorBlock(6).double().eval()
    main = g.c2(F.relu(g.bn2(g.c1(upsample(F.relu(g.bn1(x)))))))
    torch.testing.assert_close(g(x), main + g.c_sc(upsample(x)), rtol=0, atol=1e-13)

    d = DiscriminatorBlock(6, down=True)
    initialise(d, torch.Generator().manual_seed(0))
    d = d.double()
    assert d.c_sc is not None
    main = F.avg_pool2d(d.c2(F.relu(d.c1(F.relu(x)))), 2)
    torch.testing.assert_close(d(x), main + F.avg_pool2d(d.c_sc(x), 2), rtol=0, atol=1e-13)


def test_first_block_does_not_rectify_the_images():
    block = FirstDiscriminatorBlock(4)
    initialise(block, torch.Generator().manual_seed(0))
    x = -torch.rand(2, 3, 8, 8)
    assert not torch.allclose(block(x), block(F.relu(x)))
