"""A store with what the paper page speaks of, served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sweep.store.store import Store
from tests.api.paper.contest_store import fill_contest
from tests.api.paper.paper_page import text_of
from tests.api.servers import serving
from tests.api.stores import identity, write_trial


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Seeds of SN, SR and the controls, i from 0.25 to 1, dynamic, a rescue, a divergence."""
    store = Store(tmp_path_factory.mktemp("story"))
    for method in ("sn", "sr-static", "sn-renorm", "sr-lift", "sr-dynamic"):
        for seed in (0, 1, 2):
            write_trial(store, identity("C_64-32", method, seed))
    for setting in ("A_128-128", "B_128-64", "E_2048-64"):
        write_trial(store, identity(setting, "sn", 0))
        for i_ratio in (0.25, 0.5, 1.0):
            write_trial(store, identity(setting, "sr-static", 0, i_ratio))
    parent = identity("C_64-32", "sn", 0)
    rescue = identity("C_64-32", "sr-dynamic", 7)
    branched = {"parent": parent["trial_id"], "parent_iteration": 300}
    write_trial(store, rescue | branched)
    far = identity("A_128-128", "sn", 1)
    write_trial(store, far)
    (row,) = store.read_rows("trials", far["trial_id"])
    row |= {"best_fd_digits": 1e6, "diverged_at": 300}
    store.write_rows("trials", far["trial_id"], [row])
    with serving(Path(store.base)) as client:
        yield client


@pytest.fixture(scope="session")
def paper_text(story: httpx2.Client) -> str:
    return text_of(story.get("/paper").text)


@pytest.fixture(scope="session")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    store = Store(tmp_path_factory.mktemp("contest"))
    fill_contest(store)
    with serving(Path(store.base)) as client:
        yield client
