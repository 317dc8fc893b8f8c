"""Every figure that the service draws, held against Plotly's schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import plotly.graph_objects as go
import pytest

from sweep.store.store import Store
from tests.api.servers import result_items, serving
from tests.api.stores import (
    identity,
    write_diverged,
    write_driver,
    write_imagenet,
    write_plan,
    write_trial,
)

DIVERGED = identity("C_32-32", "sn", 2)
FOREIGN = identity("E_512-64", "sn", 0) | {"profile": "paper", "dataset": "imagenet"}
PAPER = (
    "fig/2", "fig/3", "fig/4", "fig/4?setting=C_64-32", "fig/6", "fig/7", "fig/9", "fig/10",
    "fig/11", "fig/14", "fig/2?layer=99", "fig/7?profile=paper", "fig5", "fig5?setting=C_64-32",
    "fig5?setting=C_64-32&seed=99", "fig8?setting=A_128-128", "fig8?setting=C_8-32", "fig12",
    "fig12?profile=paper", "survival", "seeds", "sweeps/drawn/best", "rivals", "detectors",
    "searches/drawn/slices", "searches/drawn/slices?log=true", "searches/drawn/contour",
    "searches/drawn/contour?x=i_ratio&y=batch_size", "searches/drawn/parallel",
    "searches/drawn/best", "searches/drawn/importance",
    "groups/curves?profile=digits",
    "groups/curves?method=s*&band=ci95&log=true&log_x=true&score=modes&by=method",
)  # fmt: skip
TRIAL = (
    "curves", "curves?keys=fd_digits,d_loss,modes&log=true", "strip", "strip?rank=mean_ratio",
    "spectra", "spectra?layer=99", "snapshots", "snapshots?at=400&iterations=75,300",
    "outputs", "outputs?at=100",
)  # fmt: skip
COMPARED = (
    "curves", "curves?x=share&log=true", "spectra", "spectra?layer=2&columns=2", "outputs",
    "outputs?quantity=d_loss&at=300&columns=2",
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """What each figure needs, a rescue, a divergence and a trial of ImageNet among it."""
    store = Store(tmp_path_factory.mktemp("drawn"))
    trials = [
        identity(setting, method, seed)
        for setting in ("C_64-32", "A_128-128", "B_128-64")
        for method in ("sn", "sr-static", "sn-renorm", "sr-dynamic")
        for seed in (0, 1)
    ]
    trials += [identity("A_128-128", "sr-static", 0, i_ratio) for i_ratio in (0.25, 1.0)]
    trials += [identity("B_128-64", "sr-static", 0, 0.25), identity("E_2048-64", "sn", 0)]
    branch = {"parent": trials[-1]["trial_id"], "parent_iteration": 600}
    trials.append(identity("E_2048-64", "sr-dynamic", 0) | branch)
    for trial in trials:
        write_trial(store, trial)
    write_trial(store, identity("C_32-32", "sn", 1), "running")
    write_diverged(store, DIVERGED)
    write_imagenet(store, FOREIGN)
    write_plan(store, "drawn", [*trials, DIVERGED, FOREIGN, identity("C_8-32", "sn", 0)])
    write_driver(store, "drawn", state="finished")
    with serving(Path(store.base)) as client:
        yield client


def addresses(http: httpx2.Client) -> list[str]:
    collapsed = result_items(http, status="collapsed", fields="trial_id", limit=1)
    healthy = result_items(http, status="completed", fields="trial_id", limit=2)
    ids = [item["trial_id"] for item in (*collapsed, *healthy)]
    ids += [DIVERGED["trial_id"], FOREIGN["trial_id"]]
    compared = "&".join(f"t={trial_id}" for trial_id in ids)
    return [
        *(f"/figures/{path}" for path in PAPER),
        *(f"/figures/trials/{trial_id}/{path}" for trial_id in ids for path in TRIAL),
        *(f"/figures/compare/{path}{'&' if '?' in path else '?'}{compared}" for path in COMPARED),
    ]


def checked_by_plotly(figure: dict[str, Any]) -> dict[str, Any]:
    """The figure as Plotly reads it. Raises ValueError for what Plotly does not know."""
    read = go.Figure({"data": figure["data"], "layout": figure["layout"]}).to_plotly_json()
    del read["layout"]["template"]  # which Plotly adds
    return read


def test_plotly_knows_every_property(drawn: httpx2.Client) -> None:
    """Plotly leaves what it reads as it is: nothing is a short form of something else."""
    empty = []
    for address in addresses(drawn):
        figure = drawn.get(address).json()
        if figure["empty"]:
            empty.append(address)
        plotlys = checked_by_plotly(figure)
        assert as_lists(plotlys) == {name: figure[name] for name in ("data", "layout")}, address
    assert len(empty) < 15, empty


def as_lists(value: Any) -> Any:
    match value:
        case dict():
            return {key: as_lists(item) for key, item in value.items()}
        case list() | tuple():
            return [as_lists(item) for item in value]
    return value


def test_every_route_of_figures_is_among_them(drawn: httpx2.Client) -> None:
    routes = {p for p in drawn.get("/openapi.json").json()["paths"] if p.startswith("/figures/")}
    drawn_paths = [address.partition("?")[0].split("/") for address in addresses(drawn)]

    def is_drawn(route: str) -> bool:
        parts = route.split("/")
        return any(
            len(parts) == len(path)
            and all(a == b or a.startswith("{") for a, b in zip(parts, path, strict=True))
            for path in drawn_paths
        )

    assert [route for route in routes if not is_drawn(route)] == []


@pytest.mark.parametrize(
    "figure",
    [
        {"data": [{"type": "scatter", "colour": "red"}], "layout": {}},
        {"data": [], "layout": {"xaxis": {"titel": {"text": "iteration"}}}},
        {"data": [{"type": "scatter", "mode": "dots"}], "layout": {}},
    ],
)
def test_plotly_refuses_a_wrong_property(figure: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Invalid"):
        checked_by_plotly(figure)
