"""How a sweep stands, from its plan, its trials, their claims and its driver's heartbeat.

Reads the store and nothing else; what is worked out here is shown by `python -m sweep.status`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sweep.report.display import duration
from sweep.report.inventory import Inventory
from sweep.report.progress import method_and_i
from sweep.store.ownership import is_live, read
from sweep.store.store import Store
from sweep.store.vocabulary import FINISHED, STATUSES, Row
from trainer.collapse import SIGNALS, in_words
from trainer.config.settings import ALL_SETTINGS, DATASETS, METHODS

# What is read of a trial's row: all of it takes ten times as long.
COLUMNS = (
    "trial_id", "profile", "setting", "method", "i_ratio", "seed", "iterations", "dataset",
    "status", "iteration", *SIGNALS, "best_fid", "best_fd_digits", "best_mode_distance",
    "best_equilibrium_distance", "final_fid", "final_fd_digits", "final_mode_distance",
    "final_equilibrium_distance", "config", "attempt", "seconds", "updated_at", "traceback",
    "gpus",
)  # fmt: skip
_SETTINGS = {name: place for place, name in enumerate(ALL_SETTINGS)}
_METHODS = {name: place for place, name in enumerate(METHODS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStanding:
    """Where a trial stands. `lost`: it is stored as running, but no process holds its claim."""

    trial_id: str
    setting: str
    method: str
    i_ratio: float | None
    seed: int
    status: str
    lost: bool
    iteration: int
    iterations: int
    score: str
    best: float | None
    final: float | None
    verdict: str
    eta_seconds: float | None
    updated_at: datetime | None
    error: str | None

    @property
    def method_and_i(self) -> str:
        return method_and_i(self.method, self.i_ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStanding:
    """`share` is of the plan's multiply-adds, 0 to 1. The hours are the trials' own, of all
    attempts: a CPU hour is one of a thread, a GPU hour one of a whole GPU."""

    name: str
    state: str
    sentence: str
    counts: dict[str, int]
    share: float
    eta_seconds: float | None
    cpu_hours: float
    gpu_hours: float
    host: str | None
    slots: int | None
    command: str | None
    started_at: str | None
    heartbeat: datetime | None
    trials: list[TrialStanding]


def sweep_standing(store: Store, held: Inventory, name: str, now: datetime) -> SweepStanding:
    """How the sweep stands at `now`; asks the store for the claims of its running trials."""
    records = held.records(name)
    driver = held.drivers.get(name)
    state = _state(held, name)
    eta = driver["eta_seconds"] if driver and state == "running" else None
    eta = eta if eta is not None and math.isfinite(eta) else None
    counted = Counter(record["status"] for record in records)
    hours = {"cpu": 0.0, "cuda": 0.0}
    for record in records:
        device, parts = _device(record)
        hours[device] = hours.get(device, 0.0) + (record["seconds"] or 0.0) * parts / 3600
    told = driver or dict.fromkeys(("host", "slots", "command", "started_at", "heartbeat"))
    return SweepStanding(
        name=name,
        state=state,
        sentence=_sentence(held, name, state, eta),
        counts={status: counted[status] for status in STATUSES if counted[status]},
        share=_share(held, name, records),
        eta_seconds=eta,
        cpu_hours=hours["cpu"],
        gpu_hours=hours["cuda"],
        **{key: told[key] for key in ("host", "slots", "command", "started_at", "heartbeat")},
        trials=[trial_standing(record, now, lost=_is_lost(store, record)) for record in records],
    )


def trial_standing(record: Row, now: datetime, *, lost: bool = False) -> TrialStanding:
    """Where the trial of a row of `trials` (COLUMNS of it) stands at `now`."""
    score = score_column(record["dataset"])
    running = record["status"] == "running" and not lost
    traceback = (record["traceback"] or "").strip()
    return TrialStanding(
        **{key: record[key] for key in ("trial_id", "setting", "method", "i_ratio", "seed")},
        status=record["status"],
        lost=lost,
        iteration=record["iteration"] or 0,
        iterations=record["iterations"],
        score=score,
        best=record[f"best_{score}"],
        final=record[f"final_{score}"],
        verdict=in_words(record) if record["iteration"] else "",
        eta_seconds=_seconds_left(record, now) if running else None,
        updated_at=record["updated_at"],
        error=traceback.splitlines()[-1] if traceback else None,
    )


def score_column(dataset: str) -> str:
    """The distance that decides about the best evaluation on a data set; lower is better."""
    known = DATASETS.get(dataset)
    if known is None or known.resolution is not None:
        return "fd_digits" if dataset.startswith("digits") else "fid"
    return "mode_distance" if known.modes else "equilibrium_distance"


def table_order(trial: TrialStanding) -> tuple[int, str, int, str, float, int, str]:
    """Sorts trials as Table I has the settings, then by method, i and seed."""
    return (
        _SETTINGS.get(trial.setting, len(_SETTINGS)),
        trial.setting,
        _METHODS.get(trial.method, len(_METHODS)),
        trial.method,
        trial.i_ratio or 0.0,
        trial.seed,
        trial.trial_id,
    )


def _state(held: Inventory, name: str) -> str:
    driver = held.drivers.get(name)
    if driver is None:
        begun = any(record["status"] != "planned" for record in held.records(name))
        return "unknown" if begun else "planned"
    if driver["state"] == "running" and not driver["live"]:
        return "stalled"
    known = ("running", "interrupted", "failed", "finished")
    return driver["state"] if driver["state"] in known else "unknown"


def _sentence(held: Inventory, name: str, state: str, eta: float | None) -> str:
    driver = held.drivers.get(name)
    since = f"{driver['heartbeat']:%Y-%m-%d %H:%M:%S} UTC" if driver else ""
    host = driver and driver["host"]
    left = "time left not known yet" if eta is None else f"about {duration(eta)} left"
    return {
        "planned": "Not started.",
        "running": f"Running on {host}: {left}.",
        "stalled": f"Stalled: its driver on {host} has been gone or silent since {since}. "
        "The same command goes on from here.",
        "interrupted": f"Interrupted at {since}. The same command goes on from here.",
        "failed": f"Ended with failed trials at {since}. The same command tries them again.",
        "finished": f"Finished at {since}.",
        "unknown": "No driver has said how it stands.",
    }[state]


def _share(held: Inventory, name: str, records: Sequence[Row]) -> float:
    """Done of the plan's work; one that collapsed has none left, one that was stopped has."""
    planned = done = 0.0
    for row, record in zip(held.plans.get(name, ()), records, strict=True):
        work = row["operations"] or 0.0
        whole = record["status"] in FINISHED
        part = 1.0 if whole else min(1.0, (record["iteration"] or 0) / record["iterations"])
        planned += work
        done += work * part
    return done / planned if planned else 0.0


