"""Options of a run. Standard library only, so that flags can be read without Ray."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sweep.plan.halving import Halving
from sweep.plan.inception_weights import Weights
from trainer.config.own_images import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of a run; none of them can change a number. `command` is kept with the sweep.

    `notify` is the address or command that is told of the sweep's events. `time_budget` is in s. A
    trial that has failed `max_failures` times is left alone. With `share` other starts of the
    command run at the same time. `reading` says how own pictures are read, where a node has not
    read them yet: what comes of it is in their hash. A search stops trials at the rungs of
    `halving`.
    """

    results: str | None
    name: str | None
    max_concurrent: int | None
    cpus_per_trial: float | None
    gpus_per_trial: float | None
    time_budget: float | None
    max_failures: int
    data_root: Path | None
    download: bool
    weights: Weights
    allow_other_weights: bool
    fresh: bool
    stop_on_collapse: bool
    controls: bool
    as_json: bool
    command: str
    share: bool = False
    reading: Reading = field(default_factory=Reading)
    halving: Halving | None = None
    notify: str | None = None

    @property
    def remote(self) -> bool:
        """True if trials run on a cluster that was there before and may grow."""
        return bool(os.environ.get("RAY_ADDRESS"))
