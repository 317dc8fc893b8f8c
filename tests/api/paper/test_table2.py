"""Curves are read before they are asked for, and no longer than the service lives."""

from __future__ import annotations

import threading
from pathlib import Path

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
    held = on_demand._distances_at.cache_info().currsize  # pyright: ignore[reportPrivateUsage]
    assert held >= 12  # SN and SR of three settings, two seeds


def test_it_ends_with_the_service(filled: Path) -> None:
    stop = threading.Event()
    stop.set()
    on_demand._distances_at.cache_clear()  # pyright: ignore[reportPrivateUsage]
    warm(watched(filled), stop)
    warm(open_service(Store(filled), None), stop)
    assert on_demand._distances_at.cache_info().currsize == 0  # pyright: ignore[reportPrivateUsage]
