"""Orders of the store as they stand: what they cost, how far their sweeps are, who serves them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from fastapi import Request
from pydantic import BaseModel, Field

from api.reading.snapshot import Snapshot
from sweep.report.states import status_counts
from sweep.store import orders
from sweep.store.orders import Entry, Item
from sweep.store.ownership import is_live, read_owner
from sweep.store.store import Store, StoredFile


class OrderCost(BaseModel):
    """What the command's dry run said, where the trials would run."""

    trials: int = Field(description="left to train")
    done: int = Field(description="that the store had already")
    seconds: float = Field(description="of training in all, one trial after the other")
    gpu_hours: float
    cpu_hours: float


class OrderItem(BaseModel):
    """An order and how it stands."""

    id: str = Field(description="sorts by time")
    state: str = Field(description=", ".join(orders.STATES))
    author: str = Field(description="as the writer calls itself: not verified")
    at: datetime
    priority: int = Field(description="-9 to 9, the highest first")
    values: dict[str, str] = Field(description="what is to be trained")
    cancelled: bool = Field(description="or to be, once what runs has saved")
    cost: OrderCost | None = Field(description="null until the server has priced it")
    reason: str | None = Field(description="of a refusal or failure")
    sweep: str | None = Field(description="that it became")
    counts: dict[str, int] = Field(description="of its trials by status, since it runs")


class ServerItem(BaseModel):
    """The server of the store's orders, `python -m sweep.serve`."""

    live: bool
    host: str | None
    pid: int | None


class OrderList(BaseModel):
    """Orders, the newest first."""

    server: ServerItem
    items: list[OrderItem]


def listed(request: Request, store: Store, snapshot: Snapshot) -> OrderList:
    """All orders as the store has them now. Raises StoreError."""
    cache: dict[StoredFile, Item] = request.app.state.order_files
    entries = orders.read_orders(store, cache).entries
    return OrderList(
        server=server_of(store),
        items=[order_item(entry, snapshot) for entry in reversed(entries)],
    )


def digest(listed: OrderList) -> str:
    """Tells whether two lists differ."""
    return hashlib.sha256(listed.model_dump_json().encode()).hexdigest()[:16]


def server_of(store: Store) -> ServerItem:
    owner = read_owner(store, orders.SERVER)
    try:
        live = owner is not None and is_live(owner)
    except (KeyError, TypeError, ValueError):
        owner, live = None, False  # no record of an owner
    return ServerItem(live=live, host=_text(owner, "host"), pid=_number(owner, "pid"))


def _text(owner: Mapping[str, object] | None, name: str) -> str | None:
    value = None if owner is None else owner.get(name)
    return value if isinstance(value, str) else None


def _number(owner: Mapping[str, object] | None, name: str) -> int | None:
    value = None if owner is None else owner.get(name)
    return value if isinstance(value, int) else None


def order_item(entry: Entry, snapshot: Snapshot) -> OrderItem:
    order, answer = entry.order, entry.answer
    plan = snapshot.plans.get(order.sweep)
    statuses = [snapshot.records[row["trial_id"]]["status"] for row in plan or ()]
    cost = None if answer is None or answer.cost is None else answer.cost
    return OrderItem(
        id=order.id,
        state=entry.state,
        author=order.author,
        at=order.at,
        priority=order.priority,
        values=dict(order.values),
        cancelled=order.cancelled,
        cost=cost and OrderCost.model_validate(cost, from_attributes=True),
        reason=None if answer is None else answer.reason,
        sweep=None if plan is None else order.sweep,
        counts=status_counts(statuses),
    )
