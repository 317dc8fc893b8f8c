"""A person's own networks, loss and augmentation in a trial: import paths, and what they are.

Standard library only. Such code is identified by its path and by the hash of the file that it
stands in; what that file imports is no part of the identity.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from trainer.config.entry import imported_function, source_of
from trainer.config.lookup import UsageError
from trainer.config.methods import METHODS, OF_INPUT_GRADIENTS, OWN_LOSSES, Method

# Penalties of D's weights, matrix by matrix.
OF_WEIGHTS = ("orthonormal", "srip")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSizes:
    """Sizes that a function which builds networks may ask for, by these names."""

    resolution: int
    channels: int
    generator_channels: int
    latent_size: int
    classes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """Measurements of a person's own G and D at the sizes of a trial.

    `layers` are D's regularised weights by name, in the order of their use, `ranks` their numbers
    r of singular values, and `voting` the places of those that vote on spectral collapse. Of one
    image and a forward pass of G and of D: multiply-adds, operators, and bytes that a backward
    pass needs. `untouchable` says why a weight of D can be neither normalised nor set, `unreached`
    which parameter has no gradient, `mixes_images` which module of D computes over a batch; each
    is None where there is none.
    """

    layers: tuple[str, ...]
    ranks: tuple[int, ...]
    voting: tuple[int, ...]
    operations: tuple[float, float]
    operators: tuple[float, float]
    kept_bytes: tuple[float, float]
    parameters: tuple[int, int]
    untouchable: str | None = None
    unreached: str | None = None
    mixes_images: str | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            # JSON, in which configurations are stored, has lists alone.
            if isinstance(value := getattr(self, each.name), list):
                object.__setattr__(self, each.name, tuple(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCode:
    """Import paths, each with the hash of its source, and what tries them before any work.

    `check` tries all of it at the sizes of a trial and gives the facts of the networks, if there
    are any; it raises UsageError for what cannot be trained.
    """

    networks: str | None = None
    networks_source: str | None = None
    loss: str | None = None
    loss_source: str | None = None
    augment: str | None = None
    augment_source: str | None = None
    check: Callable[[OwnCode, NetworkSizes], NetworkFacts | None]

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of TrialConfig that it sets."""
        names = (each.name for each in fields(self) if each.name != "check")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def setting_name(self, batch_size: int, channels: int) -> str:
        """The name of a setting's sizes with this code, so that no page takes the trial for one of
        this project's networks: `<module>-<hash8>_<batch>-<channels>`."""
        path = self.networks or self.loss or self.augment or ""
        module = path.partition(":")[0].rpartition(".")[2]
        word = re.sub(r"[^A-Za-z0-9_]+", "-", module)[:30]
        digest = hashlib.sha256(json.dumps(dict(self.fields)).encode()).hexdigest()[:8]
        return f"{word}-{digest}_{batch_size}-{channels}"


def source_hash(entry: str) -> str:
    """`sha256:<hash>` of the file in which the import path's function stands.

    Raises UsageError for a path that does not resolve, and a function without a file.
    """
    path = source_of(imported_function(entry))
    if path is None:
        raise UsageError(f"{entry} stands in no file that could be hashed: write it as a function")
    try:
        return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read the source {path}: {error.strerror}") from error


def unchanged_function(entry: str, source: str | None) -> Callable[..., Any]:
    """The function of the import path. Raises UsageError if its file is not the hashed one."""
    function = imported_function(entry)
    if source != source_hash(entry):
        raise UsageError(
            f"the file of {entry} is not the one that the trial was planned with: with this one "
            "it would be another trial"
        )
    return function


def check_networks(networks: str, method: Method, name: str, facts: NetworkFacts) -> None:
    """Raises UsageError, with the reason, for a method that makes no sense on these networks."""
    if method.packing is not None:
        raise UsageError(
            f"method {name!r} judges packs of images, and D of {networks} is built for single ones"
        )
    on_weights = method.normalisation != "none" or method.form or method.penalty in OF_WEIGHTS
    if on_weights and facts.untouchable:
        raise UsageError(
            f"method {name!r} acts on the weights of D, and of {networks} {facts.untouchable}"
        )
    if method.penalty in OF_INPUT_GRADIENTS and facts.mixes_images:
        raise UsageError(
            f"method {name!r} penalises D's gradient at each image, and {facts.mixes_images} of "
            f"{networks} mixes the images of a batch: normalise them one by one"
        )
    differentiates_all = method.simultaneous or method.nudges or method.unrolled_steps
    if differentiates_all and facts.unreached:
        raise UsageError(
            f"method {name!r} differentiates in every parameter, and of {networks} "
            f"{facts.unreached}"
        )


def check_loss(method: str) -> None:
    """Raises UsageError for a method that is nothing but its loss."""
    m = METHODS[method]
    if m.loss in OWN_LOSSES and m.penalty is None:
        raise UsageError(
            f"method {method!r} is its loss and nothing else: with another it is 'none'"
        )


def check_augmentation(method: str) -> None:
    """Raises UsageError for a method that another augmentation does not go with."""
    m = METHODS[method]
    if m.augments:
        raise UsageError(f"method {method!r} has an augmentation of its own: give another method")
    if m.unrolled_steps is not None:
        raise UsageError(f"method {method!r} foresees D's updates on images as they are")