def _seconds_left(record: Row, now: datetime) -> float | None:
    """By the trial's own pace so far, counted from its last evaluation."""
    if not record["iteration"] or not record["seconds"] or record["updated_at"] is None:
        return None
    pace = record["seconds"] / record["iteration"]
    since = (now - record["updated_at"]).total_seconds()
    return max(0.0, pace * (record["iterations"] - record["iteration"]) - since)


def _is_lost(store: Store, record: Row) -> bool:
    """Whether a trial stored as running has no live claim.

    A trial releases its claim after its last row, so without one the row is read again.
    """
    if record["status"] != "running":
        return False
    trial_id = record["trial_id"]
    claim = read(store, f"claims/{trial_id}.json")
    try:
        if claim is not None and is_live(claim):
            return False
    except (KeyError, TypeError, ValueError):
        pass  # not a claim that anybody could hold
    again = store.read_rows("trials", trial_id)
    return bool(again) and again[0]["status"] == "running"


def _device(record: Row) -> tuple[str, float]:
    """`cpu` or `cuda`, and how many of it count: threads, or the share of a GPU."""
    config = json.loads(record["config"] or "{}")
    if config.get("device", "cpu") == "cpu":
        return "cpu", config.get("threads", 1)
    return "cuda", 1.0 if record["gpus"] is None else record["gpus"]
