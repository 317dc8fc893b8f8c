"""Trials by what is odd about them, served."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from sweep.store.store import Store
from tests.api.compare.odd_trials import NAMES
from tests.api.servers import serving
from tests.api.stores import (
    identity,
    write_diverged,
    write_driver,
    write_imagenet,
    write_plan,
    write_trial,
)


@pytest.fixture(scope="session")
def ids() -> dict[str, str]:
    """Trials by what is odd about them; filled by `odd`."""
    return {}


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory, ids: dict[str, str]) -> Iterator[httpx2.Client]:
    root = tmp_path_factory.mktemp("odd")
    store = Store(root)
    other_methods = {"healthy": "sr-static", "seed": "sr-static", "renorm": "sn-renorm"}
    methods = {name: other_methods.get(name, "sn") for name in NAMES}
    seeds = {"diverged": 2, "failed": 3, "planned": 4, "seed": 1}
    trials = {n: identity("C_32-32", methods[n], seeds.get(n, 0)) for n in NAMES}
    trials["foreign"] = identity("E_512-64", "sn", 0)
    trials["foreign"] |= {"profile": "paper", "dataset": "imagenet", "iterations": 45_000}
    ids |= {name: trial["trial_id"] for name, trial in trials.items()}
    for name in ("healthy", "sn", "seed", "renorm"):
        write_trial(store, trials[name])
    write_trial(store, trials["failed"], "failed")
    write_diverged(store, trials["diverged"])
    write_imagenet(store, trials["foreign"])
    write_plan(store, "odd", list(trials.values()))
    write_driver(store, "odd", state="finished")
    with serving(root) as client:
        yield client
