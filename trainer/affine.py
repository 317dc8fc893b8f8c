"""The affine GAN: one Gaussian, two parameters to a player, eigenvalues known in closed form.

As in the code released with "JARE" (Nie and Patel, UAI 2019): x ~ N(v, sigma^2 I), G(z) =
sigma z + phi, D(x) = theta^T x. At the equilibrium (phi, theta) = (v, 0) the Jacobian of the
update field has, for each eigenvalue s of sigma^2 I + v v^T and under the zero-sum loss, the two
eigenvalues with lambda^2 + B lambda + C = 0, where of weight w

    JARE    B = s/2 + w/2            C = 1/4 + w^2/16       (w = 0: simultaneous descent)
    ConOpt  B = s/2 + w/2 + w s^2/4  C = 1/4 + w^2/16 + w s/8

Good is a weight that makes them real and alike. JARE's do both as w grows, ConOpt's turn real and
drift apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from trainer.layers import Layer
from trainer.losses import LOSSES
from trainer.penalties import jacobian_gradients

MEAN = (0.0, 2.0)
STD = 0.7


class AffineGenerator(nn.Module):
    """z[B, 2] ~ N(0, I) -> 0.7 z + phi. phi starts where the released code starts it."""

    def __init__(self) -> None:
        super().__init__()
        self.phi = nn.Parameter(torch.tensor([0.05, 2.05]))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return STD * z + self.phi

    def normalised_layers(self) -> list[Layer]:
        return []


class AffineDiscriminator(nn.Module):
    """x[B, 2] -> theta^T x[B]. It has no layer: no normalisation or projection applies to it."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([0.05, 0.05]))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return x @ self.theta

    def regularised_layers(self) -> list[Layer]:
        return []

    def normalised_layers(self) -> list[Layer]:
        return []


@dataclass(frozen=True, slots=True)
class AffineScorer:
    """Distance of the affine GAN from its equilibrium; reads the networks, not the samples."""

    generator: AffineGenerator
    discriminator: AffineDiscriminator

    def scores(self, samples: Tensor, protocol: str | None) -> dict[str, float]:
        distance = equilibrium_distance(self.generator, self.discriminator)
        return {"n_samples": len(samples), "equilibrium_distance": distance}

    def protocol_record(self, protocol: str | None = None) -> dict[str, Any]:
        return {"extractor": "none", "equilibrium": [*MEAN, 0.0, 0.0]}


def equilibrium_distance(generator: AffineGenerator, discriminator: AffineDiscriminator) -> float:
    """|(phi, theta) - (v, 0)|, v the mean of the data."""
    mean = torch.tensor(MEAN, device=generator.phi.device)
    offset = torch.cat([generator.phi.detach() - mean, discriminator.theta.detach()])
    return float(offset.norm())


class UpdateField(NamedTuple):
    """Eigenvalues[4] (complex) of the Jacobian of the update field at the equilibrium.

    The phase factor max |Im / Re| says how much the flow turns around the equilibrium, the
    conditioning max |lambda| / min |lambda| how unevenly it nears it: 0 and 1 are best.
    """

    eigenvalues: Tensor
    phase_factor: float
    conditioning: float


def update_field(weight: float, *, own: bool) -> UpdateField:
    """Jacobian of the affine GAN's update field under JARE (ConOpt with `own`).

    Taken through the code that trains it: float64 central differences of `jacobian_gradients` on
    four latent vectors whose mean is exactly 0 and whose covariance is exactly I.
    """
    r = math.sqrt(2)
    z = torch.tensor([[r, 0], [-r, 0], [0, r], [0, -r]], dtype=torch.float64)
    equilibrium = torch.tensor([*MEAN, 0.0, 0.0], dtype=torch.float64)
    step = 1e-5 * torch.eye(4, dtype=torch.float64)
    columns = [
        (_field(equilibrium + h, z, weight, own) - _field(equilibrium - h, z, weight, own)) / 2e-5
        for h in step
    ]
    eigenvalues = torch.linalg.eigvals(torch.stack(columns, dim=1))
    moduli = eigenvalues.abs()
    return UpdateField(
        eigenvalues=eigenvalues,
        phase_factor=float((eigenvalues.imag / eigenvalues.real).abs().max()),
        conditioning=float(moduli.max() / moduli.min()),
    )


def _field(point: Tensor, z: Tensor, weight: float, own: bool) -> Tensor:
    """-(gradient of phi, gradient of theta)[4] of the zero-sum game at (phi, theta) = point."""
    g, d = AffineGenerator().double(), AffineDiscriminator().double()
    g.phi.data, d.theta.data = point[:2].clone(), point[2:].clone()
    loss = LOSSES["zero-sum"]
    real = STD * z + torch.tensor(MEAN, dtype=torch.float64)
    real_out, fake_out = d(real), d(g(z))
    gradients = jacobian_gradients(
        loss.discriminator(real_out, fake_out),
        loss.generator(fake_out),
        d.parameters(),
        g.parameters(),
        weight,
        own=own,
    )
    return -torch.cat(gradients.generator + gradients.discriminator)
