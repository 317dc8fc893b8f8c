"""Trials of the store as runs of a tracker: parameters, tags, and points of each evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sweep.report.progress import method_in_words
from sweep.store.judgement import reasons_not_judged
from sweep.store.schemas import SCORE_NAMES
from sweep.store.store import Store
from sweep.store.vocabulary import FINISHED, SIGNALS, Row
from trainer.verdict import in_words

Scalars = dict[str, float]
# Columns of `evaluations` that say which point a row is.
POINT_COLUMNS = ("trial_id", "iteration")
# Scores at the end, over all samples: no evaluation has them.
END_SCORES = tuple(f"final_{name}" for name in SCORE_NAMES)
TAG_COLUMNS = ("stop_reason", "host")
# Columns of `trials` that a run is made of.
COLUMNS = (
    "trial_id", "setting", "method", "i_ratio", "seed", "data_share", "status", *TAG_COLUMNS,
    *SIGNALS, "not_judged", "healthy", "iteration", "config", "traceback", "failures",
    "started_at", "seconds", *END_SCORES,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Measurements at one iteration; NaN and infinity are values.

    `time` is s of Unix time: the first start and the seconds trained since, the same whoever
    mirrors. `spectra` has by layer the singular values; `sample` is a PNG of images, or None.
    """

    iteration: int
    time: float
    scalars: Scalars
    spectra: Mapping[int, list[float]] = field(default_factory=dict)
    sample: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A trial as a tracker shows it: one run for a trial id, whatever starts it had.

    `started_at` and `measured_at`, of its latest row, are s of Unix time as those of points;
    `iteration` is the last one whose rows are all in the store, `end_scores` are of a trial that
    has ended, `labels` its status and the signals seen.
    """

    store: Store
    trial_id: str
    name: str
    status: str
    iteration: int
    started_at: float
    measured_at: float
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    labels: tuple[str, ...]
    end_scores: Scalars

    def points(self, after: int) -> list[Point]:
        """Points after an iteration, in order, up to `iteration`. Raises StoreError."""
        scalars = _scalars(self.store, self.trial_id, after, self.iteration)
        if not scalars:
            return []
        spectra = _spectra(self.store, self.trial_id, after)
        pictures = {int(f.key) for f in self.store.list(f"samples/{self.trial_id}")}
        return [
            Point(
                iteration=iteration,
                time=self.started_at + values.get("seconds", 0.0),
                scalars=values,
                spectra=spectra.get(iteration, {}),
                sample=self._sample(iteration) if iteration in pictures else None,
            )
            for iteration, values in scalars.items()
        ]

    def _sample(self, iteration: int) -> bytes | None:
        return self.store.read(f"samples/{self.trial_id}/{iteration}.png")


def run_of(store: Store, sweep: str, row: Row, service: str | None) -> Run:
    """The run of a stored trial (COLUMNS of it); `service` is the address for links, if any."""
    trial_id = row["trial_id"]
    started_at = row["started_at"].timestamp() if row["started_at"] else 0.0
    config = json.loads(row["config"] or "{}")
    return Run(
        store=store,
        trial_id=trial_id,
        name=f"{row['setting']} {_method(row)} seed {row['seed']}",
        status=row["status"],
        iteration=row["iteration"] or 0,
        started_at=started_at,
        measured_at=started_at + (row["seconds"] or 0.0),
        parameters={name: value for name, value in config.items() if value is not None},
        tags=dict(_tags(sweep, row, service)),
        labels=(row["status"], *(signal.removesuffix("_at") for signal in _signals(row))),
        end_scores=_end_scores(row) if row["status"] in FINISHED else {},
    )


def _method(row: Row) -> str:
    return method_in_words(row["method"], row["i_ratio"], row.get("data_share"))


def _signals(row: Row) -> list[str]:
    return [signal for signal in SIGNALS if row[signal] is not None]


def _tags(sweep: str, row: Row, service: str | None) -> Iterator[tuple[str, str]]:
    """Names and texts; none of them passes with time alone, so that equal ones are sent once."""
    yield "sweep", sweep
    yield "trial_id", row["trial_id"]
    yield "status", row["status"]
    yield "verdict", in_words(row, reasons_not_judged(row))
    yield "healthy", {True: "true", False: "false", None: "not judged"}[row["healthy"]]
    yield from ((signal, str(row[signal])) for signal in _signals(row))
    yield from ((name, str(row[name])) for name in TAG_COLUMNS if row[name] is not None)
    if row["failures"]:
        yield "failures", str(row["failures"])
        yield "error", (row["traceback"] or "").strip().rpartition("\n")[2]
    if service:
        yield "link", f"{service.rstrip('/')}/view/trials/{quote(row['trial_id'])}"


def _end_scores(row: Row) -> Scalars:
    values = {name: row[name] for name in END_SCORES if row[name] is not None}
    return {name.replace("_", "/", 1): float(value) for name, value in values.items()}


def _scalars(store: Store, trial_id: str, after: int, last: int) -> dict[int, Scalars]:
    """By iteration the numbers of its evaluation: those of a list as `name/place`, and those that
    a loop of its own has named as `own_values/name`."""
    table = store.read_table("evaluations", trial_id)
    if table is None:
        return {}
    iterations = table["iteration"].to_pylist()
    by_iteration: dict[int, Scalars] = {
        iteration: {} for iteration in sorted(iterations) if after < iteration <= last
    }
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in POINT_COLUMNS or column.null_count == len(column):
            continue
        for iteration, value in zip(iterations, column.to_pylist(), strict=True):
            if value is not None and iteration in by_iteration:
                by_iteration[iteration].update(_flattened(name, value))
    return by_iteration


def _flattened(
    name: str, value: float | Sequence[float | None] | Sequence[tuple[str, float | None]]
) -> Scalars:
    if not isinstance(value, Sequence):
        return {name: float(value)}
    # A map of Arrow is a list of pairs.
    pairs = [each if isinstance(each, tuple) else (k, each) for k, each in enumerate(value)]
    return {f"{name}/{key}": float(each) for key, each in pairs if each is not None}


def _spectra(store: Store, trial_id: str, after: int) -> dict[int, dict[int, list[float]]]:
    """By iteration and layer the singular values."""
    table = store.read_table("spectra", trial_id)
    spectra: dict[int, dict[int, list[float]]] = {}
    if table is None:
        return spectra
    columns = (table[name].to_pylist() for name in ("iteration", "layer", "singular_values"))
    for iteration, layer, values in zip(*columns, strict=True):
        if iteration > after:
            spectra.setdefault(iteration, {})[layer] = values
    return spectra
