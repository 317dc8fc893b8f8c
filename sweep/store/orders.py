"""Orders of trials, in the store: what somebody asks a running `python -m sweep.serve` to train.

`orders/<id>.json` is the order, which its writer may confirm or cancel; `orders/<id>.state.json`
is what the server has made of it, and the server's alone. An order names rows of Table I, methods
and seeds, and no path, address or command: those are the server's own. It is checked here for
being text of that kind, and by the command's own code for making sense.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sweep.store.read_files import READ_ERRORS, side_by_side
from sweep.store.store import Store, StoredFile
from sweep.store.tables import first_line

FOLDER = "orders"
STATE = ".state"
# The record of the server: one owner at a time (sweep/store/ownership.py).
SERVER = "orders.server/owner.json"
MOST_BYTES = 65_536
MOST_AUTHOR = 80
PRIORITIES = range(-9, 10)
# Flags that an order may set, by field: what is trained, and nothing of where and how.
FLAGS = {
    "profile": "--profile",
    "settings": "--settings",
    "methods": "--methods",
    "seeds": "--seeds",
    "i_ratios": "--i-ratios",
    "data_shares": "--data-shares",
    "dataset": "--dataset",
    "iterations": "--iterations",
    "precision": "--precision",
}
_VALUE = re.compile(r"[\w*?.,+-]{1,500}", re.ASCII)
_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}")

NEW, REFUSED, PRICED, QUEUED, RUNNING, CANCELLED, FINISHED, FAILED, STOPPED = STATES = (
    "new", "refused", "priced", "queued", "running", "cancelled", "finished", "failed",
    "stopped",
)  # fmt: skip
ENDED_STATES = (REFUSED, CANCELLED, FINISHED, FAILED, STOPPED)


class OrderError(ValueError):
    """An order that cannot be one; says what is wrong and what would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order: `values` by name of FLAGS. It runs once it is confirmed, the highest priority
    first and of one priority the oldest; it is only priced until then."""

    id: str
    author: str
    at: datetime
    priority: int
    values: Mapping[str, str]
    confirmed: bool = False
    cancelled: bool = False

    @property
    def sweep(self) -> str:
        """The name of the sweep that the order becomes."""
        return f"order-{self.id}"

    def arguments(self) -> list[str]:
        """The arguments of `python -m sweep.table1` that say what is trained."""
        return [f"{FLAGS[name]}={value}" for name, value in self.values.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the command's dry run says of an order: trials by what is left to do, seconds of
    training in all, hours of GPUs and of threads of CPUs."""

    trials: int
    done: int
    seconds: float
    gpu_hours: float
    cpu_hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server has made of an order: of STATES `refused`, `priced`, `running`, `finished`,
    `failed` or `stopped`; the reason of a refusal, the price."""

    state: str
    at: datetime
    reason: str | None = None
    cost: Cost | None = None


Item = Order | Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An order and its answer, None while there is none."""

    order: Order
    answer: Answer | None = None

    @property
    def state(self) -> str:
        """One of STATES."""
        reply = None if self.answer is None else self.answer.state
        if reply is not None and reply not in (PRICED, RUNNING):
            return reply
        if reply == RUNNING:
            return RUNNING
        if self.order.cancelled:
            return CANCELLED
        if reply is None:
            return NEW
        return QUEUED if self.order.confirmed else PRICED


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """All orders, oldest first; `skipped` says by path why a file is left out."""

    entries: list[Entry]
    skipped: dict[str, str] = field(default_factory=dict)


def new_order(
    values: Mapping[str, str], *, author: str, priority: int = 0, confirmed: bool = False
) -> Order:
    """Makes an order of now. Raises OrderError for what cannot be one."""
    now = datetime.now(UTC)
    order_id = f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"
    return _checked(
        Order(
            id=order_id,
            author=author.strip(),
            at=now,
            priority=priority,
            values={name: str(values[name]) for name in FLAGS if values.get(name) is not None},
            confirmed=confirmed,
        )
    )


def path(order_id: str) -> str:
    return f"{FOLDER}/{order_id}.json"


def place(store: Store, order: Order) -> None:
    """Writes a new order. Raises StoreError."""
    store.write(path(order.id), _encoded(order))


def change(store: Store, order_id: str, **changes: bool) -> Order | None:
    """Confirms or cancels an order: returns it as it is then, None if there is none.

    Raises StoreError, and OrderError if the file is no order.
    """
    changed: Order | None = None

    def replaced(content: bytes | None) -> bytes | None:
        nonlocal changed
        if content is None:
            changed = None
            return None
        changed = dataclasses.replace(_order(order_id, content), **changes)
        return _encoded(changed)

    if not _ID.fullmatch(order_id):
        return None
    store.update(path(order_id), replaced)
    return changed


