"""Table II, published and measured, as typed rows."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field

from api.reading.distances import curves, rows_of_curve
from api.reading.listings import listing
from api.reading.memo import memoise_by_rows, memoise_by_snapshot
from api.reading.snapshot import Row, Snapshot, log
from api.web.nonfinite import Nonfinite, stored_fields, trusted
from api.web.service import Service
from sweep.paper.pairs import PairedDifference
from sweep.paper.table2 import (
    BASELINES,
    DEFAULT_I_RATIO,
    TABLE_II,
    MethodResult,
    SettingRow,
    is_paper_run,
    table2,
)
from sweep.store.nonfinite import finite
from sweep.store.store import Store, StoreError
from sweep.store.vocabulary import FINISHED

# Between two looks whether there is a first snapshot, s.
PERIOD = 0.2
# Curves that are read before the next look whether the service stops.
BATCH = 64

M = TypeVar("M", bound=BaseModel)


def table_rows(snapshot: Snapshot, store: Store) -> Sequence[SettingRow]:
    """Table II, published and measured: every row of the paper's, in its order.

    Raises StoreError while the curves behind its pairs cannot be read.
    """
    return [row for row, _ in _table(snapshot, store)]


def setting_scores(snapshot: Snapshot, store: Store) -> Sequence[SettingScores]:
    """Table II as the service promises it. Raises StoreError as `table_rows` does."""
    return [scores for _, scores in _table(snapshot, store)]


@memoise_by_snapshot()
def _table(snapshot: Snapshot, store: Store) -> Sequence[tuple[SettingRow, SettingScores]]:
    evaluations = listing(store, snapshot, "evaluations")
    return [
        _row(rows, setting, tuple(evaluations.version(row["trial_id"]) for row in rows), store)
        for setting, rows in _begun(snapshot).items()
    ]


def _begun(snapshot: Snapshot) -> Mapping[str, list[Row]]:
    """Trials that have begun, by setting of Table II."""
    begun: dict[str, list[Row]] = {setting: [] for setting in TABLE_II}
    for row in snapshot.records.values():
        if row["status"] != "planned" and row["setting"] in begun:
            begun[row["setting"]].append(row)
    return begun


# A row of the table follows from the trials of its setting, and the curves of those that pair.
@memoise_by_rows(size=len(TABLE_II) + 4)
def _row(
    rows: Sequence[Row], setting: str, versions: tuple[str, ...], store: Store
) -> tuple[SettingRow, SettingScores]:
    version = {row["trial_id"]: key for row, key in zip(rows, versions, strict=True)}
    read = curves(store, {trial_id: version[trial_id] for trial_id in _in_pairs(rows)})
    (row,) = (
        row
        for row in table2(rows, lambda trial_id: rows_of_curve(read[trial_id]))
        if row.setting == setting
    )
    return row, SettingScores(
        setting=row.setting,
        published=PublishedRow.model_validate(dataclasses.asdict(row.published)),
        measured=_nested(row.measured, method_score),
        pairs=_nested(row.pairs, paired),
    )


def _in_pairs(rows: Sequence[Row]) -> list[str]:
    """Trials of which the table may ask for the curve: finished, as a baseline with that seed."""
    finished = [
        row
        for row in rows
        if row["status"] in FINISHED
        and row["i_ratio"] in (None, DEFAULT_I_RATIO)
        and is_paper_run(row)
    ]
    seeds = {(row["profile"], row["seed"]) for row in finished if row["method"] in BASELINES}
    return [row["trial_id"] for row in finished if (row["profile"], row["seed"]) in seeds]


def _nested(
    by_profile: Mapping[str, Mapping[str, Any]], convert: Callable[[Any], M]
) -> dict[str, dict[str, M]]:
    return {
        profile: {method: convert(value) for method, value in methods.items()}
        for profile, methods in by_profile.items()
    }


def method_score(result: MethodResult) -> MethodScore:
    fields = dataclasses.asdict(result)
    seeds = [_seed_score(seed) for seed in fields.pop("seeds")]
    return MethodScore.model_validate(finite(fields) | {"seeds": seeds})


def _seed_score(seed: Mapping[str, Any]) -> SeedScore:
    reasons = seed["not_judged"]
    return trusted(
        SeedScore, finite({**seed, "not_judged": None if reasons is None else list(reasons)})
    )


def paired(result: PairedDifference) -> Pair:
    fields = dataclasses.asdict(result)
    seeds = [
        trusted(PairedSeed, finite({"sn": seed.pop("baseline"), **seed}))
        for seed in fields.pop("seeds")
    ]
    return Pair.model_validate(finite(fields) | {"seeds": seeds})


METHOD_COLUMNS = (
    "profile", "method", "i_ratio", "n", "score", "mean", "sd", "comparable", "not_comparable",
    "seeds", "best", "mode_collapse_at", "spectral_collapse_at",
)  # fmt: skip


def method_rows(row: SettingScores) -> list[dict[str, Any]]:
    """Rows of a table, one per profile and method of a row of Table II, at least one."""
    published = {f"published_{k}": v for k, v in row.published.model_dump().items()}
    lines = [
        {
            "profile": profile,
            **stored_fields(score, {"seeds", "reasons"}),
            "not_comparable": "; ".join(score.reasons),
            "seeds": [seed.seed for seed in score.seeds],
            "best": [stored_fields(seed)["best"] for seed in score.seeds],
            "mode_collapse_at": [seed.mode_collapse_at for seed in score.seeds],
            "spectral_collapse_at": [seed.spectral_collapse_at for seed in score.seeds],
        }
        for profile, methods in row.measured.items()
        for score in methods.values()
    ]
    empty = dict.fromkeys(METHOD_COLUMNS)
    return [{"setting": row.setting, **published, **empty, **line} for line in lines or [{}]]


class PublishedRow(BaseModel):
    """A row of Table II as printed; `sd` is the paper's +-, which is not over seeds."""

    sn_is: float
    sn_is_sd: float
    sr_is: float
    sr_is_sd: float
    sn_fid: float
    sn_fid_sd: float
    sr_fid: float
    sr_fid_sd: float
    mode_collapse: bool = Field(description="of SN")
    spectral_collapse: bool = Field(description="of SN")


