"""The configuration of one trial and the identity that follows from it. Standard library only.

A trial is identified by what it runs: `trial_id` ends in a hash over every field below, and every
field below can change a number. Host, sweep, resources and the stop policy are not among them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

from trainer.settings import (
    DEFAULT_I_RATIO,
    METHODS,
    PROFILES,
    PROJECTION_PERIOD,
    SETTINGS,
    UsageError,
    lookup,
)

# Raised whenever the same configuration would give other numbers than before.
SEMANTICS = 1

RESOLUTION = {"digits8": 8, "digits16": 16, "cifar10": 32, "stl10": 32, "imagenet": 128}
HOW_TO_GET = {
    "cifar10": "cifar-10-batches-py/ as unpacked from cifar-10-python.tar.gz",
    "stl10": "stl10_binary/ as unpacked from stl10_binary.tar.gz",
}
CLASSIFIER_FILE = Path(__file__).with_name("digits_classifier.pt")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """Everything that can change a number of one training run.

    `batch_size` is the number of real images per D update. `i_ratio` is None for methods that
    lift nothing. `scorer` is the SHA-256 of the network that the scores come from, None where
    this version has none.
    """

    profile: str
    setting: str
    method: str
    i_ratio: float | None
    seed: int
    dataset: str
    resolution: int
    scorer: str | None
    batch_size: int
    generator_batch_size: int
    channels: int
    generator_channels: int
    latent_size: int
    n_critic: int
    iterations: int
    learning_rate: float
    beta1: float
    beta2: float
    projection_period: int
    evaluate_every: int
    curve_samples: int
    final_samples: int
    precision: str
    device: str
    threads: int
    semantics: int = SEMANTICS

    def __post_init__(self) -> None:
        _check_at_least(1, self, "iterations", "batch_size", "channels", "evaluate_every")
        _check_at_least(0, self, "seed")
        if self.i_ratio is not None and not (0 < self.i_ratio <= 1):
            raise UsageError(f"i_ratio must be in (0, 1], but got {self.i_ratio:g}")

    @property
    def trial_id(self) -> str:
        """`<profile>.<setting>.<method>.<i or ->.s<seed>-<hash8>`."""
        canonical = json.dumps(dataclasses.asdict(self), sort_keys=True)
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:8]
        i = "-" if self.i_ratio is None else f"{self.i_ratio:g}"
        return f"{self.profile}.{self.setting}.{self.method}.{i}.s{self.seed}-{digest}"

    @property
    def score_name(self) -> str:
        """Which distance decides about the best evaluation: lower is better."""
        return "fd_digits" if self.dataset.startswith("digits") else "fid"

    @property
    def operations(self) -> float:
        """Multiply-adds of the whole run, forward and backward, to order trials by length.

        Convolutions only. D sees real and fake images in each of its updates and fakes once
        more in G's update; a backward pass counts as two forward passes.
        """
        generator, discriminator = network_operations(self)
        d_update = self.batch_size * (generator + 6 * discriminator)
        g_update = self.generator_batch_size * (3 * generator + 2 * discriminator)
        return self.iterations * (self.n_critic * d_update + g_update)


def network_operations(config: TrialConfig) -> tuple[float, float]:
    """Multiply-adds per image of G and of D, one forward pass each."""
    pixels = config.resolution**2
    g, d = config.generator_channels, config.channels
    generator = config.latent_size * g * pixels / 64 + 27 * g * pixels
    for block in (1 / 16, 1 / 4, 1):
        generator += (18 + 1 / 4) * g * g * pixels * block
    discriminator = pixels * (27 * d + 9 * d * d + 3 * d / 4)
    discriminator += pixels / 4 * (18 + 1 / 4) * d * d + pixels / 16 * 36 * d * d
    return generator, discriminator


def trial_config(
    profile: str,
    setting: str,
    method: str,
    seed: int,
    *,
    i_ratio: float | None = None,
    iterations: int | None = None,
    device: str | None = None,
) -> TrialConfig:
    """The configuration of a named trial. Raises UsageError for a name or value that is not one.

    `iterations` shortens or lengthens the profile's run (the learning rate still ends at 0, and
    there are as many evaluations). `i_ratio` defaults to the paper's 0.5 where a method lifts.
    """
    p = lookup("profile", PROFILES, profile)
    s = lookup("setting", SETTINGS, setting)
    m = lookup("method", METHODS, method)
    if i_ratio is not None and not m.lifts:
        raise UsageError(f"method {method!r} lifts no singular values and takes no i_ratio")
    dataset = p.dataset[s.dataset]
    length = p.iterations if iterations is None else iterations
    batch_size = p.batch_size[s.batch_size]
    return TrialConfig(
        profile=profile,
        setting=setting,
        method=method,
        i_ratio=(DEFAULT_I_RATIO if i_ratio is None else i_ratio) if m.lifts else None,
        seed=seed,
        dataset=dataset,
        resolution=RESOLUTION[dataset],
        scorer=classifier_hash() if dataset.startswith("digits") else None,
        batch_size=batch_size,
        generator_batch_size=p.generator_batch_factor * batch_size,
        channels=p.channels[s.channels],
        generator_channels=p.generator_channels,
        latent_size=128,
        n_critic=p.n_critic,
        iterations=length,
        learning_rate=p.learning_rate,
        beta1=0.0,
        beta2=0.9,
        projection_period=PROJECTION_PERIOD,
        evaluate_every=max(1, math.ceil(length * p.evaluate_every / p.iterations)),
        curve_samples=p.curve_samples,
        final_samples=p.final_samples,
        precision="float32",
        device=device or p.device,
        threads=1,
    )


def missing_reason(dataset: str, root: Path | None, *, download: bool = False) -> str | None:
    """Why the data set cannot be read, and what to do; None when it can or may be downloaded."""
    if dataset.startswith("digits"):
        return None
    if dataset == "imagenet":
        return "imagenet needs the conditional 128x128 networks, which this version lacks"
    layout = HOW_TO_GET[dataset]
    if root is None:
        return f"{dataset} is read from --data-root, which must hold {layout}"
    if not download and not (root / layout.split("/")[0]).is_dir():
        return f"no {dataset} under {root}: put {layout} there, or give --download"
    return None


def classifier_hash() -> str:
    """SHA-256 of the digit classifier that is shipped with the package."""
    return hashlib.sha256(CLASSIFIER_FILE.read_bytes()).hexdigest()


def _check_at_least(least: int, config: TrialConfig, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value < least:
            raise UsageError(f"{name} must be at least {least}, but got {value}")
