"""Trackers by name, and their packages, which are imported only where somebody asks for one."""

from __future__ import annotations

import importlib
import importlib.util

from sweep.mirrors.tracker import Tracker
from trainer.config.lookup import UsageError

TRACKERS = ("mlflow", "tensorboard", "wandb", "trackio")


def open_tracker(name: str, address: str | None, sweep: str) -> Tracker:
    """The tracker of TRACKERS with the project of a sweep.

    Raises UsageError for a package that is not installed and an address that is none.
    """
    module = importlib.import_module(f"sweep.mirrors.{name}")
    missing = [each for each in module.PACKAGES if importlib.util.find_spec(each) is None]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} not installed: pip install 'srgan-sweep[{name}]'"
        )
    return module.opened(address, sweep)
