"""The page of orders, without a browser."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from api.app import create_app
from api.web.access import Tokens
from sweep.store import orders
from sweep.store.orders import Answer, new_order
from sweep.store.store import Store
from tests.api.logins import CONTROL

HOSTILE = "<script>alert(1)</script>"


def test_what_strangers_write_is_text(tmp_path: Path) -> None:
    store = Store(tmp_path)
    values = {"profile": "digits", "settings": "C_32-32", "seeds": "2"}
    order = new_order(values, author=HOSTILE)
    orders.place(store, order)
    reply = Answer(state="refused", at=datetime.now(UTC), reason=HOSTILE)
    orders.answer(store, order.id, reply)
    text = asyncio.run(page_of(tmp_path))
    assert text.count("&lt;script&gt;alert(1)") == 2
    assert "<script>alert" not in text
    assert "Nothing is ordered" in text
    assert "Cancel the chosen" not in text  # without the control token


async def page_of(root: Path) -> str:
    app = create_app(root, Tokens(None, CONTROL), allowed_hosts=("store",))
    app.state.service.watcher.refresh()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://store") as client:
        return (await client.get("/view/orders")).text
