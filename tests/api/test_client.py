"""The Python client against a real service, and its offline twin on the same store."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pandas
import pytest

from api import client as client_module
from api.client import Client, Refused
from sweep import results
from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import identity, write_trial


@pytest.fixture(scope="module")
def client(http: httpx2.Client) -> Iterator[Client]:
    with Client(str(http.base_url)) as client:
        yield client


def same(a: Any, b: Any) -> bool:
    """Equal, where NaN equals NaN."""
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize(
    "filters",
    [
        {"setting": "B_64-64"},
        {"setting": ["C_*", "A_64-128"], "method": "sr-*"},
        {"seed": 1, "fd_digits_lt": 500},
        {"status": "failed"},
        {"iteration_gt": 600, "i_ratio": [0.125, 0.5]},
    ],
)
def test_the_service_and_the_folder_say_the_same(
    client: Client, filled: Path, filters: dict[str, Any]
) -> None:
    told = [row for row in client.results(**filters) if row["status"] != "planned"]
    read = list(results.open(filled).results(**filters))
    assert told
    assert same(told, read)


def test_evaluations_and_spectra_are_the_same(client: Client, filled: Path) -> None:
    reader = results.open(filled)
    trial_id = next(iter(client.results(setting="C_32-32", method="sn")))["trial_id"]
    for ask in (
        lambda one: one.evaluations(trial_id),
        lambda one: one.evaluations(trial_id, ["d_loss", "modes"]),
        lambda one: one.spectra(trial_id, layer=3),
    ):
        told, read = list(ask(client)), list(ask(reader))
        assert told
        assert same(told, read)
    assert math.isnan(next(iter(client.evaluations(trial_id)))["d_loss"])
    assert len(list(client.spectra(trial_id))) == 10 * len(list(client.spectra(trial_id, 3)))


def test_tables(client: Client, filled: Path) -> None:
    frame = client.results(setting="B_64-64", fields=["setting", "best_*"]).to_pandas()
    assert len(frame) == 8
    assert frame["best_fd_digits"].dtype == float
    assert "method" not in frame
    offline = results.open(filled).results(setting="B_64-64").to_pandas()
    assert list(offline["best_fd_digits"]) == list(frame["best_fd_digits"])
    assert len(client.table2().to_pandas()) == 1 + 23 + 3 * 4 - 1
    assert set(client.fig8(setting="C_32-32").to_pandas()["i_ratio"].dropna()) > {0.125, 0.5}
    groups = client.groups(by=["method"], agg=["n", "ci95"], setting="B_64-64").to_pandas()
    assert list(groups.columns) == ["method", "trials", "settings", "seeds", "n", "ci95_low",
                                    "ci95_high"]  # fmt: skip
    assert set(client.survival(method="sn").to_pandas()["method"]) == {"sn"}
    assert not client.claims().to_pandas().empty
    assert [row["name"] for row in client.sweeps()] == ["fig8", "demo"]
    assert len(client.sweeps().to_pandas()) == 2


def test_pages_are_asked_for_when_they_are_gone_through(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE", 4)
    asked: list[str] = []
    original = client._json
    monkeypatch.setattr(client, "_json", lambda p, q: asked.append(p) or original(p, q))
    rows = client.results(sort="-best_fd_digits")
    assert asked == []
    assert len(list(itertools.islice(rows, 5))) == 5
    assert len(asked) == 2
    whole = [row["trial_id"] for row in rows]
    assert len(set(whole)) == len(whole) == 30


def test_a_trial(client: Client) -> None:
    (failed,) = client.results(status="failed")
    assert client.trial(failed["trial_id"])["traceback"] == failed["traceback"]


def test_refusals_say_what_the_service_said(client: Client) -> None:
    with pytest.raises(
        Refused, match="unknown query parameter 'settings'; did you mean: setting"
    ) as e:
        list(client.results(settings="B_64-64"))
    assert e.value.status == 422
    assert e.value.document["title"].startswith("Unprocessable")
    with pytest.raises(Refused, match="404 Not Found: there is no trial 'nothing'"):
        client.trial("nothing")
    with pytest.raises(Refused, match="unknown field 'best_fidd'; did you mean: best_fid"):
        list(client.results(fields=["best_fidd"]))


def test_the_folder_names_its_columns(filled: Path) -> None:
    with pytest.raises(ValueError, match="no column settings or best_settings; there"):
        list(results.open(filled).results(settings="B_64-64"))


def test_a_token(tmp_path: Path) -> None:
    write_trial(Store(tmp_path), identity("C_32-32", "sn", 0))
    with serving(tmp_path, token="secret") as http:
        address = str(http.base_url)
        with Client(address, token="secret") as allowed:
            assert len(list(allowed.results())) == 1
        with Client(address) as other, pytest.raises(Refused, match="a token is needed"):
            list(other.results())


def answering(client: Client, *answers: httpx2.Response) -> list[str]:
    """Makes the client's requests get these answers, in turn; the paths that it asked for."""
    asked: list[str] = []
    left = iter(answers)

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        return next(left)

    client._http = httpx2.Client(base_url="http://x", transport=httpx2.MockTransport(answer))
    return asked


def test_only_a_service_that_asks_to_wait_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    page = {"items": [], "next_cursor": None, "snapshot": "x"}
    busy = httpx2.Response(503, headers={"Retry-After": "2"}, json={"title": "busy"})
    one = Client("http://x")
    one.close()
    asked = answering(one, busy, busy, httpx2.Response(200, json=page))
    assert list(one.results()) == []
    assert (waits, len(asked)) == ([2.0, 2.0], 3)
    answering(one, *[busy] * 9)
    with pytest.raises(Refused, match="503 busy"):
        list(one.results())
    for answer in (httpx2.Response(503, text="bad gateway"), httpx2.Response(500, json={})):
        asked = answering(one, answer)
        with pytest.raises(Refused):
            list(one.results())
        assert len(asked) == 1


def test_a_figure_8_in_five_lines(client: Client, http: httpx2.Client, tmp_path: Path) -> None:
    """As the README has it."""
    import plotly.graph_objects as go

    rows = client.results(setting="C_32-32", method="sr-static", status="completed").to_pandas()
    at = rows.groupby("i_ratio")["best_fd_digits"].agg(["mean", "std"]).reset_index()
    figure = go.Figure(go.Scatter(x=at["i_ratio"], y=at["mean"], error_y={"array": at["std"]}))
    figure.update_layout(xaxis_title="i", yaxis_title="best FD-digits").write_html(
        tmp_path / "8.html"
    )
    assert list(at["i_ratio"]) == [0.125, 0.25, 0.5]
    assert "best FD-digits" in (tmp_path / "8.html").read_text()
    assert isinstance(rows, pandas.DataFrame)
    assert "pandas" in sys.modules
