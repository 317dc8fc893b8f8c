"""Table I of the paper, the data sets, and the profiles that run it. Standard library only.

A *setting* is a row of Table I, or its sizes put together in another way. A *profile* says what a
setting becomes when it is run: `paper` is the real thing, `digits` the same 26 rows scaled down to
the digits that scikit-learn ships. Beside them stand the toy problems, whose answers
are known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# This module is the one of the trainer that the service may import.
from trainer.config.methods import METHODS as METHODS
from trainer.config.own_images import own_resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """`batch_size` real images per D update, D of width `channels` (CH).

    A row of Table I has its data set; group U is outside Table I and runs on any.
    """

    group: str
    batch_size: int
    channels: int
    dataset: str | None

    @property
    def name(self) -> str:
        return f"{self.group}_{self.batch_size}-{self.channels}"


def _by_name(rows: Iterable[tuple[str, int, int, str | None]]) -> dict[str, Setting]:
    settings = [Setting(group=g, batch_size=b, channels=c, dataset=d) for g, b, c, d in rows]
    return {setting.name: setting for setting in settings}


SETTINGS: Mapping[str, Setting] = _by_name(
    [
        *(("A", batch, 128, "cifar10") for batch in (16, 32, 64, 128, 256, 512, 1024)),
        *(("B", batch, 64, "cifar10") for batch in (8, 16, 32, 64, 128, 256)),
        *(("C", batch, 32, "cifar10") for batch in (8, 16, 32, 64)),
        *(("D", batch, 256, "cifar10") for batch in (128, 256, 512)),
        ("E", 64, 128, "stl10"),
        ("E", 256, 128, "stl10"),
        ("E", 256, 64, "stl10"),
        ("E", 256, 32, "stl10"),
        ("E", 512, 64, "imagenet"),
        ("E", 2048, 64, "imagenet"),
    ]
)
_BATCH_SIZES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
_CHANNELS = (32, 64, 128, 256)

# Table I's rows and, as U_<batch>-<channels>, every batch size of it with every width.
ALL_SETTINGS: Mapping[str, Setting] = {
    **SETTINGS,
    **_by_name(("U", batch, width, None) for width in _CHANNELS for batch in _BATCH_SIZES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """`resolution` in pixels, None for points in the plane; `classes` where training is
    conditional on them; `modes` where the modes are known and counted."""

    resolution: int | None
    classes: int | None = None
    modes: int | None = None


DATASETS: Mapping[str, Dataset] = {
    "cifar10": Dataset(resolution=32),
    "cifar10-conditional": Dataset(resolution=32, classes=10),
    "stl10": Dataset(resolution=32),
    "imagenet": Dataset(resolution=128, classes=1000),
    "digits8": Dataset(resolution=8, modes=1000),
    "digits16": Dataset(resolution=16, modes=1000),
    "ring8": Dataset(resolution=None, modes=8),
    "grid25": Dataset(resolution=None, modes=25),
    "affine": Dataset(resolution=None),
}


def dataset_facts(name: str) -> Dataset | None:
    """Facts of a data set, own pictures among them; None if the name is unknown here."""
    resolution = own_resolution(name)
    return DATASETS.get(name) if resolution is None else Dataset(resolution=resolution)


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Widths of a resolution's networks, over the numbers of channels that a setting names:
    of G from its first layer on, of D's blocks, of which the first `pooled` halve the side."""

    generator: tuple[int, ...]
    discriminator: tuple[int, ...]
    pooled: int


_EVEN_WIDTHS = Widths(generator=(1, 1, 1, 1), discriminator=(1, 1, 1, 1), pooled=2)
_GROWING_WIDTHS = {
    # 64 pixels are not the paper's: one block less than at 128, as in mimicry's SN-GAN.
    64: Widths(generator=(16, 8, 4, 2, 1), discriminator=(1, 2, 4, 8, 16), pooled=5),
    128: Widths(generator=(16, 16, 8, 4, 2, 1), discriminator=(1, 2, 4, 8, 16, 16), pooled=5),
}


