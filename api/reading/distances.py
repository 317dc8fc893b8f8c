"""Distances of trials over iterations, for questions about thousands of trials, kept compactly."""

from __future__ import annotations

import functools
import sys
from array import array
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from api.reading.memo import memoise_by_weight
from api.reading.on_demand import OTHER_TRIAL, explained_failure, table_path
from api.reading.snapshot import log
from sweep.paper.scores import SCORE_TITLES
from sweep.store.read_files import side_by_side
from sweep.store.retry import trouble
from sweep.store.store import Store, StoreError
from sweep.store.tables import parse
from sweep.store.vocabulary import Row

# Iterations, ascending, and distances there, by score: 16 B an evaluation.
Curve = Mapping[str, tuple["array[int]", "array[float]"]]

# Curves in memory: those of 20,000 trials with 50 evaluations each.
CURVE_BYTES = 32 * 2**20
# What a curve takes beside its numbers: its own objects, and its place among the others.
OWN_BYTES = 600


def curves(store: Store, versions: Mapping[str, str]) -> dict[str, Curve]:
    """The curve of each trial, of whose evaluations the version is given, empty without a file.

    A file that is damaged is logged and has no distances. Raises StoreError while the store cannot
    be reached: nothing may be made of what was not read for that reason.
    """
    read = functools.partial(_curve_or_none, store)
    return dict(zip(versions, side_by_side(store, read, list(versions.items())), strict=True))


def rows_of_curve(curve: Curve) -> list[Row]:
    """Rows as of `evaluations`, oldest first, with the iteration and the distances alone."""
    rows: dict[int, dict[str, Any]] = {}
    for score, (iterations, distances) in curve.items():
        for iteration, distance in zip(iterations, distances, strict=True):
            row = rows.setdefault(iteration, {"iteration": iteration, **_NO_DISTANCE})
            row[score] = distance
    return [rows[iteration] for iteration in sorted(rows)]


_NO_DISTANCE: Mapping[str, float | None] = dict.fromkeys(SCORE_TITLES)


def _curve_or_none(store: Store, trial: tuple[str, str]) -> Curve:
    trial_id, version = trial
    try:
        return _curve(store, trial_id, version) if version else {}
    except StoreError as error:
        if trouble(error) is not None:
            raise
        log.warning("%s", error)
        return {}


def _weight(curve: Curve) -> int:
    return OWN_BYTES + sum(sys.getsizeof(numbers) for pair in curve.values() for numbers in pair)


@memoise_by_weight(CURVE_BYTES, _weight)
def _curve(store: Store, trial_id: str, version: str) -> Curve:
    path = table_path("evaluations", trial_id)
    with explained_failure(path):
        raw = store.read(path)
        if raw is None:
            return {}
        table = parse(raw, "evaluations", ["trial_id", "iteration", *SCORE_TITLES])
        # As lists: `to_numpy` would import pandas, which takes 40 MiB.
        columns = {name: table[name].to_pylist() for name in table.column_names}
        if any(name != trial_id for name in columns["trial_id"]):
            raise ValueError(OTHER_TRIAL)
        if None in columns["iteration"]:
            raise ValueError("a row has no iteration")
        return {
            score: pair
            for score in SCORE_TITLES
            if (pair := _pair(columns["iteration"], columns[score]))[0]
        }


def _pair(
    iterations: Sequence[int], distances: Sequence[float | None]
) -> tuple[array[int], array[float]]:
    """Iterations with a distance, NaN among them, and the distances."""
    measured = [
        (iteration, distance)
        for iteration, distance in zip(iterations, distances, strict=True)
        if distance is not None
    ]
    measured.sort(key=itemgetter(0))
    return array("q", map(itemgetter(0), measured)), array("d", map(itemgetter(1), measured))
