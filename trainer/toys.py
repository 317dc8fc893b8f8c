"""Toy problems in the plane, with known answers: mixtures of Gaussians, their networks and scores.

`ring8` and its networks as in the code released with "JARE" (Nie and Patel, UAI 2019). `grid25`
as in the released PacGAN code (Lin et al. 2018, after VEEGAN). The networks of `affine` are in
trainer/affine.py. Points are x[n, 2]; no toy has classes, so the networks ignore labels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer import affine
from trainer.config.settings import TOY_HIDDEN_LAYERS
from trainer.layers import Layer, Linear
from trainer.packing import packed

# The released code draws z ~ N(0, variance 4); the loop draws N(0, I).
LATENT_STD = 2.0
# A sample belongs to a mode within 3 std of its centre: 98.9 % of a Gaussian in the plane.
RADIUS = 3
# A mode is found if at least 20 of 2,560 samples belong to it.
LEAST_SHARE = 20 / 2560


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Gaussians around centres[K, 2], all of one weight and one standard deviation.

    With `stratified`, entry k of a draw is of mode k mod K; else the modes are drawn too.
    """

    centres: Tensor
    std: float
    stratified: bool

    def draw(
        self, n: int, rng: torch.Generator, *, held_out: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """x[n, 2]; nothing is held out of a distribution that is known: both draws are fresh."""
        modes, device = len(self.centres), self.centres.device
        if self.stratified:
            mode = torch.arange(n, device=device) % modes
        else:
            mode = torch.randint(modes, (n,), generator=rng, device=device)
        noise = torch.randn(n, 2, generator=rng, device=device)
        return self.centres[mode] + self.std * noise, None

    def draw_fixed(
        self, n: int, rng: torch.Generator, *, held_out: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        return self.draw(n, rng, held_out=held_out)

    def follow(
        self,
        seed: int,
        iteration: int,
        n_critic: int,
        batch_size: int,
        micro_batch: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Nothing to prepare: points are drawn where they are needed."""

    def close(self) -> None:
        """Nothing to end."""


def ring8(device: str) -> Points:
    """8 Gaussians on a circle of radius 2, the first at (2, 0), every batch stratified."""
    angle = torch.arange(8, device=device) * (math.pi / 4)
    centres = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    return Points(centres=centres, std=0.06, stratified=True)


def grid25(device: str) -> Points:
    """25 Gaussians at -4, -2, .., 4 in both directions, the modes drawn at random."""
    ticks = (-4.0, -2.0, 0.0, 2.0, 4.0)
    centres = torch.tensor(list(itertools.product(ticks, ticks)), device=device)
    return Points(centres=centres, std=0.05, stratified=False)


def gaussian(device: str) -> Points:
    """Data of the affine GAN: a single Gaussian."""
    centres = torch.tensor([affine.MEAN], device=device)
    return Points(centres=centres, std=affine.STD, stratified=False)


POINTS: Mapping[str, Callable[[str], Points]] = {
    "ring8": ring8,
    "grid25": grid25,
    "affine": gaussian,
}


class PointGenerator(nn.Module):
    """z[B, latent] ~ N(0, I) -> x[B, 2]: 2 z, four hidden layers with ReLU, linear."""

    def __init__(self, latent_size: int, channels: int) -> None:
        super().__init__()
        sizes = [latent_size, *TOY_HIDDEN_LAYERS * [channels], 2]
        self.layers = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in itertools.pairwise(sizes)
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return _perceptron(self.layers, LATENT_STD * z)

    def normalised_layers(self) -> list[Layer]:
        return []


class PointDiscriminator(nn.Module):
    """x[B, 2] -> D(x)[B // packing]: four hidden layers with ReLU, linear; of packs of points."""

    def __init__(self, channels: int, normalisation: str, packing: int = 1) -> None:
        super().__init__()
        self.packing = packing
        sizes = [2 * packing, *TOY_HIDDEN_LAYERS * [channels], 1]
        self.layers = nn.ModuleList(
            Linear(*pair, normalisation=normalisation) for pair in itertools.pairwise(sizes)
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return _perceptron(self.layers, packed(x, self.packing)).squeeze(1)

    def regularised_layers(self) -> list[Layer]:
        """layer_0 .. layer_3: all but the last, whose weight is one row and has one sigma."""
        return self.normalised_layers()[:-1]

    def normalised_layers(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Linear)]


def _perceptron(layers: nn.ModuleList, h: Tensor) -> Tensor:
    *hidden, last = layers
    for layer in hidden:
        h = F.relu(layer(h))
    return last(h)


@dataclass(frozen=True, slots=True)
class ModeScorer:
    """Scores which of the modes around centres[K, 2] samples reach, and how evenly."""

    centres: Tensor
    std: float

    def scores(self, samples: Tensor, protocol: str | None) -> dict[str, float]:
        """Modes found, share of valid samples, and two distances from the mixture, of x[n, 2].

        valid_share is of samples within 3 std of a centre; one that is not finite is outside.
        reverse_kl is that of the valid samples' histogram from uniform, in nats, NaN if there are
        none. mode_distance is the total variation between the shares of (each mode, outside) and
        (1/K each, 0): 0 is best, 1 worst, and the mixture itself has 0.011 outside.
        """
        centres = self.centres.double()
        squares = (samples.double().unsqueeze(1) - centres).square().sum(2)
        # No sample is within reach of two centres. A comparison with NaN is false.
        counts = (squares <= (RADIUS * self.std) ** 2).sum(0).double()
        n, modes, valid = len(samples), len(centres), counts.sum()
        share, p = counts / n, counts / valid
        uneven = (share - 1 / modes).abs().sum() + (1 - valid / n)
        return {
            "n_samples": n,
            "modes": int((share >= LEAST_SHARE).sum()),
            "valid_share": float(valid / n),
            "reverse_kl": float(torch.special.xlogy(p, modes * p).sum()),
            "mode_distance": float(uneven / 2),
        }

    def protocol_record(self, protocol: str | None = None) -> dict[str, Any]:
        return {
            "extractor": "none",
            "modes": len(self.centres),
            "std": self.std,
            "radius_in_std": RADIUS,
            "least_share_of_a_mode": LEAST_SHARE,
        }


def scatter(samples: Tensor, centres: Tensor, size: int = 256) -> Tensor:
    """uint8 [size, size, 3]: samples[n, 2] in grey on white, darker where they meet, and around
    each of centres[K, 2] the arms of a red cross.

    The window is the same for all samples: it reaches 2 beyond the furthest centre, y upwards.
    What is outside it, or not finite, is not drawn.
    """
    reach = float(centres.abs().max()) + 2
    cells = size // 2
    row, column = _cells(samples, reach, cells)
    counts = torch.zeros(cells, cells, device=samples.device)
    counts.index_put_((row, column), torch.ones_like(row, dtype=counts.dtype), accumulate=True)
    grey = (255 * 0.5**counts).to(torch.uint8)
    picture = grey.repeat_interleave(2, 0).repeat_interleave(2, 1).unsqueeze(2).repeat(1, 1, 3)
    red = torch.tensor([214, 39, 40], dtype=torch.uint8, device=samples.device)
    for y, x in zip(*_cells(centres, reach, size), strict=True):
        for near, far in ((-9, -4), (5, 10)):
            picture[y + near : y + far, x] = red
            picture[y, x + near : x + far] = red
    return picture


def _cells(points: Tensor, reach: float, cells: int) -> tuple[Tensor, Tensor]:
    """(row, column) of the points within the window |x|, |y| < reach of cells x cells."""
    position = (points / reach + 1) * (cells / 2)
    visible = ((position >= 0) & (position < cells)).all(1)
    column, row = position[visible].floor().long().unbind(1)
    return cells - 1 - row, column
