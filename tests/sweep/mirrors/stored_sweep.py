"""A sweep as a store has it, that grows by one evaluation at a time, for tests of its mirrors."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from sweep.mirrors.follower import Follower
from sweep.mirrors.marks import Marks
from sweep.mirrors.tracker import Tracker
from sweep.store.processes import own_record
from sweep.store.store import Store

STARTED_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVERY = 50
NAMES = ("seconds", "d_loss", "fd_digits", "reverse_kl")
LAYERS = 2


def measured(k: int, iteration: int) -> dict[str, Any]:
    """What was measured of trial `k`: d_loss is infinite at 100, reverse_kl is NaN at 50."""
    return {
        "seconds": float(iteration),
        "d_loss": -math.inf if iteration == 100 else 0.5 * iteration + k,
        "fd_digits": 1000.0 - iteration - k,
        "reverse_kl": math.nan if iteration == 50 else 0.25,
        "sigma2_ratio": [0.5, 0.25],
    }


def picture(iteration: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (16, 16), (iteration % 256, 0, 0)).save(content, "PNG")
    return content.getvalue()


class StoredSweep:
    """A sweep of `trials` trials, none of which has begun."""

    def __init__(self, root: Path, trials: int = 2) -> None:
        self.store = Store(root)
        self.iterations = dict.fromkeys(range(trials), -EVERY)
        rows = [{"sweep": "demo", "position": k, "trial_id": f"t{k}"} for k in range(trials)]
        self.store.write_rows("sweeps", "demo", [row | IDENTITY for row in rows])

    def evaluate(self, k: int, times: int = 1, **values: Any) -> None:
        """Writes the next evaluations of a trial, and then its row."""
        self.iterations[k] += times * EVERY
        steps = range(0, self.iterations[k] + 1, EVERY)
        for table, rows in (
            ("spectra", [row for step in steps for row in spectrum(k, step)]),
            ("evaluations", [point(k, step) for step in steps]),
        ):
            self.store.write_rows(table, f"t{k}", rows)
        for step in steps[-times:]:
            self.store.write(f"samples/t{k}/{step}.png", picture(step))
        self.write(k, **values)

    def write(self, k: int, **values: Any) -> None:
        iteration = self.iterations[k]
        row = {"trial_id": f"t{k}", **IDENTITY, "seed": k, "status": "running", "healthy": True}
        row |= {"iteration": iteration, "not_judged": "{}", "seconds": max(0.0, iteration)}
        row |= {"started_at": STARTED_AT, "updated_at": STARTED_AT, "config": CONFIG}
        self.store.write_rows("trials", f"t{k}", [row | values])

    def driver(self, state: str) -> None:
        record = {"sweep": "demo", "state": state, "attempt": "a1", **own_record()}
        record["heartbeat"] = datetime.now(UTC).isoformat()
        self.store.write("sweeps/demo.json", json.dumps(record).encode())

    def points(self, k: int) -> dict[str, list[tuple[int, float]]]:
        """What a tracker should have: by name the steps and values, in order."""
        steps = range(0, self.iterations[k] + 1, EVERY)
        return {name: [(step, measured(k, step)[name]) for step in steps] for name in NAMES}

    def follower(self, tracker: Tracker, say: Callable[[str], None] = print) -> Follower:
        """A follower as a new process has it."""
        marks = Marks(store=self.store, sweep="demo", tracker="stub", place=tracker.place)
        marks.read()
        return Follower(
            store=self.store,
            sweep="demo",
            tracker=tracker,
            marks=marks,
            service="http://lab:8000/",
            say=say,
        )


CONFIG = json.dumps({"method": "sn", "channels": 16, "i_ratio": None, "decays": True})
IDENTITY = {
    "profile": "digits", "setting": "C_8-32", "group": "C", "setting_batch_size": 8,
    "setting_channels": 32, "batch_size": 8, "micro_batch": 8, "channels": 16,
    "dataset": "digits8", "method": "sn", "seed": 0, "iterations": 1000,
}  # fmt: skip


def point(k: int, iteration: int) -> dict[str, Any]:
    return {"trial_id": f"t{k}", "iteration": iteration, **measured(k, iteration)}


def spectrum(k: int, iteration: int) -> list[dict[str, Any]]:
    values = [1.0, 0.5, math.nan if iteration == 100 else 0.25]
    identity = {"trial_id": f"t{k}", "iteration": iteration}
    return [identity | {"layer": n, "singular_values": values} for n in range(LAYERS)]


def mirror_once(follower: Follower) -> None:
    follower.look()
    follower.send()
