"""Every page over a store that is absent, empty, of one trial, or broken, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser

from sweep.store.store import Store
from tests.api.servers import opened_page, serving
from tests.api.stores import identity, write_driver, write_plan, write_trial

STORES = ("absent", "empty", "one trial", "broken")
PAGES = (
    "/", "/paper", "/view/trials", "/view/trials?by=method", "/view/trials?status=failed",
    "/view/compare", "/view/sweeps/demo", "/view/trials/{id}",
)  # fmt: skip
WHO = identity("C_32-32", "sn", 0)


def fill(root: Path, kind: str) -> None:
    store = Store(root)
    if kind == "absent":
        return
    (root / "trials").mkdir(parents=True)
    if kind == "empty":
        return
    write_trial(store, WHO)
    write_plan(store, "demo", [WHO])
    write_driver(store, "demo")
    if kind == "broken":
        for file in root.glob("*/*.parquet"):
            if file.parent.name != "sweeps":
                file.write_bytes(file.read_bytes()[:-9])
        store.write("sweeps/other.json", b'{"sweep": "other"')
        store.write("trials/notes.txt", b"hello")


@pytest.fixture(scope="module", params=STORES)
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, httpx2.Client]]:
    root = tmp_path_factory.mktemp("results") / "results"
    fill(root, request.param)
    with serving(root) as http:
        yield request.param, http


@pytest.mark.parametrize("page", PAGES)
def test_a_page(stored: tuple[str, httpx2.Client], browser: Browser, page: str) -> None:
    kind, http = stored
    address = page.format(id=WHO["trial_id"])
    holds_it = kind in ("one trial", "broken") or ("demo" not in page and "{id}" not in page)
    answer = http.get(address, headers={"Accept": "text/html"})
    assert answer.status_code == (200 if holds_it else 404), answer.text[:2000]
    if not holds_it:
        assert "in the store" in answer.text
        return
    opened, seen = opened_page(browser, http, address)
    text = opened.inner_text("body")
    opened.close()
    assert seen == []
    assert "Internal Server Error" not in text
    if kind in ("absent", "empty") and page != "/view/compare":
        assert "make demo" in text or "python -m sweep" in text


@pytest.mark.parametrize("stored", ["broken"], indirect=True)
@pytest.mark.parametrize(
    "figure", ["trials/{id}/curves", "trials/{id}/strip", "trials/{id}/spectra",
               "trials/{id}/snapshots", "trials/{id}/outputs"],
)  # fmt: skip
def test_a_figure_of_a_file_that_cannot_be_read_says_so(
    stored: tuple[str, httpx2.Client], figure: str
) -> None:
    _, http = stored
    drawn = http.get(f"/figures/{figure.format(id=WHO['trial_id'])}")
    assert drawn.status_code == 200
    assert "cannot be read" in drawn.json()["empty"]
