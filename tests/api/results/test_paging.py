"""Sorted lists and their cursors."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.reading.snapshot import Snapshot, Watcher
from api.results import paging
from api.results.filters import STORED, Filters
from sweep.store.store import Store
from tests.api.servers import serving, wait_for
from tests.api.stores import identity, write_trial


def look(root: Path) -> Snapshot:
    watcher = Watcher(Store(root))
    watcher.refresh()
    assert watcher.current is not None
    return watcher.current


def walk(snapshot: Snapshot, sort: str, limit: int = 4) -> list[str]:
    seen, cursor = [], None
    while True:
        page = paging.page(snapshot, Filters(), paging.read_sort(sort), limit, cursor)
        seen += [row["trial_id"] for row in page.records]
        cursor = page.next_cursor
        if cursor is None:
            return seen


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Equal scores, NaN, infinity and none."""
    root = tmp_path_factory.mktemp("odd")
    store = Store(root)
    values = [3.0, 1.0, math.nan, None, 3.0, math.inf, math.nan, 2.0, None, 3.0]
    for seed, value in enumerate(values):
        who = identity("C_32-32", "sn-renorm", seed)
        write_trial(store, who)
        (row,) = store.read_rows("trials", who["trial_id"])
        store.write_rows("trials", who["trial_id"], [row | {"final_fd_digits": value}])
    return look(root)


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("final_fd_digits", [1.0, 2.0, 3.0, 3.0, 3.0, math.inf, "nan", "nan", None, None]),
        ("-final_fd_digits", [math.inf, 3.0, 3.0, 3.0, 2.0, 1.0, "nan", "nan", None, None]),
    ],
)
def test_what_has_no_number_comes_last(
    odd: Snapshot, sort: str, order: list[Any], limit: int
) -> None:
    seen = walk(odd, sort, limit)
    values = [odd.records[trial_id]["final_fd_digits"] for trial_id in seen]
    assert ["nan" if v is not None and math.isnan(v) else v for v in values] == order
    ties = [trial_id for trial_id, value in zip(seen, values, strict=True) if value == 3.0]
    assert ties == sorted(ties)


@pytest.mark.parametrize("column", STORED)
def test_every_column_sorts_and_pages(filled: Path, column: str) -> None:
    snapshot = look(filled)
    for sort in (column, f"-{column}"):
        seen = walk(snapshot, sort, 7)
        assert sorted(seen) == list(snapshot.ids)
        values = [snapshot.records[trial_id][column] for trial_id in seen]
        values = [v for v in values if v is not None and v == v]
        assert values == sorted(values, reverse=sort.startswith("-"))


def test_a_cursor_outlives_changes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    trials = [identity("C_32-32", "sn-renorm", seed) for seed in range(8)]

    def write(who: dict[str, Any], score: float) -> None:
        write_trial(store, who)
        (row,) = store.read_rows("trials", who["trial_id"])
        store.write_rows("trials", who["trial_id"], [row | {"best_fd_digits": score}])

    for who, score in zip(trials[:6], [10.0, 20.0, 30.0, 40.0, 50.0, 60.0], strict=True):
        write(who, score)
    url: str | None = "/results?sort=-fd_digits&limit=2"
    seen, pages = [], 0
    with serving(tmp_path) as http:
        while url:
            response = http.get(url)
            seen += [item["best"]["fd_digits"] for item in response.json()["items"]]
            url = response.links.get("next", {}).get("url")
            pages += 1
            if pages == 1:
                # The trial that the cursor stands behind goes; one comes before, one behind it.
                store.delete(f"trials/{trials[4]['trial_id']}.parquet")
                write(trials[6], 70.0)
                write(trials[7], 15.0)
                wait_for(lambda: len(http.get("/results").json()["items"]) == 7)
    assert seen == [60.0, 50.0, 40.0, 30.0, 20.0, 15.0, 10.0]


def written(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("sort", "cursor"),
    [
        ("seed", ""),
        ("seed", "zzz"),
        ("seed", "WzFd"),
        ("seed", "\x00é"),
        ("seed", "A" * 5000),
        ("seed", base64.urlsafe_b64encode(b"[" * 30_000).decode()),
        ("seed", written("seed", 0, "one", "a")),
        ("seed", written("seed", 0, 10**30, "a")),
        ("seed", written("seed", 0, None, "a")),
        ("seed", written("seed", 2, 1, "a")),
        ("seed", written("seed", 3, None, "a")),
        ("seed", written("seed", 0, 1, 2)),
        ("seed", written("seed", 0, [1], "a")),
        ("status", written("status", 0, 1, "a")),
        ("updated_at", written("updated_at", 0, "2026-03-01T00:00:00", "a")),
        ("updated_at", written("updated_at", 0, "soon", "a")),
    ],
)
def test_malformed_cursors(http: httpx2.Client, sort: str, cursor: str) -> None:
    response = http.get("/results", params={"sort": sort, "cursor": cursor})
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert "malformed cursor" in response.json()["detail"]


def test_a_cursor_is_of_its_list(http: httpx2.Client) -> None:
    cursor = http.get("/results?sort=-seed&limit=3").json()["next_cursor"]
    response = http.get("/results", params={"sort": "seed", "cursor": cursor})
    assert response.status_code == 400
    assert "of a list sorted by -seed, not by seed" in response.json()["detail"]
