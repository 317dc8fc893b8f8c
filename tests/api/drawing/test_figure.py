"""Figures and pages of every method, and of a discriminator of seventeen layers."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx2
import pytest

from api.drawing import look
from api.drawing.look import in_order
from sweep.store.store import Store
from trainer.collapse import SHORTCUTS
from trainer.config.settings import METHODS


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory, kit: ModuleType) -> Iterator[httpx2.Client]:
    """A trial of every method, and one of an ImageNet setting as the paper has it."""
    root = tmp_path_factory.mktemp("every")
    store = Store(root)
    trials = [kit.identity("C_32-32", method, 0) for method in METHODS]
    for who in trials:
        kit.write_trial(store, who)
    kit.write_plan(store, "every", trials)
    kit.write_driver(store, "every", state="finished")
    imagenet = {"profile": "paper", "dataset": "imagenet", "batch_size": 512, "channels": 64}
    kit.write_imagenet(store, kit.identity("E_512-64", "sn", 0) | imagenet)
    with kit.serving(root) as client:
        yield client


def only(http: httpx2.Client, **query: str) -> dict[str, Any]:
    (item,) = http.get("/results", params=query).json()["items"]
    return item


def test_every_method_has_a_colour_of_its_own() -> None:
    assert set(look.COLOURS) == set(METHODS)
    assert len(set(look.COLOURS.values())) == len(METHODS)
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in look.COLOURS.values())
    assert look.OTHER_COLOUR not in look.COLOURS.values()


def test_methods_stand_in_one_order() -> None:
    assert in_order(["newer", "nugan", "sr-static", "sn", "sn"]) == [
        "sn", "sr-static", "nugan", "newer",
    ]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_the_pages_of_a_method(every: httpx2.Client, method: str) -> None:
    trial = only(every, method=method, profile="digits")["trial_id"]
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


def test_a_discriminator_of_seventeen_layers(every: httpx2.Client) -> None:
    trial = only(every, profile="paper")["trial_id"]
    rows = every.get(f"/trials/{trial}/spectra?layer=16").json()["items"]
    assert {row["layer"] for row in rows} == {16}
    refused = every.get(f"/trials/{trial}/spectra?layer=17")
    assert refused.status_code == 422
    assert "has layers 0 to 16" in refused.json()["detail"]
    assert every.get(f"/figures/trials/{trial}/spectra?layer=16").json()["empty"] is None
    page = every.get(f"/view/trials/{trial}").text
    chosen = re.findall(r">(layer_[0-9]+)( \(1x1\))?<", page)
    assert [name for name, _ in chosen] == [f"layer_{k}" for k in range(17)]
    assert tuple(k for k, (_, narrow) in enumerate(chosen) if narrow) == SHORTCUTS[17]
    assert "layer_16" in every.get("/paper?profile=paper").text


def test_a_discriminator_of_ten_layers(every: httpx2.Client) -> None:
    trial = only(every, profile="digits", method="sn")["trial_id"]
    chosen = re.findall(r">(layer_[0-9]+)( \(1x1\))?<", every.get(f"/view/trials/{trial}").text)
    assert [name for name, _ in chosen] == [f"layer_{k}" for k in range(10)]
    assert tuple(k for k, (_, narrow) in enumerate(chosen) if narrow) == SHORTCUTS[10]


def test_a_layer_that_is_not_there_is_said_in_the_figure(every: httpx2.Client) -> None:
    trial = only(every, profile="digits", method="sn")["trial_id"]
    for address in (f"trials/{trial}/spectra?layer=12", f"fig5?trial_id={trial}&layer=12"):
        figure = every.get(f"/figures/{address}").json()
        assert figure["empty"] == f"there is no layer 12: {trial} has layers 0 to 9."
        assert figure["data"] == []


def test_scores_with_other_weights_are_marked(every: httpx2.Client) -> None:
    trial = only(every, profile="paper")["trial_id"]
    page = every.get(f"/view/trials/{trial}").text
    assert "not with the reference Inception weights" in page
    assert "61.2 at iteration" in page
    assert "Inception Score 20.5" in page
    assert "Inception weights: not the reference file" in every.get("/paper?profile=paper").text
    other = only(every, profile="digits", method="sn")["trial_id"]
    assert "reference Inception weights" not in every.get(f"/view/trials/{other}").text


def test_without_modes_the_inception_score_is_drawn(every: httpx2.Client) -> None:
    trial = only(every, profile="paper")["trial_id"]
    figure = every.get(f"/figures/trials/{trial}/curves").json()
    drawn = {trace["name"]: trace["y"] for trace in figure["data"]}
    assert set(drawn) == {"fid", "inception_score", "d_loss", "g_loss", "gap"}
    assert drawn["inception_score"][1] == 20.5
