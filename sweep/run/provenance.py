"""Provenance of a trial's numbers: how they were scored, with which software."""

from __future__ import annotations

import platform
import sys
from functools import lru_cache
from importlib import metadata
from typing import Any

import torch

from trainer.config.trial import TrialConfig
from trainer.scores.scorers import Scorer


def protocol(config: TrialConfig, scorer: Scorer | None) -> dict[str, Any]:
    """The protocol of the stored scores: extractor, weights, sample counts, reference."""
    if scorer is None:
        return {
            "extractor": None,
            "reason": "IS and FID are null: there were no Inception weights",
        }
    return scorer.protocol_record(config.curve_protocol) | {
        "curve_samples": config.curve_samples,
        "final_samples": config.final_samples,
        "final": scorer.protocol_record(config.final_protocol),
    }


@lru_cache(maxsize=1)
def software() -> dict[str, str | None]:
    """Versions of what the numbers depend on."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in ("torch", "ray", "srgan-sweep"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a working directory that is not installed
            versions[name] = None
    return versions | {"torch": torch.__version__, "platform": sys.platform}
