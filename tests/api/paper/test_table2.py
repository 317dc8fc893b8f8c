"""Curves are read before they are asked for, and no longer than the service lives."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx2
import pytest

from api.paper.table2 import warm
from api.reading import on_demand
from api.web.service import Service, open_service
from sweep.store.store import Store


def watched(root: Path) -> Service:
    service = open_service(Store(root), None)
    service.watcher.refresh()
    return service


def test_what_table_2_needs_is_read_beforehand(filled: Path) -> None:
    on_demand._distances_at.cache_clear()  # pyright: ignore[reportPrivateUsage] - what it is for
    warm(watched(filled), threading.Event())
    cached = on_demand._distances_at.cache_info().currsize  # pyright: ignore[reportPrivateUsage]
    assert cached >= 12  # SN and SR of three settings, two seeds


def test_it_ends_with_the_service(filled: Path) -> None:
    stop = threading.Event()
    stop.set()
    on_demand._distances_at.cache_clear()  # pyright: ignore[reportPrivateUsage]
    warm(watched(filled), stop)
    warm(open_service(Store(filled), None), stop)
    assert on_demand._distances_at.cache_info().currsize == 0  # pyright: ignore[reportPrivateUsage]


def test_table_2_has_pairs_at_the_best_and_at_the_matched_iteration(
    story: httpx2.Client, paper_text: str
) -> None:
    rows = {row["setting"]: row for row in story.get("/table2").json()["items"]}
    pair = rows["C_64-32"]["pairs"]["digits"]["sr-static"]
    assert pair["n"] == 3
    assert pair["best_interval"][0] < pair["best_mean"] < pair["best_interval"][1]
    bests = [seed["best_difference"] for seed in pair["seeds"]]
    assert pair["best_mean"] == pytest.approx(sum(bests) / 3)
    for value in (pair["best_mean"], pair["mean"]):
        assert f"{value:,.0f}".replace("-", "−") + " n=3" in paper_text
    for format in ("json", "csv", "parquet", "latex", "markdown"):
        address = "/table2" if format == "json" else f"/table2?format={format}"
        assert f'href="{address}"' in story.get("/paper").text
        assert story.get(address).status_code == 200
