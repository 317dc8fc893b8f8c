"""Facts about a trial's data set and networks that its figures need."""

from __future__ import annotations

from collections.abc import Sequence

from api.trials.models import Trial
from sweep.paper.scores import score_name
from trainer.config.settings import DATASETS

# Layers of D and its 1x1 shortcuts, by the size of the images.
LAYERS = {128: 17}
USUAL_LAYERS = 10
SHORTCUTS = (2, 5, 8, 11, 14)


def layer_count(dataset: str) -> int:
    """Of the discriminator for the data set."""
    known = DATASETS.get(dataset)
    return LAYERS.get((known.resolution if known else None) or 0, USUAL_LAYERS)


def layer_names(n: int) -> dict[int, str]:
    """The layers of a discriminator that has so many, as a list of choices names them."""
    return {k: f"layer_{k}{' (1x1)' if k in _shortcuts(n) else ''}" for k in range(n)}


def layers(trial: Trial) -> dict[int, str]:
    """Those of the trial's discriminator."""
    return layer_names(layer_count(trial.dataset))


def shortcuts(trial: Trial) -> Sequence[int]:
    """The 1x1 layers of the trial's discriminator."""
    return _shortcuts(layer_count(trial.dataset))


def _shortcuts(n: int) -> Sequence[int]:
    # The CIFAR network goes down in size twice, so its last two blocks have no shortcut.
    return SHORTCUTS if n > USUAL_LAYERS else SHORTCUTS[:2]


def score_of(trial: Trial) -> str:
    """The distance that decides about the trial: `fd_digits` or `fid`."""
    return score_name({"dataset": trial.dataset})
