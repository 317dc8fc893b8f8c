"""The losses, functions of D's outputs on real and on generated images, both [B].

Every one is to be minimised and is the mean of a term per image, or per pair of a real and a
generated one, so it adds up over the parts of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Loss:
    """`real` and `fake` are D's terms per image, `generator` G's loss, of D's outputs on fakes."""

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.real(real).mean() + self.fake(fake).mean()


LOSSES: Mapping[str, Loss] = {
    # Eq. (6) is printed as the objective that D maximises; its negative stands here.
    "hinge": Loss(
        lambda real: F.relu(1 - real),
        lambda fake: F.relu(1 + fake),
        lambda fake: -fake.mean(),
    ),
    # Goodfellow et al. 2014 with the generator loss that they trained with.
    "non-saturating": Loss(
        lambda real: F.softplus(-real),
        F.softplus,
        lambda fake: F.softplus(-fake).mean(),
    ),
    # L_G = -L_D, as in JARE's toy problems, less the real term, which has no gradient in G.
    "zero-sum": Loss(
        lambda real: F.softplus(-real),
        F.softplus,
        lambda fake: -F.softplus(fake).mean(),
    ),
    "wasserstein": Loss(
        lambda real: -real,
        lambda fake: fake,
        lambda fake: -fake.mean(),
    ),
}


@dataclass(frozen=True, slots=True)
class PairLoss:
    """`term` of how far D puts the image above the other of its pair that the player is for."""

    term: Callable[[Tensor], Tensor]

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return self.term(real - fake).mean()

    def generator(self, fake: Tensor, real: Tensor) -> Tensor:
        """Of fakes[n] and reals[m]: where m is less than n the reals take turns."""
        turns = math.ceil(len(fake) / len(real))
        return self.term(fake - real.repeat(turns)[: len(fake)]).mean()


PAIR_LOSSES: Mapping[str, PairLoss] = {
    # Jolicoeur-Martineau 2019, relativistic pairing, as R3GAN has it (Huang et al. 2024).
    "relativistic": PairLoss(lambda above: F.softplus(-above)),
}
