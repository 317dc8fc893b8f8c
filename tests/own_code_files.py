"""A person's own code as a file on the path: networks, loss and augmentation for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.config.code_flags import code_of
from trainer.config.own_code import OwnCode
from trainer.own_code import checked

# The project's own networks without normalisation, and code that draws random numbers.
SOURCE = """
import torch
from torch import nn
from trainer.models import Discriminator, Generator

def build(resolution, channels, generator_channels, latent_size, classes):
    g = Generator(resolution, generator_channels, latent_size, classes)
    return g, Discriminator(resolution, channels, classes, normalisation="none")

class Restless(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels)
        self.head = nn.LazyLinear(1)
        self.head(torch.zeros(1, 36 * channels))

    def forward(self, x):
        return self.head(nn.functional.dropout(self.bn(self.conv(x)).relu().flatten(1)))

def restless(channels, latent_size):
    g = nn.Sequential(nn.Linear(latent_size, 192), nn.Unflatten(1, (3, 8, 8)), nn.Tanh())
    return g, Restless(channels)

def loss(real, fake):
    softplus = nn.functional.softplus
    return softplus(fake - real).mean(), softplus(real - fake).mean()

def flipped(images):
    return images * (1 - 2 * torch.randint(2, (len(images), 1, 1, 1)))

def same(images):
    return images.clone()
"""


def write_code(folder: Path, patch: pytest.MonkeyPatch, name: str, source: str = SOURCE) -> str:
    """Writes a module of that name and puts it on the path."""
    (folder / f"{name}.py").write_text(source)
    patch.syspath_prepend(folder)
    return name


def own_code(**entries: str) -> OwnCode:
    """The code of import paths: `networks`, `loss`, `augment`."""
    args = dict.fromkeys(("networks", "loss", "augment")) | entries
    code = code_of(_Arguments(args), lambda: checked)  # type: ignore[arg-type]
    assert code is not None
    return code


class _Arguments:
    def __init__(self, values: dict[str, str | None]) -> None:
        vars(self).update(values)
