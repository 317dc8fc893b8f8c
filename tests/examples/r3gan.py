"""Networks and loss in the manner of R3GAN (Huang et al. 2024), for `--networks` and `--loss`.

    python -m trainer --profile small --dataset images --data-root PICTURES --setting C_32-32 \
        --method rpgan-r1r2 --networks tests.examples.r3gan:build --loss tests.examples.r3gan:loss

No normalisation, residual blocks of 1x1, grouped 3x3 and 1x1 convolutions of which the last
begins at zero, and bilinear resampling; the method adds R1 and R2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """x + f(x), of images [N, width, h, h]."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(width, 2 * width, 1)
        self.grouped = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=groups, bias=False)
        self.narrow = nn.Conv2d(2 * width, width, 1, bias=False)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.wide(x), 0.2)
        return x + self.narrow(F.leaky_relu(self.grouped(h), 0.2))


class Generator(nn.Module):
    """Latent vectors [N, latent] to images [N, 3, side, side]: a learned 4x4 basis, upsampled."""

    def __init__(self, latent: int, width: int, stages: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(width, 4, 4))
        self.mix = nn.Linear(latent, width)
        self.blocks = nn.ModuleList(Block(width, width // 4) for _ in range(stages + 1))
        self.image = nn.Conv2d(width, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.blocks[0](self.mix(z)[:, :, None, None] * self.basis)
        for block in self.blocks[1:]:
            h = block(F.interpolate(h, scale_factor=2.0, mode="bilinear"))
        return self.image(h)


def build(
    latent_size: int, resolution: int, channels: int, generator_channels: int
) -> tuple[nn.Module, nn.Module]:
    """(G, D) for images of 4, 8, 16, .. pixels a side; widths are multiples of 4."""
    stages = (resolution // 4).bit_length() - 1
    down = [m for _ in range(stages) for m in (Block(channels, channels // 4), nn.AvgPool2d(2))]
    head = [
        nn.Conv2d(channels, channels, 4, groups=channels),
        nn.Flatten(),
        nn.Linear(channels, 1),
    ]
    d = nn.Sequential(nn.Conv2d(3, channels, 1), *down, Block(channels, channels // 4), *head)
    return Generator(latent_size, generator_channels, stages), d


def loss(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """(L_D, L_G) of relativistic pairing, of D's outputs [N] on real and on generated images."""
    return F.softplus(fake - real).mean(), F.softplus(real - fake).mean()
