"""The losses, functions of D's outputs on real and on generated images, both [B].

Every one is to be minimised and is the mean of a term per image, or per pair of a real and a
generated one, so it adds up over the parts of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.config.trial import TrialConfig
from trainer.own_code import own_function


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
        return self.term(fake - _in_turns(real, len(fake))).mean()

    def of_pairs(self, real: Tensor, fake: Tensor) -> Tensor:
        """D's term of each pair, [B]."""
        return self.term(real - fake)


def _in_turns(real: Tensor, n: int) -> Tensor:
    return real.repeat(math.ceil(n / len(real)))[:n]


@dataclass(frozen=True, slots=True)
class OwnLoss:
    """A person's `function(real[B], fake[B]) -> (L_D, L_G)`, each a mean over B."""

    function: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """L_D of reals[m] and fakes[n]: where m is less than n the reals take turns."""
        return self.function(_in_turns(real, len(fake)), fake)[0]

    def generator(self, fake: Tensor, real: Tensor) -> Tensor:
        """L_G of the same."""
        return self.function(_in_turns(real, len(fake)), fake)[1]

    def of_pairs(self, real: Tensor, fake: Tensor) -> Tensor:
        """L_D of each pair by itself, [B]."""
        pairs = zip(real.split(1), fake.split(1), strict=True)
        return torch.stack([self.discriminator(*pair) for pair in pairs])


PAIR_LOSSES: Mapping[str, PairLoss] = {
    # Jolicoeur-Martineau 2019, relativistic pairing, as R3GAN has it (Huang et al. 2024).
    "relativistic": PairLoss(lambda above: F.softplus(-above)),
}


def loss_of_pairs(config: TrialConfig) -> PairLoss | OwnLoss:
    """The loss of a configuration that `pairs_images`."""
    if config.loss_source is not None:
        return OwnLoss(own_function(config.loss, config.loss_source))
    return PAIR_LOSSES[config.loss]


def discriminator_loss_of(config: TrialConfig) -> Callable[[Tensor, Tensor], Tensor]:
    """L_D of D's outputs on real and on generated images."""
    if config.pairs_images:
        return loss_of_pairs(config).discriminator
    return LOSSES[config.loss].discriminator


def generator_loss_of(config: TrialConfig, fake: Tensor, real: Callable[[], Tensor]) -> Tensor:
    """L_G of D's outputs on generated images and, where the loss pairs them, on `real()` ones."""
    if config.pairs_images:
        return loss_of_pairs(config).generator(fake, real())
    return LOSSES[config.loss].generator(fake)