def answer(store: Store, order_id: str, reply: Answer) -> None:
    """Writes what the server has made of an order: for its owner. Raises StoreError."""
    store.write(f"{FOLDER}/{order_id}{STATE}.json", _encoded(reply))


def read_orders(store: Store, cache: dict[StoredFile, Item] | None = None) -> Orders:
    """Reads all orders with their answers, of the files in `cache` none again, and caches what
    is read. Raises StoreError."""
    skipped: dict[str, str] = {}
    cache = {} if cache is None else cache

    def read(file: StoredFile) -> tuple[str, Item] | None:
        if (cached_item := cache.get(file)) is not None:
            return file.key.removesuffix(STATE), cached_item
        try:
            if file.size > MOST_BYTES:
                raise OrderError(f"is longer than an order can be, {MOST_BYTES} bytes")
            content = store.read(file.path)
            if content is None:
                return None
            key = file.key.removesuffix(STATE)
            item = _answer(content) if file.key.endswith(STATE) else _order(key, content)
            if file.is_settled():
                cache[file] = item
            return key, item
        except READ_ERRORS as error:
            skipped[file.path] = first_line(error)
            return None

    files = [file for file in store.list(FOLDER) if file.path.endswith(".json")]
    for file in cache.keys() - set(files):
        cache.pop(file, None)
    read_files = [each for each in side_by_side(store, read, files) if each is not None]
    answers = {key: item for key, item in read_files if isinstance(item, Answer)}
    return Orders(
        entries=[
            Entry(order=item, answer=answers.get(key))
            for key, item in sorted(read_files, key=lambda each: each[0])
            if isinstance(item, Order)
        ],
        skipped=skipped,
    )


def next_order(entries: list[Entry]) -> Entry | None:
    """What to run next: what was running, then the highest priority, then the oldest."""
    ready = [entry for entry in entries if entry.state in (RUNNING, QUEUED)]
    return min(
        ready,
        key=lambda entry: (entry.state != RUNNING, -entry.order.priority, entry.order.id),
        default=None,
    )


def _encoded(item: Order | Answer) -> bytes:
    fields = dataclasses.asdict(item)
    fields.pop("id", None)
    return json.dumps(fields | {"at": item.at.isoformat()}).encode()


def _order(order_id: str, content: bytes) -> Order:
    fields = json.loads(content)
    return _checked(Order(id=order_id, **fields | {"at": _time(fields["at"])}))


def _answer(content: bytes) -> Answer:
    fields = json.loads(content)
    cost = fields.get("cost")
    reply = Answer(**fields | {"at": _time(fields["at"]), "cost": cost and Cost(**cost)})
    if reply.state not in STATES or not isinstance(reply.reason, str | None):
        raise OrderError(f"has state {str(reply.state)[:40]!r}, which is none of an order's")
    numbers = [] if reply.cost is None else dataclasses.astuple(reply.cost)
    if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
        raise OrderError("has a cost that is no number")
    return reply


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise OrderError("has a time without a time zone")
    return moment.astimezone(UTC)


def _checked(order: Order) -> Order:
    if not _ID.fullmatch(order.id):
        raise OrderError(f"{order.id[:60]!r} is no id of an order")
    author = order.author
    if not isinstance(author, str) or not isinstance(order.values, dict):
        raise OrderError("has something else where its author or its values belong")
    if not author or len(author) > MOST_AUTHOR or not author.isprintable():
        raise OrderError(f"author {author[:80]!r}: give a name of 1 to {MOST_AUTHOR} characters")
    if isinstance(order.priority, bool) or order.priority not in PRIORITIES:
        raise OrderError(f"priority {str(order.priority)[:20]}: give a whole number from -9 to 9")
    for name, value in order.values.items():
        if name not in FLAGS:
            raise OrderError(f"{name[:40]!r} is nothing to order; there are: {', '.join(FLAGS)}")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise OrderError(
                f"{name} {str(value)[:80]!r}: letters, digits and '*?.,+-_' alone, no spaces"
            )
    if missing := [name for name in ("profile", "settings", "seeds") if name not in order.values]:
        raise OrderError(f"an order needs {', '.join(missing)}")
    if not isinstance(order.confirmed, bool) or not isinstance(order.cancelled, bool):
        raise OrderError("confirmed and cancelled are true or false")
    return order
