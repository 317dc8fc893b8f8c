"""Curves of single runs: a score by what the training had taken until then, kept compactly."""

from __future__ import annotations

import functools
import math
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from api.reading import on_demand
from api.reading.listings import listing
from api.reading.memo import memoise_by_weight
from api.reading.snapshot import Row, Snapshot, log
from sweep.store.device_hours import device_hours
from sweep.store.read_files import side_by_side
from sweep.store.retry import trouble
from sweep.store.store import Store, StoreError

Scale = Literal["iteration", "images", "gpu_hours", "seconds"]
SCALE_TITLES: dict[Scale, str] = {
    "iteration": "iteration",
    "images": "real images through D",
    "gpu_hours": "GPU-hours of training and evaluation",
    "seconds": "seconds of training and evaluation",
}
# Curves in memory: those of 10,000 runs with 50 evaluations each.
CURVE_BYTES = 16 * 2**20
OWN_BYTES = 400
# Searched as text: parsing the configurations of ten thousand trials takes a tenth of a second.
_N_CRITIC = re.compile(r'"n_critic":\s*(\d+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCurve:
    """A run's evaluations of one score, oldest first, of those that have it; NaN is a value."""

    iterations: Sequence[int]
    seconds: Sequence[float]
    values: Sequence[float]


NOTHING = RunCurve(iterations=(), seconds=(), values=())


def run_curves(
    store: Store, snapshot: Snapshot, records: Sequence[Row], score: str
) -> list[RunCurve]:
    """The curve of each run, empty without a file or of one that is damaged, which is logged.

    Raises StoreError while the store cannot be reached.
    """
    evaluations = listing(store, snapshot, "evaluations")
    read = functools.partial(_curve_or_none, store, score)
    ids = [record["trial_id"] for record in records]
    return side_by_side(store, read, [(name, evaluations.version(name)) for name in ids])


def _curve_or_none(store: Store, score: str, version_of_trial: tuple[str, str]) -> RunCurve:
    trial_id, version = version_of_trial
    try:
        return _curve(store, trial_id, version, score) if version else NOTHING
    except StoreError as error:
        if trouble(error) is not None:
            raise
        log.warning("%s", error)
        return NOTHING


def _weight(curve: RunCurve) -> int:
    return OWN_BYTES + 24 * len(curve.values)


@memoise_by_weight(CURVE_BYTES, _weight)
def _curve(store: Store, trial_id: str, version: str, score: str) -> RunCurve:
    stored = on_demand.evaluations(store, trial_id, ("seconds", score), version)
    rows = [row for row in stored if row[score] is not None]
    seconds = [math.nan if row["seconds"] is None else row["seconds"] for row in rows]
    return RunCurve(
        iterations=array("q", (row["iteration"] for row in rows)),
        seconds=array("d", seconds),
        values=array("d", (row[score] for row in rows)),
    )


def positions(record: Row, curve: RunCurve, scale: Scale) -> list[float] | None:
    """Positions of a run's evaluations on an x axis, ascending; None where they are not stored.

    An image counts each time that D sees it: iterations times updates of D times batch size. A
    run on a CPU has no GPU-hours.
    """
    if scale in ("iteration", "images"):
        images = _images_per_iteration(record) if scale == "images" else 1
        return None if images is None else [images * iteration for iteration in curve.iterations]
    share = _gpu_hours_per_second(record) if scale == "gpu_hours" else 1.0
    if not share or any(math.isnan(second) for second in curve.seconds):
        return None
    return [share * second for second in curve.seconds]


def _images_per_iteration(record: Row) -> int | None:
    updates = _N_CRITIC.search(record["config"] or "")
    batch_size = record["batch_size"]
    return None if updates is None or batch_size is None else int(updates[1]) * batch_size


def _gpu_hours_per_second(record: Row) -> float:
    one_second = {"seconds": 1.0, "config": record["config"], "gpus": record["gpus"]}
    return device_hours([one_second]).gpu
