"""The Inception weights of a sweep: their file, its hash, and the note where there is none.

Standard library only, so that a plan can be shown without torch.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from trainer.config.lookup import UsageError, lookup
from trainer.config.protocols import (
    REFERENCE_SHA256,
    missing_reason,
    not_the_reference,
    weights_hash,
    weights_path,
)
from trainer.config.settings import PROFILES
from trainer.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A file and its SHA-256, both None without Inception scores; `note` is for people."""

    path: Path | None = None
    sha256: str | None = None
    note: str | None = None


def find_weights(
    profile: str,
    path_given: Path | None,
    *,
    allow_other: bool,
    required: bool,
    only_planned: bool = False,
) -> Weights:
    """The weights of a sweep: `path_given`, else INCEPTION_WEIGHTS, where IS and FID are scores.

    Raises UsageError if the file is not the reference and that is not allowed, and if it is not
    there though it was given or is required: for trials that are `only_planned` the reference is
    taken then, and `note` says so.
    """
    if not lookup("profile", PROFILES, profile).scored_by_inception:
        if path_given is not None:
            raise UsageError(
                f"--inception-weights is for other profiles: {profile} has scores of its own"
            )
        return Weights()
    path = weights_path(path_given)
    if reason := missing_reason(path):
        if only_planned and (required or path_given is not None):
            note = f"missing here: {reason}; planned as with that file"
            return Weights(sha256=REFERENCE_SHA256, note=note)
        if required or path_given is not None:
            raise UsageError(reason)
        note = f"IS and FID are not measured ({reason}); with weights these are other trials"
        return Weights(note=note)
    assert path is not None
    sha256 = weights_hash(path)
    if sha256 == REFERENCE_SHA256:
        return Weights(path=path.absolute(), sha256=sha256)
    if not allow_other:
        raise UsageError(not_the_reference(path, sha256))
    note = f"{path} is not the reference Inception file: every IS and FID is marked so"
    return Weights(path=path.absolute(), sha256=sha256, note=note)


def check_weights(config: TrialConfig, path_given: str | None) -> Path | None:
    """The weights file of a trial on this machine; None for one without Inception scores.

    Raises UsageError if it is not there, or is another one than the trial was planned with.
    """
    if config.curve_protocol is None or config.scorer is None:
        return None
    path = weights_path(None if path_given is None else Path(path_given))
    if reason := missing_reason(path):
        raise UsageError(f"on {platform.node()}: {reason}")
    assert path is not None
    sha256 = weights_hash(path)
    if sha256 != config.scorer:
        raise UsageError(
            f"on {platform.node()} {path} has the SHA-256 {sha256}, but the trial was planned "
            f"with the Inception weights {config.scorer}"
        )
    return path
