"""Small discriminators, one of each kind of layer that published ones are made of."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations


class Equalised(nn.Module):
    """A linear layer or convolution whose weight is scaled when it is used."""

    def __init__(self, *shape, scale):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(*shape) / scale)
        self.scale = scale

    def forward(self, x):
        weight = self.weight * self.scale * 0.1
        return F.linear(x, weight) if weight.dim() == 2 else F.conv2d(x, weight)


class OwnSpectralNorm(nn.Linear):
    """Spectral normalization as BigGAN's code has it: one row of u, and products of its own."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.register_buffer("u0", torch.randn(1, outputs))
        self.register_buffer("sv0", torch.ones(1))

    def forward(self, x):
        with torch.no_grad():
            v = F.normalize(torch.matmul(self.u0, self.weight))
            u = F.normalize(torch.matmul(v, self.weight.t()))
            if self.training:
                self.u0.copy_(u)
        sigma = torch.squeeze(torch.matmul(torch.matmul(v, self.weight.t()), u.t()))
        return F.linear(x, self.weight / sigma, self.bias)


class Mixed(nn.Module):
    """A convolution whose kernel is chosen by its input, as gigagan's."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(2, 6, 6, 3, 3))

    def forward(self, x):
        share = x.mean().sigmoid()
        return F.conv2d(x, share * self.weights[0] + (1 - share) * self.weights[1], padding=1)


class Shared(nn.Module):
    """One layer used twice, one never, and a gain of four axes."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.never = nn.Linear(6, 6)
        self.gain = nn.Parameter(torch.ones(1, 6, 1, 1))
        self.head = nn.Linear(6, 1)

    def forward(self, x):
        return self.head(self.layer(self.layer(x).relu() * self.gain.flatten()))


class Labelled(nn.Module):
    """A projection discriminator: an embedding beside the last layer."""

    def __init__(self):
        super().__init__()
        self.features = nn.Linear(6, 8)
        self.head = nn.Linear(8, 1)
        self.embedding = nn.Embedding(5, 8)

    def forward(self, x):
        h = self.features(x).relu()
        return self.head(h) + (self.embedding(torch.arange(len(x)) % 5) * h).sum(1, keepdim=True)


class Nested(nn.Module):
    """Features and logits in a mapping."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(6, 8), nn.Linear(8, 1)

    def forward(self, x):
        h = self.first(x).relu()
        return {"features": [h, None], "logits": self.head(h)}


def flat(*layers, size=6):
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(1)), (4, size)


def images(*layers):
    network = nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.LazyLinear(1))
    return network, (4, 6, 5, 5)


KINDS = {
    "plain": lambda: images(nn.Conv2d(6, 8, 3)),
    "hook": lambda: images(nn.utils.spectral_norm(nn.Conv2d(6, 8, 3))),
    "hook, transposed": lambda: images(nn.utils.spectral_norm(nn.ConvTranspose2d(6, 8, 3))),
    "hook, grouped": lambda: images(nn.utils.spectral_norm(nn.Conv2d(6, 8, 3, groups=2))),
    "parametrised": lambda: images(parametrizations.spectral_norm(nn.Conv2d(6, 8, 3))),
    "weight norm": lambda: images(parametrizations.weight_norm(nn.Conv2d(6, 8, 3))),
    "weight norm of a transposed one": lambda: images(
        parametrizations.weight_norm(nn.ConvTranspose2d(6, 8, 3))
    ),
    "grouped": lambda: images(nn.Conv2d(6, 8, 3, groups=2)),
    "depthwise": lambda: images(nn.Conv2d(6, 6, 3, groups=6)),
    "transposed": lambda: images(nn.ConvTranspose2d(6, 8, 3, stride=2)),
    "grouped and transposed": lambda: images(nn.ConvTranspose2d(6, 8, 3, groups=2)),
    "1d": lambda: (nn.Sequential(nn.Conv1d(6, 8, 3), nn.Flatten(), nn.LazyLinear(1)), (4, 6, 5)),
    "3d": lambda: (
        nn.Sequential(nn.Conv3d(6, 8, 2), nn.Flatten(), nn.LazyLinear(1)),
        (4, 6, 3, 3, 3),
    ),
    "linear": lambda: flat(nn.Linear(6, 8)),
    "equalised": lambda: images(Equalised(8, 6, 3, 3, scale=0.3)),
    "equalised, linear": lambda: flat(Equalised(8, 6, scale=40.0)),
    "own spectral norm": lambda: flat(OwnSpectralNorm(6, 8)),
    "identity": lambda: flat(identity(nn.Linear(6, 8))),
    "shared": lambda: (Shared(), (4, 6)),
    "labelled": lambda: (Labelled(), (4, 6)),
}


def identity(layer):
    nn.utils.parametrize.register_parametrization(layer, "weight", nn.Identity())
    return layer


def build(kind, seed=0):
    """(network, input) of a kind, ready to train."""
    torch.manual_seed(seed)
    network, shape = KINDS[kind]()
    x = torch.randn(*shape)
    network(x)
    return network, x
