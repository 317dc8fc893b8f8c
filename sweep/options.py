"""How a plan is run. Standard library only, so that flags can be read without Ray."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sweep.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a plan is run; none of it can change a number. `command` is kept with the sweep."""

    results: str | None
    name: str | None
    max_concurrent: int | None
    data_root: Path | None
    download: bool
    weights: Weights
    allow_other_weights: bool
    fresh: bool
    stop_on_collapse: bool
    controls: bool
    as_json: bool
    command: str
