"""The networks against the released ones: sizes, layers, and forward passes written out.

The forward passes here use no module and no function of the networks: arrays by name, in float64.
"""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from trainer.layers import Conv2d, initialise
from trainer.models import (
    BatchNorm2d,
    Discriminator,
    DiscriminatorBlock,
    FirstDiscriminatorBlock,
    Generator,
    GeneratorBlock,
)

# Parameters by width, and the same in millions as published.
DISCRIMINATOR_SIZES = {
    32: (66_848, "0.07"),
    64: (264_768, "0.26"),
    128: (1_053_824, "1.05"),
    256: (4_204_800, "4.20"),
}


def size(network):
    return sum(p.numel() for p in network.parameters())


def conv(a, b, kernel_size):
    """Weights and biases of a convolution from a to b channels."""
    return a * b * kernel_size**2 + b


# Sizes, from the list of layers.


def test_size_of_the_cifar_generator():
    block = 2 * (2 * 256) + 2 * conv(256, 256, 3) + conv(256, 256, 1)
    expected = 129 * 4 * 4 * 256 + 3 * block + 2 * 256 + conv(256, 3, 3)
    with torch.device("meta"):
        assert size(Generator(32, 256, 128)) == expected == 4_276_739
    assert f"{expected / 1e6:.2f}" == "4.28"


@pytest.mark.parametrize("ch", DISCRIMINATOR_SIZES)
def test_size_of_the_cifar_discriminator(ch):
    first = conv(3, ch, 3) + conv(ch, ch, 3) + conv(3, ch, 1)
    second = 2 * conv(ch, ch, 3) + conv(ch, ch, 1)
    expected = first + second + 2 * 2 * conv(ch, ch, 3) + ch
    with torch.device("meta"):
        assert size(Discriminator(32, ch)) == expected == DISCRIMINATOR_SIZES[ch][0]
        assert size(Discriminator(32, ch, classes=10)) == expected + 10 * ch
    assert f"{expected / 1e6:.2f}" == DISCRIMINATOR_SIZES[ch][1]


def test_size_of_the_imagenet_networks():
    widths = [64, 128, 256, 512, 1024]
    expected = conv(3, 64, 3) + conv(64, 64, 3) + conv(3, 64, 1)
    for a, b in pairwise(widths):
        expected += conv(a, a, 3) + conv(a, b, 3) + conv(a, b, 1)
    expected += 2 * conv(1024, 1024, 3) + 1024 + 1 + 1000 * 1024
    with torch.device("meta"):
        assert size(Discriminator(128, 64, classes=1000)) == expected

        widths = [1024, 1024, 512, 256, 128, 64]
        expected = 129 * 4 * 4 * 1024 + 2 * 64 + conv(64, 3, 3)
        for a, b in pairwise(widths):
            expected += 2 * 1000 * a + 2 * 1000 * b
            expected += conv(a, b, 3) + conv(b, b, 3) + conv(a, b, 1)
        assert size(Generator(128, 64, 128, 1000, "sn")) == expected


# Layers.


def test_layers_of_the_cifar_discriminator_in_the_order_of_the_paper():
    with torch.device("meta"):
        d = Discriminator(32, 32)
    shapes = [tuple(layer.weight.shape) for layer in d.regularised_layers()]
    first = [(32, 3, 3, 3), (32, 32, 3, 3), (32, 3, 1, 1)]
    second = [(32, 32, 3, 3), (32, 32, 3, 3), (32, 32, 1, 1)]
    assert shapes == first + second + 4 * [(32, 32, 3, 3)]
    assert d.last.bias is None
    assert d.last.weight.shape == (1, 32)
    assert d.normalised_layers() == [*d.regularised_layers(), d.last]
    assert d.embedding is None


def test_layers_of_the_imagenet_discriminator_in_the_order_of_the_paper():
    with torch.device("meta"):
        d = Discriminator(128, 64, classes=1000)
    shapes = [tuple(layer.weight.shape) for layer in d.regularised_layers()]
    expected = [(64, 3, 3, 3), (64, 64, 3, 3), (64, 3, 1, 1)]
    for a, b in ((64, 128), (128, 256), (256, 512), (512, 1024)):
        expected += [(a, a, 3, 3), (b, a, 3, 3), (b, a, 1, 1)]
    expected += 2 * [(1024, 1024, 3, 3)]
    assert shapes == expected
    assert len(shapes) == 17
    assert d.regularised_layers()[16].weight.flatten(1).shape == (1024, 9216)
    assert d.last.weight.shape == (1, 1024)
    assert d.last.bias.shape == (1,)
    assert d.embedding.weight.shape == (1000, 1024)
    assert d.normalised_layers() == [*d.regularised_layers(), d.last, d.embedding]


