"""A filled store, a service over it and a browser, shared by the service's tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, sync_playwright

from sweep.store.store import Store
from tests.api.logins import CONTROL, READ
from tests.api.servers import serving
from tests.api.stores import fill, identity, write_driver, write_imagenet, write_plan, write_trial
from trainer.config.settings import METHODS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session", autouse=True)
def described_once() -> Iterator[None]:
    """Every service has the same routes: their description takes 0.5 s, and is made once."""
    descriptions: list[dict[str, Any]] = []
    original = FastAPI.openapi

    def openapi(app: FastAPI) -> dict[str, Any]:
        if not descriptions:
            descriptions.append(original(app))
        app.openapi_schema = descriptions[0]
        return descriptions[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastAPI, "openapi", openapi)
        yield


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a filled store that no test writes to."""
    root = tmp_path_factory.mktemp("results")
    fill(root)
    return root


@pytest.fixture(scope="session")
def http(filled: Path) -> Iterator[httpx2.Client]:
    with serving(filled) as client:
        yield client


# Not for the session: while Playwright runs, its thread can run no event loop of a test.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH: the pages were not looked at (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A trial of every method, and one of an ImageNet setting as the paper has it."""
    root = tmp_path_factory.mktemp("every")
    store = Store(root)
    trials = [identity("C_32-32", method, 0) for method in METHODS]
    for who in trials:
        write_trial(store, who)
    write_plan(store, "every", trials)
    write_driver(store, "every", state="finished")
    imagenet = {"profile": "paper", "dataset": "imagenet", "batch_size": 512, "channels": 64}
    write_imagenet(store, identity("E_512-64", "sn", 0) | imagenet)
    with serving(root) as client:
        yield client


@pytest.fixture(scope="session")
def closed(filled: Path) -> Iterator[httpx2.Client]:
    """A service with both tokens; its client sends none."""
    with serving(filled, READ, CONTROL) as http:
        yield http
