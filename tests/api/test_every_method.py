"""Figures and pages of every method."""

from __future__ import annotations

import html

import httpx2
import pytest

from api.drawing import look
from tests.api.servers import only_trial
from trainer.config.settings import METHODS


@pytest.mark.parametrize("method", METHODS)
def test_the_pages_of_a_method(every: httpx2.Client, method: str) -> None:
    trial = only_trial(every, method=method, profile="digits")["trial_id"]
    page = every.get(f"/view/trials/{trial}")
    assert page.status_code == 200
    said = html.unescape(page.text)
    assert METHODS[method].formula in said
    assert METHODS[method].source in said
    for figure in (f"trials/{trial}/curves", f"trials/{trial}/spectra?layer=9",
                   f"fig5?trial_id={trial}"):  # fmt: skip
        drawn = every.get(f"/figures/{figure}").json()
        assert drawn["empty"] is None
    lines = every.get(f"/figures/trials/{trial}/curves").json()["data"]
    assert lines[0]["line"]["color"] == look.COLOURS[method]


@pytest.mark.parametrize("path", ["/", "/view/sweeps/every", "/paper"])
def test_a_reading_of_an_abstract_is_called_one(every: httpx2.Client, path: str) -> None:
    page = every.get(path).text
    assert "nugan" in page
    assert "our reading of the abstract" in page


def test_only_methods_that_are_shown_are_explained(http: httpx2.Client) -> None:
    for path in ("/", "/view/sweeps/demo", "/paper"):
        page = http.get(path).text
        assert METHODS["sr-lift"].source in page
        assert "nugan" not in page


def test_figures_of_all_methods(every: httpx2.Client) -> None:
    shown = {trace["name"] for trace in every.get("/figures/seeds").json()["data"]}
    assert shown == set(METHODS)
    fig8 = every.get("/figures/fig8?setting=C_32-32").json()
    assert {t["name"] for t in fig8["data"] if t["mode"] == "markers"} == {
        name for name, method in METHODS.items() if method.lifts
    }