def test_networks_at_64_pixels_have_a_block_less():
    """The sizes of mimicry's SN-GAN at 64 pixels: D's width 64 to 1024, G's 1024 to 64."""
    with torch.device("meta"):
        d, g = Discriminator(64, 64), Generator(64, 64, 128)
    expected = [(64, 3, 3, 3), (64, 64, 3, 3), (64, 3, 1, 1)]
    for a, b in ((64, 128), (128, 256), (256, 512), (512, 1024)):
        expected += [(a, a, 3, 3), (b, a, 3, 3), (b, a, 1, 1)]
    assert [tuple(layer.weight.shape) for layer in d.regularised_layers()] == expected
    assert d.last.weight.shape == (1, 1024)
    assert d.last.bias.shape == (1,)
    assert g.l1.weight.shape == (1024 * 4 * 4, 128)
    widths = [(block.c1.in_channels, block.c1.out_channels) for block in g.blocks]
    assert widths == [(1024, 512), (512, 256), (256, 128), (128, 64)]


def test_networks_at_64_pixels_as_they_are_written():
    d, g = randomise(Discriminator(64, 2)), randomise(Generator(64, 2, 5))
    x, z = random(3, 3, 64, 64), random(3, 5)
    assert_same(d(x), Written(d).discriminator(x, None, 4 * [True]))
    expected = Written(g, sn=False, training=True).generator(z, None, blocks=4, bottom=4)
    assert_same(g(z), expected)
    assert g(z).shape == (3, 3, 64, 64)


def test_layers_of_the_imagenet_generator():
    with torch.device("meta"):
        g = Generator(128, 64, 128, 1000, "sn")
    assert g.l1.weight.shape == (1024 * 4 * 4, 128)
    widths = [(block.c1.in_channels, block.c1.out_channels) for block in g.blocks]
    assert widths == [(1024, 1024), (1024, 512), (512, 256), (256, 128), (128, 64)]
    for block, (a, b) in zip(g.blocks, widths, strict=True):
        assert block.c2.weight.shape == (b, b, 3, 3), "hidden width is that of the output"
        assert block.c_sc.weight.shape == (b, a, 1, 1)
        assert (block.bn1.gamma.shape, block.bn2.beta.shape) == ((1000, a), (1000, b))
    assert g.c.weight.shape == (3, 64, 3, 3)
    assert g.bn.weight.shape == (64,), "the last normalisation is not conditional"
    assert len(g.normalised_layers()) == 1 + 5 * 3 + 1


def test_a_generator_without_sn_has_no_normalised_layers():
    with torch.device("meta"):
        assert Generator(32, 8, 16).normalised_layers() == []
        norms = [m for m in Discriminator(32, 8).modules() if isinstance(m, BatchNorm2d)]
    assert norms == [], "no batch norm in D"


@pytest.mark.parametrize("resolution", [8, 16, 32])
def test_shapes_at_every_resolution(resolution):
    g, d = Generator(resolution, 6, 10), Discriminator(resolution, 6)
    initialise(d, torch.Generator().manual_seed(0))
    images = g(torch.randn(5, 10))
    assert images.shape == (5, 3, resolution, resolution)
    assert images.abs().max() <= 1
    assert g.bottom == resolution // 8
    assert d(images).shape == (5,)


# Forward passes.


def randomise(network, seed=0):
    """Every parameter and buffer random, singular vectors after one iteration; in float64."""
    rng = torch.Generator().manual_seed(seed)
    network.double()
    initialise(network, rng)
    with torch.no_grad():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if name.endswith(("bias", "beta", "running_mean")):
                value.normal_(generator=rng)
            elif name.endswith(("bn1.weight", "bn2.weight", "bn.weight", "gamma", "running_var")):
                value.uniform_(0.5, 2, generator=rng)
    return network


