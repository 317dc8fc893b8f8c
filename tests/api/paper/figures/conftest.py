"""Every setting that the paper's figures show by themselves, served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import identity, write_trial


@pytest.fixture(scope="session")
def figures_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Every setting that the figures show by themselves, a rescue among them."""
    store = Store(tmp_path_factory.mktemp("shown"))
    for setting in ("B_64-64", "B_128-64", "C_64-32", "A_128-128", "E_2048-64"):
        for seed in (0, 1):
            write_trial(store, identity(setting, "sn", seed))
            write_trial(store, identity(setting, "sr-static", seed))
    for i_ratio in (0.25, 1.0):
        write_trial(store, identity("A_128-128", "sr-static", 0, i_ratio))
    sn = identity("E_2048-64", "sn", 0)
    rescue = identity("E_2048-64", "sr-dynamic", 0)
    write_trial(store, rescue | {"parent": sn["trial_id"], "parent_iteration": 600})
    with serving(Path(store.base)) as http:
        yield http
