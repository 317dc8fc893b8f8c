"""Spectra that a loop hands over: their layers, and their summaries per layer. NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import numpy as np

from sweep.recording.values import array
from trainer.config.lookup import UsageError

# A smaller layer, such as the last one of a classifier, has too few singular values to collapse.
LEAST_VOTING_RANK = 4
SUMMARIES = (
    "sigma1", "sigma2_ratio", "low_share", "mean_ratio", "stable_rank", "effective_rank",
)  # fmt: skip

Blocks = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """D's layers in their order, with the places of those that vote on a collapse."""

    names: Sequence[str] = ()
    voting: Sequence[int] = field(default=())


def blocks_by_layer(spectra: Any) -> dict[str, Blocks]:
    """Singular values [blocks, r] by layer, each block descending.

    `spectra` maps a layer's name to [r] or [blocks, r], or is a sequence of these, whose layers
    are then layer_0, layer_1, ... Raises UsageError for another shape.
    """
    if not isinstance(spectra, Mapping):
        spectra = {f"layer_{k}": sigma for k, sigma in enumerate(spectra)}
    blocks = {str(name): array(f"spectra[{name!r}]", sigma) for name, sigma in spectra.items()}
    for name, sigma in blocks.items():
        if sigma.ndim not in (1, 2) or not sigma.size:
            raise UsageError(
                f"spectra[{name!r}] must be singular values [r] or [blocks, r], but has the shape "
                f"{list(sigma.shape)}"
            )
        blocks[name] = -np.sort(-np.atleast_2d(sigma), axis=1)
    return blocks


def layers_of(blocks: Mapping[str, Blocks], votes: Sequence[str] | None) -> Layers:
    """The layers of spectra: those vote that a shell pattern names, else all of r >= 4.

    Raises UsageError for a pattern that names none, with the names that there are.
    """
    names = list(blocks)
    for pattern in votes or ():
        if not any(fnmatch(name, pattern) for name in names):
            raise UsageError(f"no layer is named {pattern!r}; there are: {', '.join(names)}")
    voting = [
        k
        for k, (name, sigma) in enumerate(blocks.items())
        if (
            sigma.shape[1] >= LEAST_VOTING_RANK
            if votes is None
            else sigma.shape[1] > 1 and any(fnmatch(name, pattern) for pattern in votes)
        )
    ]
    return Layers(names=names, voting=voting)


def summaries(blocks: Mapping[str, Blocks]) -> dict[str, list[float]]:
    """Lists by summary, a value per layer: of its blocks the median, NaN where r is 1."""
    columns: dict[str, list[float]] = {name: [] for name in SUMMARIES}
    for sigma in blocks.values():
        columns["sigma1"].append(float(sigma.max()))
        for name, values in _ratios(sigma).items():
            columns[name].append(float(np.sort(values)[len(values) // 2]))
    return columns


def _ratios(sigma: Blocks) -> dict[str, Blocks]:
    """Summaries of each block of sigma[blocks, r]."""
    n, r = sigma.shape
    if r == 1:
        return dict.fromkeys(SUMMARIES[1:], np.full(n, math.nan))
    with np.errstate(divide="ignore", invalid="ignore"):  # a layer of zeros has no ratios: NaN
        ratio, p = sigma / sigma[:, :1], sigma / sigma.sum(axis=1, keepdims=True)
        entropy = -np.where(p == 0, 0.0, p * np.log(p)).sum(axis=1)
        low = np.where(np.isfinite(sigma).all(axis=1), (ratio < 0.5).mean(axis=1), math.nan)
        return {
            "sigma2_ratio": ratio[:, 1],
            "low_share": low,
            "mean_ratio": ratio.mean(axis=1),
            "stable_rank": (ratio**2).sum(axis=1),
            "effective_rank": np.exp(entropy),
        }


def mean_of_voting(values: Sequence[float], layers: Layers) -> float:
    """Mean over the layers that vote; NaN without any."""
    chosen = [values[k] for k in layers.voting]
    return sum(chosen) / len(chosen) if chosen else math.nan


def descending(sigma: Blocks) -> list[float]:
    """All singular values of a layer, of its blocks together: those of its block-diagonal W."""
    return (-np.sort(-sigma, axis=None)).tolist()
