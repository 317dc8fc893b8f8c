"""Serves orders: prices each by the command's dry run, and runs one after the other.

An order is run as `python -m sweep.table1` in a process of its own, so that it is validated,
recorded, resumed and stopped exactly as if it had been typed, and so that nothing that kills a
sweep kills its server. One runs at a time, as a sweep takes as much of the cluster as there is.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from sweep.run.interruption import EXIT_CODE as INTERRUPTED
from sweep.store import orders, requests
from sweep.store.orders import Answer, Cost, Entry, Item
from sweep.store.ownership import Ownership
from sweep.store.store import Store, StoredFile

LOOK_SECONDS, LOOK_SECONDS_IN_A_BUCKET = 1.0, 2.0
# For a dry run: it may have to find out what nodes a cluster has.
PRICING_SECONDS = 120.0
# A command that is told to end does so within 23 s (sweep/run/interruption.py).
END_SECONDS = 30.0
MOST_REASON = 500
PR_SET_PDEATHSIG = 1
# Loaded before any fork, after which little is safe.
_C = ctypes.CDLL(None)

Say = Callable[..., None]


@dataclass(slots=True)
class Running:
    """A process that works on an order, and where it writes what it says."""

    entry: Entry
    process: subprocess.Popen[bytes]
    out: IO[bytes] | None = None
    error: IO[bytes] | None = None


@dataclass(slots=True)
class OrderServer:
    """Serves the orders of a store until `stop` is set; for the owner of `orders.SERVER`.

    `arguments` are those of every command: where the data are, how many trials at once. `say`
    takes a text and what a program is told beside it.
    """

    store: Store
    ownership: Ownership
    arguments: Sequence[str]
    say: Say
    stop: threading.Event = field(default_factory=threading.Event)
    pricing: Running | None = None
    running: Running | None = None
    reported: set[str] = field(default_factory=set)
    cache: dict[StoredFile, Item] = field(default_factory=dict)

    def serve(self) -> None:
        """Looks at the orders every second, until it is to stop; then what runs saves and ends,
        and its order stays one that runs. May raise Superseded."""
        pause = LOOK_SECONDS if self.store.is_local else LOOK_SECONDS_IN_A_BUCKET
        try:
            while not self.stop.is_set():
                self.ownership.check()
                self.look()
                self.stop.wait(pause)
        finally:
            self._end()

    def look(self) -> None:
        """Hears of what has ended, obeys cancellations, prices and starts what is next."""
        stored = orders.read_orders(self.store, self.cache)
        for path in stored.skipped.keys() - self.reported:
            self.reported.add(path)
            self.say(f"{path} is left out: {stored.skipped[path]}", event="skipped", path=path)
        entries = {entry.order.id: entry for entry in stored.entries}
        if self.pricing is not None and self.pricing.process.poll() is not None:
            self._take_price(self.pricing)
            self.pricing = None
        elif self.running is not None and self.running.process.poll() is not None:
            self._take_end(self.running, entries)
            self.running = None
        else:
            self._cancel(entries)
            if self.pricing is None:
                self._price_next(stored.entries)
            if self.running is None:
                self._start_next(stored.entries)

    def _price_next(self, entries: Sequence[Entry]) -> None:
        new = next((entry for entry in entries if entry.state == orders.NEW), None)
        if new is not None:
            out, error = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
            process = self._process([*self._command(new), "--dry-run", "--json"], out, error)
            self.pricing = Running(new, process, out, error)
            timer = threading.Timer(PRICING_SECONDS, process.kill)
            timer.daemon = True
            timer.start()

    def _take_price(self, pricing: Running) -> None:
        assert pricing.out is not None
        assert pricing.error is not None
        with pricing.out as out, pricing.error as error:
            out.seek(0)
            error.seek(0)
            code = pricing.process.returncode
            if code == 0:
                rows = [json.loads(line) for line in out.read().splitlines()]
                self._answer(pricing.entry, orders.PRICED, cost=cost_of(rows))
                return
            lines = error.read().decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"its dry run ended with exit code {code}"
        self._answer(pricing.entry, orders.REFUSED, reason=reason[:MOST_REASON])

    def _start_next(self, entries: Sequence[Entry]) -> None:
        entry = orders.next_order([*entries])
        if entry is None:
            return
        if entry.order.cancelled:  # by its last server's end it has saved
            self._answer(entry, orders.STOPPED)
            return
        self._answer(entry, orders.RUNNING)
        self.running = Running(entry, self._process(self._command(entry)))

    def _take_end(self, job: Running, entries: dict[str, Entry]) -> None:
        code = job.process.returncode
        now = entries.get(job.entry.order.id, job.entry)
        if code == 0:
            self._answer(job.entry, orders.FINISHED)
        elif code == INTERRUPTED or now.order.cancelled:
            self._answer(job.entry, orders.STOPPED)
        else:
            self._answer(job.entry, orders.FAILED, reason=f"exit code {code}")

    def _cancel(self, entries: dict[str, Entry]) -> None:
        """Asks the sweep of a cancelled order to stop. Each time, as a start of it clears what
        was asked of the run before."""
        if self.running is None:
            return
        order = self.running.entry.order
        now = entries.get(order.id)
        if now is not None and now.order.cancelled:
            requests.ask(self.store, order.sweep, requests.STOP_SWEEP, id=order.id)

    def _command(self, entry: Entry) -> list[str]:
        order = entry.order
        module = [sys.executable, "-m", "sweep.table1", *self.arguments]
        own = [f"--name={order.sweep}", f"--results={self.store.root}"]
        return [*module, *order.arguments(), *own]

    def _process(
        self,
        command: Sequence[str],
        out: IO[bytes] | None = None,
        error: IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        # A group of its own: Ctrl-C is for the server, which tells it to save.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=error,
            start_new_session=True,
            preexec_fn=functools.partial(_die_with_parent, os.getpid()),
        )

    def _answer(
        self, entry: Entry, state: str, *, reason: str | None = None, cost: Cost | None = None
    ) -> None:
        price = entry.answer.cost if cost is None and entry.answer is not None else cost
        reply = Answer(state=state, at=datetime.now(UTC), reason=reason, cost=price)
        self.ownership.check()
        orders.answer(self.store, entry.order.id, reply)
        text = f"{entry.order.id} {' '.join(entry.order.arguments())}: {state}"
        self.say(text + (f": {reason}" if reason else ""), event=state, order=entry.order.id)

    def _end(self) -> None:
        """Lets what runs save, and waits for that."""
        if self.pricing is not None:
            self.pricing.process.kill()
            self.pricing.process.wait()
            for file in filter(None, (self.pricing.out, self.pricing.error)):
                file.close()
        if self.running is None:
            return
        process = self.running.process
        if process.poll() is None:
            self.say("asked to end: what runs saves, and goes on at the next start", event="end")
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cost_of(rows: Sequence[dict[str, Any]]) -> Cost:
    """Sums up the lines of a dry run, one for each trial of the plan."""
    left = [row for row in rows if row["state"] != "done"]
    return Cost(
        trials=len(left),
        done=len(rows) - len(left),
        seconds=math.fsum(row["seconds"] for row in left),
        gpu_hours=math.fsum(row["gpu_hours"] for row in left),
        cpu_hours=math.fsum(
            row["cpus"] * row["seconds"] / 3600 for row in left if not row["gpus"]
        ),
    )


def _die_with_parent(parent: int) -> None:
    """Has the kernel tell this process to save and end when its server is gone, on Linux."""
    with contextlib.suppress(AttributeError):
        _C.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(INTERRUPTED)
