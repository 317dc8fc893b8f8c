"""Standing of a sweep, from its plan, its trials, their owners and its driver's heartbeat.

Reads the store and nothing else; what is worked out here is shown by `python -m sweep.status`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sweep.paper.scores import score_name
from sweep.report.display import duration
from sweep.report.inventory import Inventory
from sweep.report.progress import method_in_words
from sweep.report.states import (
    driven_state,
    finite_eta,
    iterations_done,
    status_counts,
    stopped_at_rungs,
    undriven_state,
)
from sweep.store.device_hours import device_hours
from sweep.store.judgement import reasons_not_judged
from sweep.store.ownership import is_live, read_owner
from sweep.store.read_files import READ_ERRORS, side_by_side
from sweep.store.store import Store
from sweep.store.tables import parse
from sweep.store.trial_ownership import record_path
from sweep.store.vocabulary import UNREADABLE, Row
from trainer.config.settings import ALL_SETTINGS, METHODS, dataset_facts
from trainer.verdict import SIGNALS, in_words

# Columns that are read of a trial: all of them take ten times as long.
COLUMNS = (
    "trial_id", "profile", "setting", "method", "i_ratio", "data_share", "seed", "iterations",
    "dataset", "status", "iteration", *SIGNALS, "not_judged", "best_fid", "best_fd_digits",
    "best_fd_pictures", "best_mode_distance", "best_equilibrium_distance", "final_fid",
    "final_fd_digits", "final_fd_pictures",
    "final_mode_distance", "final_equilibrium_distance", "config", "attempt", "seconds",
    "updated_at", "traceback", "gpus", "rung", "rung_budget", "score", "best_own_score",
    "final_own_score",
)  # fmt: skip
# Some heartbeats of a driver, which writes one every 3 s.
QUIET_SECONDS = 15.0
# Of runs that loops of their own record.
UNDRIVEN = {
    "running": "Its loop is at work.",
    "interrupted": "Stopped. The same loop goes on from here.",
    "failed": "Ended with failed runs. The same loop tries them again.",
    "finished": "Finished.",
}
_SETTINGS = {name: place for place, name in enumerate(ALL_SETTINGS)}
_METHODS = {name: place for place, name in enumerate(METHODS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStanding:
    """Standing of a trial. `lost`: it is stored as running, but no process owns it. The iteration
    of one whose file cannot be read is None."""

    trial_id: str
    setting: str
    method: str
    i_ratio: float | None
    data_share: float | None
    seed: int
    status: str
    lost: bool
    iteration: int | None
    iterations: int
    score: str
    best: float | None
    final: float | None
    verdict: str
    eta_seconds: float | None
    updated_at: datetime | None
    error: str | None

    @property
    def method_in_words(self) -> str:
        return method_in_words(self.method, self.i_ratio, self.data_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStanding:
    """Standing of a sweep: `share` is of the plan's multiply-adds, 0 to 1. The hours are the
    trials' own, of all attempts: a CPU hour is one of a thread, a GPU hour one of a whole GPU.
    `rungs` are those at which a search has stopped trials: number, budget in iterations, trials.
    `waiting` names the trials that other starts own, while it runs, as its driver records them,
    `trouble` what keeps it from writing."""

    name: str
    state: str
    sentence: str
    trouble: str | None
    counts: dict[str, int]
    rungs: list[tuple[int, int, int]]
    share: float
    eta_seconds: float | None
    cpu_hours: float
    gpu_hours: float
    host: str | None
    slots: int | None
    command: str | None
    started_at: str | None
    heartbeat: datetime | None
    waiting: list[dict[str, Any]]
    trials: list[TrialStanding]


def sweep_standing(
    stored: Inventory, name: str, now: datetime, lost: Collection[str]
) -> SweepStanding:
    """Standing of the sweep at `now`; `lost` are the trials that no process owns."""
    records = stored.records(name)
    driver = stored.drivers.get(name)
    state = _state(driver, records)
    eta = finite_eta(driver["eta_seconds"], state) if driver else None
    hours = device_hours(records)
    fields = driver or dict.fromkeys(("host", "slots", "command", "started_at", "heartbeat"))
    return SweepStanding(
        name=name,
        state=state,
        sentence=_sentence(stored, name, state, eta),
        trouble=_trouble(stored, driver, state, now),
        counts=status_counts(record["status"] for record in records),
        rungs=stopped_at_rungs(records),
        share=_share(stored, name, records),
        eta_seconds=eta,
        cpu_hours=hours.cpu,
        gpu_hours=hours.gpu,
        **{key: fields[key] for key in ("host", "slots", "command", "started_at", "heartbeat")},
        waiting=_waiting(driver) if state == "running" else [],
        trials=[
            trial_standing(record, now, lost=record["trial_id"] in lost) for record in records
        ],
    )


def _waiting(driver: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    records = (driver or {}).get("waiting")
    return [r for r in records if isinstance(r, dict)] if isinstance(records, list) else []


def trial_standing(record: Row, now: datetime, *, lost: bool = False) -> TrialStanding:
    """Standing at `now` of the trial of a row of `trials` (COLUMNS of it)."""
    declared = record.get("score")
    score = score_column(record["dataset"]) if declared is None else score_name(record)
    running = record["status"] == "running" and not lost
    traceback = (record["traceback"] or "").strip()
    return TrialStanding(
        **{key: record[key] for key in ("trial_id", "setting", "method", "i_ratio", "seed")},
        data_share=record.get("data_share"),
        status=record["status"],
        lost=lost,
        iteration=None if record["status"] == UNREADABLE else record["iteration"] or 0,
        iterations=record["iterations"],
        score=declared or score,
        best=record[f"best_{score}"],
        final=record[f"final_{score}"],
        verdict=in_words(record, reasons_not_judged(record)) if record["iteration"] else "",
        eta_seconds=_seconds_left(record, now) if running else None,
        updated_at=record["updated_at"],
        error=traceback.splitlines()[-1] if traceback else None,
    )


def score_column(dataset: str) -> str:
    """The distance that decides about the best evaluation on a data set; lower is better."""
    spec = dataset_facts(dataset)
    if spec is None or spec.resolution is not None:
        return "fd_digits" if dataset.startswith("digits") else "fid"
    return "mode_distance" if spec.modes else "equilibrium_distance"


def table_order(trial: TrialStanding) -> tuple[int, str, int, str, float, float, int, str]:
    """Sorts trials as Table I has the settings, then by method, i, share and seed."""
    return (
        _SETTINGS.get(trial.setting, len(_SETTINGS)),
        trial.setting,
        _METHODS.get(trial.method, len(_METHODS)),
        trial.method,
        trial.i_ratio or 0.0,
        trial.data_share or 1.0,
        trial.seed,
        trial.trial_id,
    )


def _state(driver: Mapping[str, Any] | None, records: Sequence[Row]) -> str:
    if driver is None:
        return undriven_state(records)
    return driven_state(driver["state"], live=driver["live"])


def _sentence(stored: Inventory, name: str, state: str, eta: float | None) -> str:
    driver = stored.drivers.get(name)
    if driver is None and state in UNDRIVEN:
        return UNDRIVEN[state]
    moment = f"{driver['heartbeat']:%Y-%m-%d %H:%M:%S} UTC" if driver else ""
    host = driver and driver["host"]
    time_left = "time left not known yet" if eta is None else f"about {duration(eta)} left"
    return {
        "planned": "Not started.",
        "running": f"Running on {host}: {time_left}.",
        "stalled": f"Stalled: its driver on {host} has been gone or silent since {moment}. "
        "The same command goes on from here.",
        "interrupted": f"Interrupted at {moment}. The same command goes on from here.",
        "lost": f"Its cluster was lost at {moment}. The same command goes on from here.",
        "failed": f"Ended with failed trials at {moment}. The same command tries them again.",
        "finished": f"Finished at {moment}.",
        "unknown": "No driver has said how it stands.",
    }[state]


def _trouble(
    stored: Inventory, driver: Mapping[str, Any] | None, state: str, now: datetime
) -> str | None:
    """What a sweep under way waits for, by this host's look at the store, else by its driver's
    record; of a store that nobody can write to, that record is old."""
    if driver is None or state not in ("running", "stalled"):
        return None
    sentences: list[str] = []
    silent = (now - driver["heartbeat"]).total_seconds()
    if state == "running" and silent > QUIET_SECONDS:
        sentences.append(f"Its driver has written nothing for {silent:.0f} s.")
    if stored.obstacle is not None:
        sentences.append(
            f"{stored.place} {stored.obstacle}: trials wait, and go on when it can be written."
        )
    elif isinstance(trouble := driver.get("trouble"), str):
        sentences.append(f"Its trials wait: {trouble}")
    return " ".join(sentences) or None


def _share(stored: Inventory, name: str, records: Sequence[Row]) -> float:
    """Done of the plan's work; a trial that collapsed or ended at a rung has none left, one that
    was stopped otherwise has."""
    planned = done = 0.0
    for row, record in zip(stored.plans.get(name, ()), records, strict=True):
        work = row["operations"] or 0.0
        planned += work
        planned_iterations = record["iterations"]
        share = iterations_done(record) / planned_iterations if planned_iterations else 1.0
        done += work * share
    return done / planned if planned else 0.0


def _seconds_left(record: Row, now: datetime) -> float | None:
    """By the trial's own pace so far, counted from its last evaluation."""
    if not record["iteration"] or not record["seconds"] or record["updated_at"] is None:
        return None
    pace = record["seconds"] / record["iteration"]
    elapsed = (now - record["updated_at"]).total_seconds()
    return max(0.0, pace * (record["iterations"] - record["iteration"]) - elapsed)


def lost_trials(store: Store, sweeps: Iterable[str], stored: Inventory) -> frozenset[str]:
    """Ids of the sweeps' trials that are stored as running and have no live owner."""
    ids = {row["trial_id"] for name in sweeps for row in stored.plans.get(name, ())}
    running = [i for i in sorted(ids & stored.trials.keys()) if _runs(stored.trials[i])]
    answers = side_by_side(store, lambda trial_id: _is_lost(store, trial_id), running)
    return frozenset(i for i, lost in zip(running, answers, strict=True) if lost)


def _runs(record: Row) -> bool:
    return record["status"] == "running"


def _is_lost(store: Store, trial_id: str) -> bool:
    """Tells whether a trial stored as running has no live owner.

    A trial releases its ownership after its last row, so without one the row is read again.
    """
    owner = read_owner(store, record_path(trial_id))
    try:
        if owner is not None and is_live(owner):
            return False
    except (KeyError, TypeError, ValueError):
        pass  # names no process that could own anything
    try:
        raw = store.read(f"trials/{trial_id}.parquet")
        reread = None if raw is None else parse(raw, "trials", ["status"])
    except READ_ERRORS:
        return False  # it cannot be said, and is not
    return reread is not None and reread["status"].to_pylist() == ["running"]
