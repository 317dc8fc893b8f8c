"""Orders through a real service, from programs and from its pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser

from sweep.store import orders
from sweep.store.orders import SERVER, Answer, Cost, read_orders
from sweep.store.ownership import acquire
from sweep.store.store import Store
from tests.api.logins import CONTROL, READ
from tests.api.servers import serving
from tests.api.stores import identity, write_plan, write_trial

SENT = {"Authorization": f"Bearer {CONTROL}"}
BODY = {"author": "Ada", "profile": "digits", "settings": "C_32-32", "seeds": "2,3"}
PRICE = Cost(trials=2, done=1, seconds=90.0, gpu_hours=0.0, cpu_hours=0.025)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    trials = [identity("C_32-32", "sn", seed) for seed in range(2)]
    for who in trials:
        write_trial(store, who)
    write_plan(store, "demo", trials)
    return store


@pytest.fixture
def http(store: Store) -> Iterator[httpx2.Client]:
    with serving(Path(store.base), READ, CONTROL) as http:
        http.headers.update(SENT)
        yield http


def answered(store: Store, order_id: str, state: str) -> None:
    orders.answer(store, order_id, Answer(state=state, at=datetime.now(UTC), cost=PRICE))


def states(http: httpx2.Client) -> dict[str, str]:
    return {item["id"]: item["state"] for item in http.get("/orders").json()["items"]}


def test_an_order_is_placed_confirmed_and_seen_to_run(http: httpx2.Client, store: Store) -> None:
    placed = http.post("/orders", json={**BODY, "methods": "sn", "priority": 2, "iterations": 30})
    assert placed.status_code == 201, placed.text
    order_id = placed.json()["id"]
    (entry,) = read_orders(store).entries
    assert (entry.order.id, entry.order.confirmed, entry.order.priority) == (order_id, False, 2)
    assert entry.order.arguments() == [
        "--profile=digits", "--settings=C_32-32", "--methods=sn", "--seeds=2,3",
        "--iterations=30",
    ]  # fmt: skip
    answered(store, order_id, "priced")
    (item,) = http.get("/orders").json()["items"]
    assert (item["state"], item["cost"]["trials"], item["cost"]["seconds"]) == ("priced", 2, 90.0)
    acted = http.post("/orders/actions", json={"action": "confirm", "ids": [order_id, "x"]})
    assert acted.status_code == 202, acted.text
    assert (acted.json()["items"][0]["state"], acted.json()["missing"]) == ("queued", ["x"])
    write_plan(store, f"order-{order_id}", [identity("C_32-32", "sn", k) for k in (2, 3)])
    answered(store, order_id, "running")
    assert states(http) == {order_id: "running"}


def test_many_are_cancelled_at_once(http: httpx2.Client, store: Store) -> None:
    ids = [http.post("/orders", json=BODY).json()["id"] for _ in range(4)]
    answered(store, ids[0], "running")
    answered(store, ids[1], "finished")
    http.post("/orders/actions", json={"action": "cancel", "ids": ids})
    assert [states(http)[i] for i in ids] == ["running", "finished", "cancelled", "cancelled"]
    assert [entry.order.cancelled for entry in read_orders(store).entries] == [True] * 4


def test_who_serves_is_told(http: httpx2.Client, store: Store) -> None:
    assert http.get("/orders").json()["server"] == {"live": False, "host": None, "pid": None}
    ownership = acquire(store, SERVER)
    assert ownership is not None
    told = http.get("/orders").json()["server"]
    ownership.release()
    assert (told["live"], isinstance(told["pid"], int)) == (True, True)
    assert http.get("/orders").json()["server"]["live"] is False


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"seeds": None}, "seeds"), ({"notify": "rm"}, "notify"), ({"results": "/"}, "results"),
        ({"settings": "C_8-32 --fresh"}, "no spaces"), ({"settings": "$(x)"}, "no spaces"),
        ({"priority": 99}, "priority"), ({"author": "\x1b[2J"}, "author"),
        ({"iterations": 0}, "iterations"),
    ],
)  # fmt: skip
def test_what_cannot_be_ordered(
    http: httpx2.Client, store: Store, body: dict[str, Any], says: str
) -> None:
    answer = http.post("/orders", json=BODY | body)
    assert (answer.status_code, says in answer.text) == (422, True), answer.text
    assert read_orders(store).entries == []


def test_only_the_control_token_orders(http: httpx2.Client, store: Store) -> None:
    http.headers["Authorization"] = f"Bearer {READ}"
    assert http.post("/orders", json=BODY).status_code == 403
    action = {"action": "cancel", "ids": ["x"]}
    assert http.post("/orders/actions", json=action).status_code == 403
    assert http.get("/orders").status_code == 200
    assert read_orders(store).entries == []


def test_a_row_is_extended_from_its_page(
    http: httpx2.Client, store: Store, browser: Browser
) -> None:
    trial, home = identity("C_32-32", "sn", 0)["trial_id"], str(http.base_url).rstrip("/")
    page = browser.new_page()
    page.goto(f"{home}/login?next=/view/trials/{trial}")
    page.get_by_label("Token").fill(CONTROL)
    page.keyboard.press("Enter")
    page.get_by_text("Train more like this").click()
    form = page.get_by_role("form", name="More seeds")
    form.get_by_label("Your name").fill("<b>Ada")
    form.get_by_role("button").click()
    page.wait_for_url("**/view/orders#*")
    (entry,) = read_orders(store).entries
    assert dict(entry.order.values).items() >= {
        "profile": "digits", "settings": "C_32-32", "methods": "sn", "seeds": "2,3",
        "iterations": "1500",
    }.items()  # fmt: skip
    assert page.get_by_text("No server is there").count() == 1
    answered(store, entry.order.id, "priced")
    page.get_by_text("2 trials to train, 1 there already").wait_for()
    assert page.locator("bdi", has_text="<b>Ada").count() == 1
    page.get_by_role("button", name="Run all 1 that are priced").click()
    page.get_by_text("queued").wait_for()
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Cancel the chosen").click()
    page.get_by_text("cancelled").wait_for()
    assert read_orders(store).entries[0].state == "cancelled"
    page.close()
