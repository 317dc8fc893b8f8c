"""Scores of the digits profile: a small classifier, a nearest-neighbour gate, and what they count.

None of these is an Inception score, and none is called one: the distance is FD-digits (Frechet
distance of the classifier's features), the score the joint class score. The classifier is shipped
with the package; `python -m trainer.digits FILE` trains it again from nothing.

A sample is *valid* if each of its three channels passes the gate and is classified with more
than 0.8 confidence. The gate is a distance to the nearest training digit that 99 % of the
held-out digits keep when noise N(0, 0.3) is added to them: wide enough for what small GANs draw,
while of uniform or binary noise, shuffled pixels and constants nothing is valid. Modes are counted
among valid samples: without the gate uniform noise would score 914 of 1000 modes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config.trial import CLASSIFIER_FILE, classifier_hash
from trainer.data.images import Images, digit_pools
from trainer.randomness import generator
from trainer.scores import metrics

CONFIDENCE = 0.8
GATE_NOISE = 0.3
FEATURES = 32
# Images whose activations stay in a CPU's cache.
AT_ONCE = 250


class Classifier(nn.Module):
    """digits[N, 1, 8, 8] in [0, 1] -> (features[N, 32], logits[N, 10]). 21,546 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 16, 3, padding=1)
        self.c2 = nn.Conv2d(16, 32, 3, padding=1)
        self.l1 = nn.Linear(32 * 16, FEATURES)
        self.l2 = nn.Linear(FEATURES, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.relu(self.c2(F.relu(self.c1(x))))
        # A maximum is the same in any layout, and on a CPU ten times as fast in this one.
        h = F.max_pool2d(h.contiguous(memory_format=torch.channels_last), 2)
        features = F.relu(self.l1(h.flatten(1)))
        return features, self.l2(features)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """The classifier, the gate's radius in [0, 1]^64, and the exact statistics of real images."""

    classifier: Classifier
    held_out_accuracy: float
    gate_radius: float
    digits: Tensor
    mean: Tensor
    covariance: Tensor

    def scores(self, samples: Tensor, protocol: str | None = None) -> dict[str, float]:
        """Every score of uint8 samples[N, 3, H, H]; there is one protocol, and it has no name."""
        return scores(samples, self)

    def protocol_record(self, protocol: str | None = None) -> dict[str, Any]:
        return {
            "extractor": "digit classifier of trainer/digits.py, per colour channel",
            "classifier_sha256": classifier_hash(),
            "held_out_accuracy": self.held_out_accuracy,
            "gate_radius": self.gate_radius,
            "reference": "all stacked training digits, exact",
        }


def load_scorer(device: str, path: Path = CLASSIFIER_FILE) -> Scorer:
    """Reads the shipped classifier and takes the statistics of all stacked training digits.

    The three channels of a stacked image are independent draws, so mean and covariance over all
    1437^3 of them are exact: the mean three times, the covariance three times on the diagonal.
    """
    return _load_scorer(device, path, torch.get_num_threads())


@lru_cache(maxsize=1)
def _load_scorer(device: str, path: Path, threads: int) -> Scorer:
    """Reads it once for trials of the same number of threads: sums are rounded by that, and a
    trial's bits must not depend on the one before it in its process."""
    del threads
    stored = torch.load(path, map_location=device, weights_only=True)
    classifier = Classifier().to(device).eval().requires_grad_(False)
    classifier.load_state_dict(stored["classifier"])
    train = digit_pools()[0].to(device)
    digits = unit_cells(train)
    features = classifier(digits)[0].double()
    return Scorer(
        classifier=classifier,
        held_out_accuracy=stored["held_out_accuracy"],
        gate_radius=stored["gate_radius"],
        digits=digits.flatten(1),
        mean=features.mean(0).repeat(3),
        covariance=torch.block_diag(*3 * [torch.cov(features.mT, correction=0)]),
    )


def unit_cells(images: Tensor) -> Tensor:
    """uint8 [N, C, H, H] -> the 8x8 cells of every channel, [N * C, 1, 8, 8] in [0, 1]."""
    cells = F.avg_pool2d(images.float() / 255, images.shape[-1] // 8)
    return cells.reshape(-1, 1, 8, 8)


@torch.no_grad()
def scores(images: Tensor, scorer: Scorer) -> dict[str, float]:
    """Every score of uint8 images[N, 3, H, H]; `n_samples` says how many they rest on."""
    parts = [_classify(chunk, scorer) for chunk in images.split(AT_ONCE)]
    features, probabilities, near = (torch.cat(part) for part in zip(*parts, strict=True))
    confidence, digit = probabilities.max(2)
    labels = (digit * torch.tensor([100, 10, 1], device=digit.device)).sum(1)
    valid = near.all(1) & (confidence > CONFIDENCE).all(1)
    modes, reverse_kl = metrics.count_modes(labels[valid])
    modes_ungated, reverse_kl_ungated = metrics.count_modes(labels)
    mean, covariance = metrics.statistics(features)
    return {
        "n_samples": len(images),
        "modes": modes,
        "reverse_kl": reverse_kl,
        "valid_share": float(valid.double().mean()),
        "modes_ungated": modes_ungated,
        "reverse_kl_ungated": reverse_kl_ungated,
        "fd_digits": metrics.frechet_distance(mean, covariance, scorer.mean, scorer.covariance),
        "joint_class_score": metrics.joint_class_score(probabilities),
    }


def _classify(images: Tensor, scorer: Scorer) -> tuple[Tensor, Tensor, Tensor]:
    """(features[N, 96], probabilities[N, 3, 10], gate[N, 3]) of uint8 images[N, 3, H, H]."""
    cells = unit_cells(images)
    features, logits = scorer.classifier(cells)
    near = nearest_distance(cells.flatten(1), scorer.digits) <= scorer.gate_radius
    n = len(images)
    return features.view(n, -1), logits.softmax(1).view(n, 3, 10), near.view(n, 3)


def nearest_distance(points: Tensor, neighbours: Tensor) -> Tensor:
    """Euclidean distance[N] from points[N, d] to the nearest of neighbours[M, d]."""
    squares = (
        points.square().sum(1, keepdim=True)
        - 2 * points @ neighbours.mT
        + neighbours.square().sum(1)
    )
    return squares.amin(1).clamp(min=0).sqrt()


def control_scores(data: Images, scorer: Scorer, n: int) -> dict[str, dict[str, float]]:
    """Scores of held-out real images, of uniform noise and of a constant image."""
    device = data.train.device
    real = data.draw_uint8(n, generator(device, 0, 0, "control"), held_out=True)
    rng = generator(device, 0, 0, "control noise")
    noise = torch.randint(256, real.shape, generator=rng, dtype=torch.uint8, device=device)
    images = {"held-out real": real, "noise": noise, "constant": torch.full_like(real, 127)}
    return {name: scores(x, scorer) for name, x in images.items()}
