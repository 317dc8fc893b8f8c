"""The JSON routes, over real HTTP."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.results import routes
from sweep.store.store import Store
from tests.api.servers import result_items, serving, wait_for
from tests.api.stores import identity, write_plan, write_trial

ITEM = {
    "trial_id", "profile", "setting", "group", "setting_batch_size", "setting_channels",
    "batch_size", "channels", "dataset", "method", "form", "i_ratio", "seed", "status",
    "mode_collapse_at", "spectral_collapse_at", "dead_at", "diverged_at", "iteration",
    "iterations", "best", "final", "protocol", "started_at", "updated_at",
}  # fmt: skip


def test_results_of_a_setting(http: httpx2.Client) -> None:
    body = http.get("/results?setting=B_64-64").json()
    assert set(body) == {"items", "next_cursor", "snapshot"}
    assert {item["setting"] for item in body["items"]} == {"B_64-64"}
    assert len(body["items"]) == 8
    assert set(body["items"][0]) >= ITEM
    first = body["items"][0]
    assert (first["setting_channels"], first["channels"]) == (64, 32)
    assert first["best"]["fd_digits"] < first["best"]["iteration"]
    assert first["protocol"]["extractor"] == "digits classifier"


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ({}, 30),
        ({"setting": ["C_32-32", "B_*"]}, 22),
        ({"setting": "C_32-32", "method": "sn"}, 2),
        ({"group": "A"}, 8),
        ({"seed": 1}, 15),
        ({"seed": [0, 1], "status": "planned"}, 1),
        ({"sweep": "fig8"}, 7),
        ({"sweep": "fig8", "status": ["running", "failed"]}, 2),
        ({"profile": "digits", "status": "collapsed"}, 4),
        ({"profile": "paper"}, 0),
    ],
)
def test_filters(http: httpx2.Client, query: dict[str, Any], n: int) -> None:
    assert len(result_items(http, **query)) == n


def test_settings_outside_table_i_are_shown_with_nothing_published(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write_trial(store, identity("C_32-32", "sr-static", 0))
    other = identity("C_32-32", "sr-static", 1) | {
        "trial_id": "digits.U_16-256.sr-static.0.5.s1-00000000",
        "setting": "U_16-256",
        "group": "U",
    }
    write_trial(store, other)
    write_plan(store, "search", [other])
    with serving(tmp_path) as http:
        for query in ({"setting": "U_16-256"}, {"setting": "U_*"}, {"group": "U"}):
            assert [i["trial_id"] for i in result_items(http, **query)] == [other["trial_id"]]
        assert http.get(f"/trials/{other['trial_id']}").json()["group"] == "U"
        rows = http.get("/table2").json()["items"]
        assert {r["setting"] for r in rows if r["measured"]} == {"C_32-32"}
        for page in ("/", "/view/sweeps/search", f"/view/trials/{other['trial_id']}"):
            assert "U_16-256" in http.get(page, headers={"Accept": "text/html"}).text
        assert "C_32-32" in paper(http)
        assert "U_16-256" not in paper(http)


def paper(http: httpx2.Client) -> str:
    return http.get("/paper", headers={"Accept": "text/html"}).text


def test_planned_trials_are_listed(http: httpx2.Client) -> None:
    (planned,) = result_items(http, status="planned")
    assert planned["i_ratio"] == 0.75
    assert planned["iterations"] == 1500
    assert planned["best"] is None
    assert planned["iteration"] is None


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("setting=B_64-65", "unknown setting 'B_64-65'; did you mean: B_64-64"),
        ("method=sr", "unknown method 'sr'; did you mean: sr"),
        ("profile=digit", "did you mean: digits"),
        ("status=done", "unknown status 'done'"),
        ("sweep=fig", "did you mean: fig8"),
        ("group=F", "unknown group 'F'"),
        ("settings=B_64-64", "unknown query parameter 'settings'; did you mean: setting"),
        ("limit=0", "limit: Input should be greater than or equal to 1 (got '0')"),
        ("limit=1001", "less than or equal to 1000"),
        ("seed=x", "valid integer"),
    ],
)
def test_bad_queries(http: httpx2.Client, query: str, says: str) -> None:
    response = http.get(f"/results?{query}")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.json()["detail"]


def test_paging_while_the_store_grows(tmp_path: Path) -> None:
    store = Store(tmp_path)
    trials = [identity("C_32-32", "sn", seed) for seed in range(6)]
    for who in trials[:5]:
        write_trial(store, who)
    with serving(tmp_path) as http:
        seen, url, pages = [], "/results?limit=2&setting=C_*", 0
        while url:
            response = http.get(url)
            body = response.json()
            seen += [item["trial_id"] for item in body["items"]]
            assert (body["next_cursor"] is None) == ("next" not in response.links)
            url = response.links.get("next", {}).get("url")
            pages += 1
            if pages == 1:
                write_trial(store, trials[5])
                write_trial(store, identity("C_16-32", "sn", 0))
                wait_for(lambda: len(http.get("/results").json()["items"]) == 7)
    # What sorts before the cursor is not shown any more; nothing is shown twice or left out.
    assert seen == sorted(who["trial_id"] for who in trials)


def test_csv_and_parquet(http: httpx2.Client) -> None:
    names = [item["trial_id"] for item in result_items(http, sweep="fig8")]
    csv = http.get("/results?sweep=fig8", headers={"Accept": "text/csv"})
    assert csv.headers["content-type"].startswith("text/csv")
    lines = csv.text.splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == names
    response = http.get("/results?sweep=fig8&format=parquet")
    assert response.headers["content-type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(response.content))
    assert table.column("trial_id").to_pylist() == names
    assert table.column("best_fd_digits").null_count == 1
    assert b"G updates done" in (table.schema.field("iteration").metadata or {})[b"says"]


MANY = 2100


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A service over a store of more trials than a page or a part of a file has."""
    root = tmp_path_factory.mktemp("many")
    write_plan(Store(root), "many", [identity("C_32-32", "sn", seed) for seed in range(MANY)])
    with serving(root) as http:
        yield http


