"""Orders as JSON and from forms: placed, confirmed and cancelled with the control token."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.orders import queries
from api.orders.queries import OrderItem, OrderList
from api.web import formats
from api.web.addresses import public_address
from api.web.bodies import FORM, Fields, media_of
from api.web.control import CONTROL, CONTROL_RESPONSES, request_bodies, validated, writing
from api.web.etags import not_modified_or_continue
from api.web.flattening import flat_table
from api.web.parameters import TABLES, Format, Now, Serving, known_parameters
from api.web.problems import RESPONSES
from sweep.store import orders
from sweep.store.orders import FLAGS, Entry, OrderError, new_order
from trainer.config.lookup import UsageError

router = APIRouter(tags=["orders"], dependencies=[Depends(known_parameters)], responses=RESPONSES)

PAGE = "/view/orders"
MOST_AT_ONCE = 200


class NewOrder(BaseModel):
    """Trials to train: rows of Table I with methods and seeds, in the words of `sweep.table1`.

    The server of the store checks it, as the command does, and prices it by a dry run.
    """

    model_config = ConfigDict(extra="forbid")
    author: str = Field(description="who orders; nobody verifies that")
    profile: str
    settings: str = Field(description="like C_32-32,B_*")
    methods: str | None = Field(None, description="like sn,sr-* (default sn,sr)")
    seeds: str = Field(description="like 0-4 or 2,3")
    i_ratios: str | None = Field(None, description="like 0.25,0.5 (default 0.5)")
    data_shares: str | None = Field(None, description="like 0.1,1 (default 1)")
    dataset: str | None = Field(None, description="of the profile (default: the settings' own)")
    iterations: int | None = Field(None, gt=0, description="G updates (default: the profile's)")
    precision: str | None = Field(None, description="float32, tf32 or bf16")
    priority: int = Field(0, ge=-9, le=9, description="the highest runs first")
    confirmed: bool = Field(False, description="runs without being shown its price first")


class OrderAction(BaseModel):
    """Orders to confirm, so that they run, or to cancel, whatever they do."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["confirm", "cancel"]
    ids: list[str] = Field(min_length=1, max_length=MOST_AT_ONCE)

    @field_validator("ids", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return value.split() if isinstance(value, str) else value


class ActedList(BaseModel):
    """The orders that were asked for, as they stand now; `missing` are in no file."""

    items: list[OrderItem]
    missing: list[str]


@router.get("/orders", response_model=OrderList, responses=TABLES)
def all_orders(
    request: Request, snapshot: Now, service: Serving, format: Format = None
) -> Response:
    """Orders of trials, the newest first, and whether a server is there to train them."""
    media = formats.negotiate(request, format)
    order_list = queries.listed(request, service.store, snapshot)
    not_modified_or_continue(request, queries.digest(order_list), media)
    return formats.json_or_file(
        request,
        media,
        "orders",
        lambda: order_list,
        lambda: flat_table(OrderItem, order_list.items),
    )


@router.post(
    "/orders",
    status_code=201,
    response_model=OrderItem,
    responses=CONTROL_RESPONSES,
    dependencies=CONTROL,
    openapi_extra=request_bodies(NewOrder),
)
def place(request: Request, snapshot: Now, service: Serving, sent: Fields) -> Response:
    """Places an order. A running `python -m sweep.serve` prices it within a few seconds."""
    body = validated(NewOrder, {name: value for name, value in sent.items() if value != ""})
    values = {
        name: str(value) for name in FLAGS if (value := getattr(body, name, None)) is not None
    }
    try:
        order = new_order(
            values, author=body.author, priority=body.priority, confirmed=body.confirmed
        )
    except OrderError as error:
        raise UsageError(str(error)) from error
    _write(lambda: orders.place(service.store, order))
    if media_of(request) == FORM:
        return RedirectResponse(public_address(request, f"{PAGE}#{order.id}"), 303)
    item = queries.order_item(Entry(order=order), snapshot)
    headers = {"Location": public_address(request, "/orders")}
    return JSONResponse(item.model_dump(mode="json"), 201, headers=headers)


@router.post(
    "/orders/actions",
    status_code=202,
    response_model=ActedList,
    responses=CONTROL_RESPONSES,
    dependencies=CONTROL,
    openapi_extra=request_bodies(OrderAction),
)
def act(request: Request, snapshot: Now, service: Serving, sent: Fields) -> Response:
    """Confirms or cancels orders. What runs is asked to stop: each trial saves first."""
    body = validated(OrderAction, sent)
    changes = {"confirmed" if body.action == "confirm" else "cancelled": True}
    missing = [
        order_id
        for order_id in dict.fromkeys(body.ids)
        if _write(lambda i=order_id: orders.change(service.store, i, **changes)) is None
    ]
    if media_of(request) == FORM:
        return RedirectResponse(public_address(request, PAGE), 303)
    order_list = queries.listed(request, service.store, snapshot).items
    items = [item for item in order_list if item.id in body.ids]
    content = ActedList(items=items, missing=missing).model_dump(mode="json")
    return JSONResponse(content, 202)


def _write(action: Any) -> Any:
    """What `action` returns. Raises HTTPException if the store cannot be written to."""
    try:
        with writing("an order", "run the command itself where it can be written"):
            return action()
    except OrderError as error:
        raise UsageError(str(error)) from error
