"""The SN-GAN ResNet of the released code: generator and discriminator for 8, 16 and 32 pixels.

Layer for layer the networks of the paper's Fig. 13(a) and of the released CIFAR code, at any power
of two from 8 to 32 pixels: the generator starts from resolution / 8. Images are [B, 3, H, H] in
[-1, 1], latent vectors z[B, latent]. Weights start Glorot uniform, biases at zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.spectral import power_iteration, spectral_norm


class SNConv2d(nn.Conv2d):
    """Convolution with W / sigma in place of W. u and v move only in `advance`."""

    u: Tensor
    v: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.register_buffer("u", torch.zeros(out_channels))
        self.register_buffer("v", torch.zeros(self.weight[0].numel()))

    def forward(self, input: Tensor) -> Tensor:
        sigma = spectral_norm(self.weight, self.u, self.v)
        return F.conv2d(input, self.weight / sigma, self.bias, padding=self.padding)


class SNLinear(nn.Linear):
    """Linear layer without bias, W / sigma in place of W. u and v move only in `advance`."""

    u: Tensor
    v: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)
        self.register_buffer("u", torch.zeros(out_features))
        self.register_buffer("v", torch.zeros(in_features))

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight / spectral_norm(self.weight, self.u, self.v))


@torch.no_grad()
def advance(layers: Sequence[SNConv2d | SNLinear]) -> None:
    """One power iteration in every layer: once per update of D and once per update of G."""
    for layer in layers:
        u, v = power_iteration(layer.weight, layer.u)
        layer.u.copy_(u)
        layer.v.copy_(v)


class GeneratorBlock(nn.Module):
    """BN, ReLU, upsample x2, conv, BN, ReLU, conv; shortcut: upsample x2, 1x1 conv."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn1 = batch_norm(channels)
        self.c1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn2 = batch_norm(channels)
        self.c2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.c_sc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.c1(upsample(F.relu(self.bn1(x))))
        h = self.c2(F.relu(self.bn2(h)))
        # A 1x1 convolution commutes with nearest upsampling and is four times cheaper before it.
        return h + upsample(self.c_sc(x))


class Generator(nn.Module):
    """z[B, latent] -> images[B, 3, resolution, resolution] in (-1, 1)."""

    def __init__(self, resolution: int, channels: int, latent_size: int) -> None:
        super().__init__()
        self.bottom = resolution // 8
        self.l1 = nn.Linear(latent_size, channels * self.bottom**2)
        self.blocks = nn.ModuleList(GeneratorBlock(channels) for _ in range(3))
        self.bn = batch_norm(channels)
        self.c = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.l1(z).unflatten(1, (-1, self.bottom, self.bottom))
        for block in self.blocks:
            h = block(h)
        return torch.tanh(self.c(F.relu(self.bn(h))))


class FirstDiscriminatorBlock(nn.Module):
    """conv, ReLU, conv, pool; shortcut: pool, 1x1 conv. No ReLU on the images themselves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c1 = SNConv2d(3, channels, 3)
        self.c2 = SNConv2d(channels, channels, 3)
        self.c_sc = SNConv2d(3, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.c2(F.relu(self.c1(x)))
        return F.avg_pool2d(h, 2) + self.c_sc(F.avg_pool2d(x, 2))


class DiscriminatorBlock(nn.Module):
    """ReLU, conv, ReLU, conv, and with `down` a pool; shortcut: identity, or 1x1 conv and pool."""

    def __init__(self, channels: int, *, down: bool) -> None:
        super().__init__()
        self.c1 = SNConv2d(channels, channels, 3)
        self.c2 = SNConv2d(channels, channels, 3)
        self.c_sc = SNConv2d(channels, channels, 1) if down else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.c2(F.relu(self.c1(F.relu(x))))
        if self.c_sc is None:
            return h + x
        # Pooling commutes with a 1x1 convolution: first pooled, a quarter of the work.
        return F.avg_pool2d(h, 2) + self.c_sc(F.avg_pool2d(x, 2))


class Discriminator(nn.Module):
    """images[B, 3, H, H] -> D(x)[B]: four blocks of width CH, ReLU, sum over pixels, linear."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block1 = FirstDiscriminatorBlock(channels)
        self.block2 = DiscriminatorBlock(channels, down=True)
        self.block3 = DiscriminatorBlock(channels, down=False)
        self.block4 = DiscriminatorBlock(channels, down=False)
        self.l5 = SNLinear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.block4(self.block3(self.block2(self.block1(x))))
        return self.l5(F.relu(h).sum(dim=(2, 3))).squeeze(1)

    def convolutions(self) -> list[SNConv2d]:
        """layer_0 .. layer_9 as the paper numbers them; 2 and 5 are the 1x1 shortcuts."""
        b1, b2, b3, b4 = self.block1, self.block2, self.block3, self.block4
        assert b2.c_sc is not None
        return [b1.c1, b1.c2, b1.c_sc, b2.c1, b2.c2, b2.c_sc, b3.c1, b3.c2, b4.c1, b4.c2]

    def normalised_layers(self) -> list[SNConv2d | SNLinear]:
        return [*self.convolutions(), self.l5]


LAYERS = 10
SHORTCUT_LAYERS = (2, 5)


def upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def batch_norm(channels: int) -> nn.BatchNorm2d:
    # Chainer's defaults, which the released code keeps: eps 2e-5, running averages decay by 0.9.
    return nn.BatchNorm2d(channels, eps=2e-5, momentum=0.1)


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Released initial weights: Glorot uniform, gain sqrt(2) for the 3x3 convolutions in blocks
    and 1 for shortcuts, the first and last layers; zero biases; u ~ N(0, I) and one iteration."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            inside = name.endswith((".c1", ".c2"))
            nn.init.xavier_uniform_(
                module.weight, gain=math.sqrt(2) if inside else 1.0, generator=generator
            )
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, SNConv2d | SNLinear):
            module.u.normal_(generator=generator)
            advance([module])
