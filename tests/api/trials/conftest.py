"""Trials that are not as a page would like them, served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import (
    write_diverged,
    write_driver,
    write_imagenet,
    write_plan,
    write_trial,
)
from tests.api.trials.odd_trials import TRIALS


@pytest.fixture(scope="session")
def odd_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Trials that are not as a page would like them, and one with kin."""
    store = Store(tmp_path_factory.mktemp("odd"))
    for name in ("healthy", "twin", "branch"):
        write_trial(store, TRIALS[name])
    for name in ("failed", "running"):
        write_trial(store, TRIALS[name], name)
    write_diverged(store, TRIALS["diverged"])
    write_imagenet(store, TRIALS["foreign"])
    write_plan(store, "odd", list(TRIALS.values()))
    write_driver(store, "odd")
    return store


@pytest.fixture(scope="session")
def odd(odd_store: Store) -> Iterator[httpx2.Client]:
    with serving(Path(odd_store.base)) as client:
        yield client