def random(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Written:
    """The released forward pass from a table of arrays."""

    def __init__(self, network, *, sn=True, training=False):
        self.a = dict(network.state_dict())
        self.sn = sn
        self.training = training

    def weight(self, name):
        w = self.a[f"{name}.weight"]
        if not self.sn:
            return w
        matrix = w.reshape(len(w), -1)
        sigma = self.a[f"{name}.u"] @ matrix @ self.a[f"{name}.v"]
        return w / sigma

    def conv(self, name, x):
        """Correlation with zero padding, a sum over the offsets of the kernel."""
        w = self.weight(name)
        k = w.shape[2]
        height, width = x.shape[2:]
        padded = torch.zeros(len(x), x.shape[1], height + k - 1, width + k - 1).double()
        padded[:, :, k // 2 : k // 2 + height, k // 2 : k // 2 + width] = x
        out = self.a[f"{name}.bias"][None, :, None, None]
        for i in range(k):
            for j in range(k):
                window = padded[:, :, i : i + height, j : j + width]
                out = out + torch.einsum("oc,bchw->bohw", w[:, :, i, j], window)
        return out

    def linear(self, name, x):
        out = x @ self.weight(name).T
        return out + self.a[f"{name}.bias"] if f"{name}.bias" in self.a else out

    def batch_norm(self, name, x, labels):
        if self.training:
            mean = x.mean((0, 2, 3))
            variance = (x - mean[:, None, None]).square().mean((0, 2, 3))
        else:
            mean, variance = self.a[f"{name}.running_mean"], self.a[f"{name}.running_var"]
        h = (x - mean[:, None, None]) / (variance[:, None, None] + 2e-5).sqrt()
        if f"{name}.gamma" in self.a:
            gamma = self.a[f"{name}.gamma"][labels][:, :, None, None]
            beta = self.a[f"{name}.beta"][labels][:, :, None, None]
        else:
            gamma = self.a[f"{name}.weight"][:, None, None]
            beta = self.a[f"{name}.bias"][:, None, None]
        return gamma * h + beta

    def first_block(self, name, x):
        h = self.conv(f"{name}.c2", relu(self.conv(f"{name}.c1", x)))
        return pool(h) + self.conv(f"{name}.c_sc", pool(x))

    def block(self, name, x, *, down):
        """Released order of the shortcut: 1x1 convolution, then the pool."""
        h = self.conv(f"{name}.c2", relu(self.conv(f"{name}.c1", relu(x))))
        if not down:
            return h + x
        return pool(h) + pool(self.conv(f"{name}.c_sc", x))

    def discriminator(self, x, labels, downs):
        h = self.first_block("blocks.0", x)
        for k, down in enumerate(downs, start=1):
            h = self.block(f"blocks.{k}", h, down=down)
        h = relu(h).sum(3).sum(2)
        out = self.linear("last", h)[:, 0]
        if labels is None:
            return out
        # Projection (Miyato and Koyama 2018): + y^T V h, with y one-hot.
        one_hot = F.one_hot(labels, len(self.a["embedding.weight"])).double()
        return out + ((one_hot @ self.weight("embedding")) * h).sum(1)

    def generator_block(self, name, x, labels):
        """Released order of the shortcut: upsampling, then the 1x1 convolution."""
        h = up(relu(self.batch_norm(f"{name}.bn1", x, labels)))
        h = self.conv(f"{name}.c1", h)
        h = self.conv(f"{name}.c2", relu(self.batch_norm(f"{name}.bn2", h, labels)))
        return h + self.conv(f"{name}.c_sc", up(x))

    def generator(self, z, labels, blocks, bottom):
        h = self.linear("l1", z).reshape(len(z), -1, bottom, bottom)
        for k in range(blocks):
            h = self.generator_block(f"blocks.{k}", h, labels)
        return torch.tanh(self.conv("c", relu(self.batch_norm("bn", h, labels))))


def relu(x):
    return torch.where(x > 0, x, 0.0)


def pool(x):
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


def up(x):
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def assert_same(a, b):
    torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


LABELS = torch.tensor([2, 0, 2])


@pytest.mark.parametrize("resolution", [8, 32])
@pytest.mark.parametrize("labels", [None, LABELS], ids=["unconditional", "conditional"])
def test_cifar_discriminator_is_the_released_one(resolution, labels):
    d = randomise(Discriminator(resolution, 5, None if labels is None else 3))
    x = random(3, 3, resolution, resolution)
    out = Written(d).discriminator(x, labels, [True, False, False])
    assert_same(d(x, labels), out)
    assert out.abs().min() > 1e-3


def test_projection_tells_classes_apart():
    d = randomise(Discriminator(8, 5, 3))
    x = random(1, 3, 8, 8)
    outputs = [d(x, torch.tensor([label])).item() for label in range(3)]
    assert len(set(outputs)) == 3


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("labels", [None, LABELS], ids=["unconditional", "conditional"])
@pytest.mark.parametrize("sn", [False, True], ids=["plain", "sn"])
def test_cifar_generator_is_the_released_one(training, labels, sn):
    classes = None if labels is None else 3
    g = randomise(Generator(32, 4, 7, classes, "sn" if sn else "none")).train(training)
    z = random(3, 7)
    expected = Written(g, sn=sn, training=training).generator(z, labels, blocks=3, bottom=4)
    images = g(z, labels)
    assert_same(images, expected)
    assert images.shape == (3, 3, 32, 32)


def test_imagenet_discriminator_is_the_released_one():
    """At width 2: five pools, the hidden width of a block that of its input."""
    d = randomise(Discriminator(128, 2, classes=3))
    assert [tuple(b.c1.weight.shape[:2]) for b in d.blocks[1:]] == [
        (2, 2), (4, 4), (8, 8), (16, 16), (32, 32),
    ]  # fmt: skip
    x = random(3, 3, 128, 128)
    expected = Written(d).discriminator(x, LABELS, [True, True, True, True, False])
    assert_same(d(x, LABELS), expected)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_imagenet_generator_is_the_released_one(training):
    """At width 1: five blocks from 4 to 128 pixels, spectrally normalised throughout."""
    g = randomise(Generator(128, 1, 5, 3, "sn")).train(training)
    z = random(3, 5)
    written = Written(g, training=training)
    expected = written.generator(z, LABELS, blocks=5, bottom=4)
    images = g(z, LABELS)
    assert_same(images, expected)
    assert images.shape == (3, 3, 128, 128)


def test_running_averages_of_batch_norm_decay_by_nine_tenths():
    norm = BatchNorm2d(2, None).double()
    x = 3 + 2 * random(4, 2, 5, 5)
    norm(x)
    assert_same(norm.running_mean, 0.1 * x.mean((0, 2, 3)))
    n = 4 * 5 * 5
    variance = x.var((0, 2, 3), correction=0) * n / (n - 1)
    assert_same(norm.running_var, 0.9 + 0.1 * variance)


def test_all_batch_norms_of_the_generator_are_alike():
    for g in (Generator(32, 2, 3), Generator(128, 1, 3, 2, "sn")):
        norms = [module for module in g.modules() if isinstance(module, BatchNorm2d)]
        assert len(norms) == 2 * len(g.blocks) + 1
        assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 2e-5)}


