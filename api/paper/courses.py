"""Courses of trials, for questions about thousands of them: ends and alarms, kept compactly."""

from __future__ import annotations

import functools
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.reading import on_demand
from api.reading.listings import listing
from api.reading.memo import memoise_by_weight
from api.reading.snapshot import Row, Snapshot, log
from sweep.paper.detectors import heights, levels_of
from sweep.store.read_files import side_by_side
from sweep.store.retry import trouble
from sweep.store.store import Store, StoreError
from trainer.config.settings import DATASETS, SHORTCUTS

ENDS = ("mean_ratio", "sigma2_ratio", "d_real", "d_fake", "d_test", "d_spread")
COLUMNS = (*ENDS, "gap", "stable_rank", "d_gradient", "modes", "recall")
# Courses in memory: those of 10,000 trials with 50 evaluations each.
COURSE_BYTES = 48 * 2**20
OWN_BYTES = 2500


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCourse:
    """A trial's first and last evaluation, and by detector where and how high alarms could be."""

    first: Row | None
    last: Row | None
    alarms: Mapping[str, tuple[array[int], array[float]]]

    def alarms_of(self) -> dict[str, list[tuple[int, float]]]:
        return {
            name: list(zip(iterations, levels, strict=True))
            for name, (iterations, levels) in self.alarms.items()
        }


NOTHING = TrialCourse(first=None, last=None, alarms={})


def courses(store: Store, snapshot: Snapshot, records: Sequence[Row]) -> list[TrialCourse]:
    """The course of each trial, empty without a file or of one that is damaged, which is logged.

    Raises StoreError while the store cannot be reached.
    """
    evaluations = listing(store, snapshot, "evaluations")
    read = functools.partial(_course_or_none, store)
    wanted = [
        (
            record["trial_id"],
            evaluations.version(record["trial_id"]),
            record["iterations"],
            _modes_of(record),
        )
        for record in records
    ]
    return side_by_side(store, read, wanted)


def _modes_of(record: Row) -> int | None:
    """How many modes there are to be drawn; None where they are not counted."""
    dataset = DATASETS.get(record["dataset"])
    return None if dataset is None else dataset.modes


def _course_or_none(store: Store, wanted: tuple[str, str, int, int | None]) -> TrialCourse:
    trial_id, version, planned, modes = wanted
    try:
        return _course(store, trial_id, version, planned, modes) if version else NOTHING
    except StoreError as error:
        if trouble(error) is not None:
            raise
        log.warning("%s", error)
        return NOTHING


def _weight(course: TrialCourse) -> int:
    return OWN_BYTES + sum(
        sys.getsizeof(numbers) for pair in course.alarms.values() for numbers in pair
    )


@memoise_by_weight(COURSE_BYTES, _weight)
def _course(
    store: Store, trial_id: str, version: str, planned: int, modes: int | None
) -> TrialCourse:
    rows = on_demand.evaluations(store, trial_id, COLUMNS, version)
    if not rows:
        return NOTHING
    iterations = [row["iteration"] for row in rows]
    layers = _voting(rows)
    alarms = {
        name: heights(iterations, levels, planned)
        for name, levels in levels_of(rows, layers, modes).items()
    }
    return TrialCourse(
        first={name: rows[0][name] for name in ENDS},
        last={name: rows[-1][name] for name in ENDS},
        alarms={
            name: (
                array("q", (at for at, _ in found)),
                array("d", (height for _, height in found)),
            )
            for name, found in alarms.items()
        },
    )


def _voting(rows: Sequence[Row]) -> list[int]:
    """Layers that vote on a spectrum: all but the 1x1 shortcuts."""
    count = max((len(row["sigma2_ratio"] or ()) for row in rows), default=0)
    return [layer for layer in range(count) if layer not in SHORTCUTS.get(count, ())]
