"""Facts about a trial's data set and networks that its figures need."""

from __future__ import annotations

from collections.abc import Sequence

from api.trials.models import Trial
from sweep.paper.scores import score_name, score_title
from trainer.config.own_trial import PROFILE as OWN
from trainer.config.settings import LAYERS, SHORTCUTS, USUAL_LAYERS, dataset_facts


def layer_count(dataset: str) -> int:
    """Convolutions of the discriminator for a data set, the usual number for an unknown one."""
    facts = dataset_facts(dataset)
    return LAYERS.get((facts.resolution if facts else None) or 0, USUAL_LAYERS)


def layer_names(n: int) -> dict[int, str]:
    """The layers of a discriminator of `n`, as a list of choices names them."""
    narrow = SHORTCUTS.get(n, ())
    return {k: f"layer_{k}{' (1x1)' if k in narrow else ''}" for k in range(n)}


def _has_own_layers(trial: Trial) -> bool:
    """True of a loop that is not this project's, and of a person's own networks."""
    return trial.profile == OWN or trial.layer_names is not None


def layers(trial: Trial) -> dict[int, str]:
    """Names of the layers of the trial's discriminator, by number."""
    if _has_own_layers(trial):
        return dict(enumerate(trial.layer_names or ()))
    return layer_names(layer_count(trial.dataset))


def shortcuts(trial: Trial) -> Sequence[int]:
    """The 1x1 layers of the trial's discriminator."""
    if _has_own_layers(trial):
        return ()
    return SHORTCUTS.get(layer_count(trial.dataset), ())


def score_of(trial: Trial) -> str:
    """The column of the score that decides about the trial."""
    return score_name({"dataset": trial.dataset, "score": trial.score})


def title_of(trial: Trial) -> str:
    """The title of that score."""
    return score_title({"dataset": trial.dataset, "score": trial.score})