def network_widths(resolution: int | None) -> Widths:
    """Widths of the networks for images of `resolution` pixels a side."""
    return _GROWING_WIDTHS.get(resolution or 0, _EVEN_WIDTHS)


# Layers of the toy problems' networks before the last.
TOY_HIDDEN_LAYERS = 4
# Convolutions of D, layer_0 .. layer_9, where the resolution has no number of its own.
USUAL_LAYERS = 10
LAYERS: Mapping[int, int] = {64: 15, 128: 17}
# The 1x1 shortcuts among them, by number of layers. The CIFAR network goes down in size twice, so
# its last two blocks have no shortcut.
SHORTCUTS: Mapping[int, tuple[int, ...]] = {
    10: (2, 5),
    15: (2, 5, 8, 11, 14),
    17: (2, 5, 8, 11, 14),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Networks, optimiser and length of a run, and what is measured when.

    `loss` is None where it is the method's. `micro_batch` is None where a batch is not divided.
    """

    device: str
    generator_channels: int
    generator_batch_factor: int
    n_critic: int
    learning_rate: float
    iterations: int
    evaluate_every: int
    curve_samples: int
    final_samples: int
    curve_protocol: str | None = None
    final_protocol: str | None = None
    discriminator_learning_rate: float | None = None
    beta2: float = 0.9
    decays: bool = True
    optimiser: str = "adam"
    loss: str | None = None
    generator_normalisation: str = "none"
    micro_batch: int | None = None
    latent_size: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Scaling of the rows of Table I: a recipe per data set, and sizes by the paper's sizes."""

    recipes: Mapping[str, Recipe]
    batch_size: Mapping[int, int]
    channels: Mapping[int, int]
    dataset: Mapping[str, str]

    @property
    def scored_by_inception(self) -> bool:
        """True if IS and FID are its scores, False if it has scores of its own."""
        return any(recipe.curve_protocol for recipe in self.recipes.values())

    @property
    def takes_own_images(self) -> bool:
        """True if it has recipes for own pictures."""
        return any(own_resolution(name) for name in self.recipes)


def _identity(values: Sequence[int]) -> dict[int, int]:
    return {value: value for value in values}


# Released CIFAR code: Adam 2e-4, n_dis 5, G batch twice D's, 50k iterations, linear decay.
_CIFAR = Recipe(
    device="cuda",
    generator_channels=256,
    generator_batch_factor=2,
    n_critic=5,
    learning_rate=2e-4,
    iterations=50_000,
    evaluate_every=1_000,
    curve_samples=5_000,
    final_samples=50_000,
    curve_protocol="paper-5k",
    final_protocol="modern-50k",
)

# Released ImageNet code: n_dis 1, G 1e-4 and D 4e-4, beta2 0.999 (the paper says 0.9), 500k
# iterations without decay, 32 images through the networks at once, G spectrally normalised too.
_IMAGENET = dataclasses.replace(
    _CIFAR,
    generator_channels=64,
    generator_batch_factor=1,
    n_critic=1,
    learning_rate=1e-4,
    discriminator_learning_rate=4e-4,
    beta2=0.999,
    decays=False,
    iterations=500_000,
    evaluate_every=5_000,
    generator_normalisation="sn",
    micro_batch=32,
)

_DIGITS = Recipe(
    device="cpu",
    generator_channels=32,
    generator_batch_factor=1,
    n_critic=1,
    learning_rate=2e-3,
    iterations=1_000,
    evaluate_every=50,
    curve_samples=1_000,
    final_samples=10_000,
)

# The digits' lengths and sizes for pictures, on a CPU: a trial takes minutes, not days.
_SMALL = dataclasses.replace(
    _DIGITS,
    iterations=2_000,
    evaluate_every=100,
    curve_samples=1_000,
    final_samples=5_000,
    curve_protocol="paper-1k",
    final_protocol="modern-5k",
)
# Widths of Table I in miniature.
_SMALL_BATCH_SIZES = {
    8: 16, 16: 20, 32: 24, 64: 32, 128: 40, 256: 52, 512: 64, 1024: 80, 2048: 100,
}  # fmt: skip
_SMALL_CHANNELS = {32: 16, 64: 32, 128: 48, 256: 64}

PROFILES: Mapping[str, Profile] = {
    "paper": Profile(
        recipes={
            "cifar10": _CIFAR,
            "cifar10-conditional": _CIFAR,
            "stl10": _CIFAR,
            "imagenet": _IMAGENET,
            "images32": _CIFAR,
            "images64": dataclasses.replace(_CIFAR, generator_channels=64),
            "images128": _IMAGENET,
        },
        batch_size=_identity(_BATCH_SIZES),
        channels=_identity(_CHANNELS),
        dataset={"cifar10": "cifar10", "stl10": "stl10", "imagenet": "imagenet"},
    ),
    # Table I in miniature: widths 16 * log2(CH / 16), batch sizes 16 * (batch / 8) ** (1 / 3) to
    # the nearest multiple of 4, a fiftieth of the iterations. STL-10's rows share their sizes with
    # CIFAR-10's, so they run on the digits at 16x16; ImageNet's rows have sizes of their own
    # and run on the 8x8 digits, unconditionally.
    "digits": Profile(
        recipes={"digits8": _DIGITS, "digits16": _DIGITS},
        batch_size=_SMALL_BATCH_SIZES,
        channels=_SMALL_CHANNELS,
        dataset={"cifar10": "digits8", "stl10": "digits16", "imagenet": "digits8"},
    ),
    # The same miniature for your own pictures, which no row of Table I is about.
    "small": Profile(
        recipes={
            "images32": _SMALL,
            "images64": dataclasses.replace(_SMALL, generator_channels=16),
            "images128": dataclasses.replace(_SMALL, generator_channels=8),
        },
        batch_size=_SMALL_BATCH_SIZES,
        channels=_SMALL_CHANNELS,
        dataset={},
    ),
}

# JARE's released toy problems (Affine_GAN, GMM_GAN): zero-sum loss, RMSProp or plain gradient
# descent at a constant rate. They are no rows of Table I: the data set is all of the setting.
_RING = Recipe(
    device="cpu",
    generator_channels=256,
    generator_batch_factor=1,
    n_critic=1,
    learning_rate=1e-4,
    iterations=12_000,
    evaluate_every=500,
    curve_samples=2_560,
    final_samples=2_560,
    decays=False,
    optimiser="rmsprop",
    loss="zero-sum",
    latent_size=64,
)
TOY_BATCH_SIZE = 128
TOY_CHANNELS = 256
TOYS: Mapping[str, Recipe] = {
    "ring8": _RING,
    "grid25": _RING,
    "affine": dataclasses.replace(
        _RING,
        generator_channels=2,
        optimiser="sgd",
        learning_rate=1e-3,
        iterations=15_000,
        latent_size=2,
    ),
}
# The penalty weights of JARE's toy problems, where they are not the method's own.
TOY_PENALTY_WEIGHTS: Mapping[tuple[str, str], float] = {
    ("ring8", "jare"): 1000.0,
    ("grid25", "jare"): 1000.0,
    ("affine", "jare"): 10.0,
}


def setting_name(profile: Profile, dataset: str, batch_size: int, channels: int) -> str:
    """The name under which the paper's sizes run on a data set of the profile: that of Table I's
    row where there is one, so that its trials are the same ones, else U_<batch>-<channels>."""
    for name, row in SETTINGS.items():
        sizes = (row.batch_size, row.channels) == (batch_size, channels)
        if sizes and row.dataset and profile.dataset.get(row.dataset) == dataset:
            return name
    return f"U_{batch_size}-{channels}"