def seeds(response: httpx2.Response) -> list[int]:
    """The seeds of the trials in a file, in its order."""
    assert response.status_code == 200, response.text
    match response.headers["content-type"].partition(";")[0]:
        case "text/csv":
            header, *lines = response.text.splitlines()
            column = header.split(",").index("seed")
            return [int(line.split(",")[column]) for line in lines]
        case "application/vnd.apache.parquet":
            return pq.read_table(io.BytesIO(response.content))["seed"].to_pylist()
        case "application/vnd.apache.arrow.stream":
            return pa.ipc.open_stream(response.content).read_all()["seed"].to_pylist()
        case _:
            return [item["seed"] for item in response.json()["items"]]


@pytest.mark.parametrize("format", ["csv", "parquet", "arrow"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_file_has_every_trial_in_order(many: httpx2.Client, format: str, coding: str) -> None:
    headers = {"Accept-Encoding": coding}
    query = {"format": format, "sort": "-seed"}
    whole = many.get("/results", params=query, headers=headers)
    assert seeds(whole) == list(range(MANY))[::-1]
    assert "link" not in whole.headers
    again = many.get("/results", params=query, headers=headers)
    assert again.content == whole.content
    part = many.get("/results", params=query | {"limit": 3}, headers=headers)
    assert seeds(part) == [MANY - 1, MANY - 2, MANY - 3]
    rest = many.get(part.links["next"]["url"].replace("limit=3&", ""), headers=headers)
    assert seeds(rest)[0] == MANY - 4
    assert len(seeds(many.get("/results", params=query | {"seed": [5, 6]}))) == 2


def test_json_stays_paged(many: httpx2.Client) -> None:
    response = many.get("/results")
    assert len(seeds(response)) == 50
    assert "next" in response.links
    accepted = {"Accept": "application/vnd.apache.arrow.stream"}
    assert len(seeds(many.get("/results", headers=accepted))) == MANY


def test_the_page_leads_to_every_trial(many: httpx2.Client) -> None:
    page = many.get("/view/trials?sort=-seed&method=sn").text
    for format in ("csv", "parquet", "arrow"):
        (address,) = [
            part for part in page.replace("&amp;", "&").split('"')
            if part.startswith("/results") and part.endswith(f"format={format}")
        ]  # fmt: skip
        assert seeds(many.get(address)) == list(range(MANY))[::-1]


@pytest.mark.parametrize("format", ["csv", "arrow"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_an_error_in_the_middle_breaks_the_transfer(
    many: httpx2.Client, monkeypatch: pytest.MonkeyPatch, format: str, coding: str
) -> None:
    original, made = routes.columns, []

    def failing(table: str, rows: list[Any]) -> pa.Table:
        made.append(table)
        if len(made) == 3:
            raise ValueError("broken")
        return original(table, rows)

    monkeypatch.setattr(routes, "columns", failing)
    address = f"/results?format={format}&sort=iteration&seed_gt=-{len(coding)}"
    with many.stream("GET", address, headers={"Accept-Encoding": coding}) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError, match="incomplete"):
            answer.read()
    monkeypatch.undo()
    assert len(seeds(many.get(address))) == MANY, "nothing of it is remembered"


def test_a_file_of_parts_that_cannot_be_made_is_an_error(
    many: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(table: str, rows: list[Any]) -> pa.Table:
        raise ValueError("broken")

    monkeypatch.setattr(routes, "columns", failing)
    for format in ("csv", "parquet", "arrow"):
        # The server ends a connection behind an error.
        with httpx2.Client(base_url=many.base_url) as http:
            assert http.get(f"/results?format={format}&sort=method").status_code == 500


def test_a_file_is_of_the_snapshot_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    write_plan(store, "few", [identity("C_32-32", "sn", seed) for seed in range(5)])
    monkeypatch.setattr(routes, "ROWS_AT_ONCE", 1)
    original, made = routes.columns, []
    with serving(tmp_path) as http:

        def slow(table: str, rows: list[Any]) -> pa.Table:
            made.append(table)
            if len(made) == 3:
                write_plan(store, "more", [identity("C_16-32", "sn", seed) for seed in range(9)])
                wait_for(lambda: len(result_items(http)) == 14)
            return original(table, rows)

        monkeypatch.setattr(routes, "columns", slow)
        assert seeds(http.get("/results?format=csv")) == [0, 1, 2, 3, 4]
        assert len(seeds(http.get("/results?format=csv"))) == 14
