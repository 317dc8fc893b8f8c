"""Loads the scorer of a configuration's samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from trainer import toys
from trainer.affine import AffineScorer
from trainer.config.picture_gauge import is_gauged
from trainer.config.protocols import weights_path
from trainer.config.trial import TrialConfig
from trainer.data.imagenet import reading_workers
from trainer.scores import digits, pictures
from trainer.state import TrainState


def load_scorer(
    config: TrialConfig,
    source: Any,
    state: TrainState,
    weights: Path | None = None,
    *,
    allow_other: bool = False,
) -> Scorer | None:
    """The scorer of the configuration's data set; None for Inception scores without weights.

    Raises UsageError if the weights are not those that the configuration names.
    """
    if config.dataset.startswith("digits"):
        return digits.load_scorer(config.device)
    if config.dataset == "affine":
        return AffineScorer(state.generator, state.discriminator)
    if config.resolution is None:
        points = toys.POINTS[config.dataset](config.device)
        return toys.ModeScorer(points.centres, points.std)
    if config.scorer is None:
        return None
    if config.own_images is not None and is_gauged(config.scorer):
        return pictures.load_scorer(source, config.own_images, config.device)
    from trainer.scores.inception import load_scorer as load_inception

    return load_inception(
        config.device,
        weights_path(weights),
        source.real_dataset(),
        source.fingerprint,
        allow_other_weights=allow_other,
        expected=config.scorer,
        # Files are decoded once, for the statistics of all of them; tensors need no processes.
        workers=reading_workers() if config.dataset == "imagenet" else 0,
    )


class Scorer(Protocol):
    """Scores samples as `measure.samples` gives them; `protocol` names how, where there is more
    than one way, and `protocol_record` is stored beside the numbers."""

    def scores(self, samples: Tensor, protocol: str | None) -> dict[str, float]: ...
    def protocol_record(self, protocol: str | None = None) -> dict[str, Any]: ...
