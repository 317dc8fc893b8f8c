"""The page of orders: what is asked for, what it would cost, what runs, and how far it is."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.orders import queries
from api.pages.rendering import page
from api.web.etags import not_modified_or_continue
from api.web.parameters import Now, Serving
from sweep.store.orders import ENDED_STATES, PRICED

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

# Of those that are over, what the page shows.
MOST_ENDED = 50


@router.get("/view/orders")
def view(request: Request, snapshot: Now, service: Serving) -> Response:
    """Orders that are not over, then the last of those that are."""
    order_list = queries.listed(request, service.store, snapshot)
    may_control = getattr(request.state, "may_control", False)
    not_modified_or_continue(
        request, f"{queries.digest(order_list)} {may_control} {snapshot.exists}", "text/html"
    )
    current = [item for item in order_list.items if item.state not in ENDED_STATES]
    ended_orders = [item for item in order_list.items if item.state in ENDED_STATES]
    return page(
        request,
        "orders.html",
        server=order_list.server,
        current=current,
        ended=ended_orders[:MOST_ENDED],
        more_ended=max(0, len(ended_orders) - MOST_ENDED),
        priced=[item.id for item in current if item.state == PRICED],
        root=service.root,
        may_control=may_control,
    )