class SeedScore(BaseModel):
    seed: int
    trial_id: str
    status: str
    best: float | None
    best_iteration: int | None
    final: float | None
    modes: int | None
    spectrum_left: float | None
    mode_collapse_at: int | None
    spectral_collapse_at: int | None
    dead_at: int | None
    diverged_at: int | None
    not_judged: list[str] | None = Field(
        description="signals that were not judged; null if that is not recorded"
    )
    nonfinite: Nonfinite = {}


class MethodScore(BaseModel):
    """A method on a setting: every seed, and mean and sd of the best scores."""

    method: str
    i_ratio: float | None
    n: int
    seeds: list[SeedScore]
    score: Literal["fd_digits", "fid", "fd_pictures"]
    mean: float | None
    sd: float | None = Field(description="over seeds; null for n < 2")
    comparable: bool = Field(description="with the published row")
    reasons: list[str] = Field(description="why it is not")
    nonfinite: Nonfinite = {}


class PairedSeed(BaseModel):
    seed: int
    iteration: int | None
    sn: float | None
    other: float | None
    difference: float | None
    best_difference: float | None = Field(description="of the best scores")
    nonfinite: Nonfinite = {}


class Pair(BaseModel):
    """A method minus SN on the seeds that have both, at matched iterations."""

    n: int
    seeds: list[PairedSeed]
    mean: float | None
    interval: tuple[float | None, float | None] | None = Field(
        description="95 % paired t; null for n < 3"
    )
    best_mean: float | None = Field(description="the same of the best scores before collapse")
    best_interval: tuple[float | None, float | None] | None
    nonfinite: Nonfinite = {}


class SettingScores(BaseModel):
    setting: str
    published: PublishedRow
    measured: dict[str, dict[str, MethodScore]] = Field(description="by profile, then method")
    pairs: dict[str, dict[str, Pair]] = Field(description="by profile, then method")


class Table2(BaseModel):
    items: list[SettingScores]
    snapshot: str


def warm(service: Service, stop: threading.Event) -> None:
    """Reads the curves that Table II's pairs rest on, as soon as there is a snapshot."""
    while service.watcher.current is None:
        if stop.wait(PERIOD):
            return
    snapshot, store = service.watcher.current, service.store
    try:
        evaluations = listing(store, snapshot, "evaluations")
        for rows in _begun(snapshot).values():
            trial_ids = _in_pairs(rows)
            for start in range(0, len(trial_ids), BATCH):
                if stop.is_set():
                    return
                batch = trial_ids[start : start + BATCH]
                curves(store, {name: evaluations.version(name) for name in batch})
        if not stop.is_set():
            table_rows(snapshot, store)
    except StoreError as error:
        log.warning("Table II was not read beforehand: %s", error)
