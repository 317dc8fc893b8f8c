"""Scores as pure functions: features -> statistics -> distance, and mode counts. All float64.

Shapes: features[N, d]; probabilities[N, 3, 10], the softmax per colour channel of stacked digits.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MODES = 1000


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean[d] and unbiased covariance[d, d] of features[N, d]."""
    features = features.double()
    return features.mean(0), torch.cov(features.mT)


def frechet_distance(
    mean_1: Tensor, covariance_1: Tensor, mean_2: Tensor, covariance_2: Tensor
) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2), never below 0."""
    if not (covariance_1.isfinite().all() and covariance_2.isfinite().all()):
        return math.nan  # which eigh would refuse
    root = _symmetric_root(covariance_1)
    cross = torch.linalg.eigvalsh(root @ covariance_2 @ root).clamp(min=0).sqrt().sum()
    trace = covariance_1.trace() + covariance_2.trace() - 2 * cross
    distance = float((mean_1 - mean_2).square().sum() + trace)
    # Not max(): of 0.0 and NaN it would give 0.0, the best score there is.
    return 0.0 if distance < 0 else distance


def _symmetric_root(matrix: Tensor) -> Tensor:
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    return (vectors * eigenvalues.clamp(min=0).sqrt()) @ vectors.mT


def count_modes(labels: Tensor) -> tuple[int, float]:
    """(how many of the 1000 modes occur in labels[N], reverse KL from uniform in nats).

    Reverse KL is sum p log(1000 p) over the modes that occur; NaN for no samples. An ideal
    generator scores 630 modes and 0.58 nats with 1,000 samples, 1000 and 0.05 with 10,000.
    """
    counts = torch.bincount(labels, minlength=MODES).double()
    p = counts / counts.sum()
    kl = (p * torch.log(MODES * p)).nansum() if len(labels) else torch.tensor(torch.nan)
    return int((counts > 0).sum()), float(kl)


def joint_class_score(probabilities: Tensor) -> float:
    """exp(H(mean p) - mean H(p)) with p the product of the three softmaxes; 1 to 1000."""
    p = probabilities.double()
    marginal = torch.einsum("na,nb,nc->abc", *p.unbind(1)) / len(p)
    conditional = torch.special.entr(p).sum((1, 2)).mean()
    return float(torch.exp(torch.special.entr(marginal).sum() - conditional))
