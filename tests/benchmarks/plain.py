"""The released SN-GAN for 32x32 images as anyone would write it in PyTorch, and its plain loop.

Nothing here is meant to be fast, and nothing to be slow: torch's own spectral normalization,
upsampling and pooling as layers of their own, Adam as it comes. Real and generated images go
through D together, D's fakes are made without gradients, and D is not frozen in G's step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LATENT = 128
N_CRITIC = 5


class GeneratorBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels, eps=2e-5)
        self.c1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(channels, eps=2e-5)
        self.c2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.c_sc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.interpolate(F.relu(self.bn1(x)), scale_factor=2, mode="nearest")
        h = self.c2(F.relu(self.bn2(self.c1(h))))
        return h + self.c_sc(F.interpolate(x, scale_factor=2, mode="nearest"))


class Generator(nn.Module):
    """z[B, 128] -> images[B, 3, 32, 32] in (-1, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.l1 = nn.Linear(LATENT, channels * 4 * 4)
        self.blocks = nn.Sequential(*(GeneratorBlock(channels) for _ in range(3)))
        self.bn = nn.BatchNorm2d(channels, eps=2e-5)
        self.c = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.blocks(self.l1(z).unflatten(1, (-1, 4, 4)))
        return torch.tanh(self.c(F.relu(self.bn(h))))


class DiscriminatorBlock(nn.Module):
    def __init__(self, inputs: int, channels: int, *, first: bool, down: bool) -> None:
        super().__init__()
        self.first, self.down = first, down
        self.c1 = spectral_norm(nn.Conv2d(inputs, channels, 3, padding=1))
        self.c2 = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1))
        self.c_sc = spectral_norm(nn.Conv2d(inputs, channels, 1)) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.c2(F.relu(self.c1(x if self.first else F.relu(x))))
        if not self.down:
            return h + x
        if self.first:
            return F.avg_pool2d(h, 2) + self.c_sc(F.avg_pool2d(x, 2))
        return F.avg_pool2d(h, 2) + F.avg_pool2d(self.c_sc(x), 2)


class Discriminator(nn.Module):
    """images[B, 3, 32, 32] -> D(x)[B]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            DiscriminatorBlock(3, channels, first=True, down=True),
            DiscriminatorBlock(channels, channels, first=False, down=True),
            DiscriminatorBlock(channels, channels, first=False, down=False),
            DiscriminatorBlock(channels, channels, first=False, down=False),
        )
        self.last = spectral_norm(nn.Linear(channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.blocks(x)).sum(dim=(2, 3))
        return self.last(h).squeeze(1)


def loop(
    g: Generator, d: Discriminator, batch: int, draw: Callable[[], Tensor]
) -> Callable[[], None]:
    """What trains one iteration: five updates of D, one of G on twice as many images.

    `draw` gives `batch` real images[B, 3, 32, 32] in [-1, 1].
    """
    device = g.l1.weight.device
    g_optimiser = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.0, 0.9))
    d_optimiser = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.0, 0.9))

    def iteration() -> None:
        for _ in range(N_CRITIC):
            real = draw()
            with torch.no_grad():
                fake = g(torch.randn(batch, LATENT, device=device))
            d_optimiser.zero_grad()
            real_out, fake_out = d(torch.cat([real, fake])).split(batch)
            (F.relu(1 - real_out).mean() + F.relu(1 + fake_out).mean()).backward()
            d_optimiser.step()
        g_optimiser.zero_grad()
        (-d(g(torch.randn(2 * batch, LATENT, device=device))).mean()).backward()
        g_optimiser.step()

    return iteration
