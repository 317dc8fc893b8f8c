"""Two running sweeps, served, for the tests of events and streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import identity, write_driver, write_plan


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two running sweeps, `a` and `b`, with two trials each of which none has begun."""
    store = Store(tmp_path / "results")
    for name, method in (("a", "sn"), ("b", "sr-static")):
        write_plan(store, name, [identity("C_32-32", method, seed) for seed in (0, 1)])
        write_driver(store, name)
    return store


@pytest.fixture
def live(store: Store) -> Iterator[httpx2.Client]:
    with serving(Path(store.base)) as http:
        yield http