def test_conditional_batch_norm_starts_as_the_plain_one():
    x = random(3, 2, 4, 4)
    plain, conditional = BatchNorm2d(2, None).double(), BatchNorm2d(2, 3).double()
    assert_same(conditional(x, LABELS), plain(x))


def test_shortcuts_equal_the_released_order():
    """Released: 1x1 convolution after upsampling in G and before pooling in D's second block."""
    x = random(2, 6, 8, 8)
    g = GeneratorBlock(6, 5, None, "none").double().eval()
    main = g.c2(F.relu(g.bn2(g.c1(up(F.relu(g.bn1(x)))))))
    torch.testing.assert_close(g(x, None), main + g.c_sc(up(x)), rtol=0, atol=1e-13)
    d = DiscriminatorBlock(6, 5, "none", down=True).double()
    main = F.avg_pool2d(d.c2(F.relu(d.c1(F.relu(x)))), 2)
    torch.testing.assert_close(d(x), main + F.avg_pool2d(d.c_sc(x), 2), rtol=0, atol=1e-13)


def test_blocks_leave_their_input_as_it_is():
    """A rectification in place would reach the shortcut: known from other ports."""
    x = random(2, 4, 8, 8)
    before = x.clone()
    GeneratorBlock(4, 4, None, "none").double()(x, None)
    DiscriminatorBlock(4, 4, "none", down=False).double()(x)
    DiscriminatorBlock(4, 4, "none", down=True).double()(x)
    assert torch.equal(x, before)


def test_first_block_does_not_rectify_the_images():
    block = FirstDiscriminatorBlock(4, "none")
    x = -torch.rand(2, 3, 8, 8)
    assert not torch.allclose(block(x), block(F.relu(x)))


def test_every_convolution_of_the_discriminator_is_regularised():
    d = Discriminator(32, 4, classes=3)
    convolutions = {module for module in d.modules() if isinstance(module, Conv2d)}
    assert set(d.regularised_layers()) == convolutions
