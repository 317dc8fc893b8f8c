"""Metrics for Prometheus: the store's state, and the latency of the service.

Text format 0.0.4. Labels are routes, states, methods and signals: never a trial's id, so that the
number of series stays small however many trials there are. Names of sweeps are bounded in number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata

from api.reading import plans
from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import Row, Snapshot
from api.reading.version import code_version
from api.web.latency import BOUNDS, LatencyHistogram
from api.web.service import Service
from sweep.report.expense import GpuRates
from sweep.report.states import DRIVER_STATES, share_done
from sweep.store.device_hours import device_hours
from sweep.store.schemas import SCHEMA_VERSION
from sweep.store.vocabulary import SHOWN_STATUSES, SIGNALS

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Named sweeps: those with the latest heartbeat.
MOST_SWEEPS = 50
SWEEP_STATES = (*DRIVER_STATES, "stalled", "planned", "unknown")
# Of trials: one whose file cannot be read, and one that a newer writer may have.
TRIAL_STATES = (*SHOWN_STATUSES, "other")

Labels = Mapping[str, str]
Samples = Iterable[tuple[Labels, float]]


@dataclass(frozen=True, slots=True, eq=False)
class StoreMetrics:
    """The series that follow from a snapshot alone, and which of its sweeps are named."""

    snapshot: Snapshot
    lines: Sequence[str]
    named_sweeps: Sequence[str]


def store_metrics(snapshot: Snapshot) -> StoreMetrics:
    """Counts the rows of a snapshot, which takes a moment when there are many."""
    return StoreMetrics(snapshot, *_lines_and_sweeps(snapshot))


# Without the snapshot itself, which keeps what was worked out from it.
@memoise_by_snapshot()
def _lines_and_sweeps(snapshot: Snapshot) -> tuple[Sequence[str], Sequence[str]]:
    names = plans.sweep_names(snapshot)[:MOST_SWEEPS]
    return [*_trials(snapshot), *_named_sweeps(snapshot, names)], names


def exposition(service: Service, store: StoreMetrics | None, now: datetime) -> str:
    """Every series in Prometheus' text format; those of the store once it was read."""
    lines = [*_service(service, now)]
    if store is not None:
        lines += [*store.lines, *_sweeps(store.snapshot, store.named_sweeps, now)]
    return "\n".join([*lines, *_latency(service.latency), ""])


def _service(service: Service, now: datetime) -> Iterator[str]:
    build = {"version": _version(), "code": code_version(), "schema": str(SCHEMA_VERSION)}
    yield from _series("sweep_build_info", "gauge", "what serves the results", [(build, 1)])
    watcher = service.watcher
    age = (now - watcher.refreshed_at).total_seconds() if watcher.refreshed_at else float("nan")
    yield from _series(
        "sweep_snapshot_age_seconds", "gauge", "s since the store was last read", [({}, age)]
    )
    is_away = int(watcher.error is not None)
    yield from _series(
        "sweep_store_error", "gauge", "1 while the store cannot be read", [({}, is_away)]
    )
    yield from _series(
        "sweep_event_streams",
        "gauge",
        "streams of events that are open",
        [({}, service.streams.open)],
    )
    yield from _rates(service.rates)


def _rates(rates: GpuRates) -> Iterator[str]:
    """Rates that were given: a dashboard multiplies by them."""
    if rates.price is not None:
        labels = {"currency": rates.currency or ""}
        yield from _series(
            "sweep_gpu_price", "gauge", "price of an hour of a whole GPU", [(labels, rates.price)]
        )
    if rates.watts is not None:
        yield from _series(
            "sweep_gpu_power_watts", "gauge", "W that a GPU draws", [({}, rates.watts)]
        )


def _version() -> str:
    try:
        return metadata.version("srgan-sweep")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "unknown"


def _trials(snapshot: Snapshot) -> Iterator[str]:
    rows = list(snapshot.records.values())
    states = Counter(row["status"] if row["status"] in TRIAL_STATES else "other" for row in rows)
    yield from _series(
        "sweep_trials",
        "gauge",
        "trials by status",
        [({"status": status}, states[status]) for status in TRIAL_STATES],
    )
    failures = sum(row["failures"] or 0 for row in rows)
    yield from _series(
        "sweep_trial_failures_total",
        "counter",
        "times that a trial failed; falls only when trials are deleted or trained afresh",
        [({}, failures)],
    )
    collapses = Counter(
        (row["method"], signal.removesuffix("_at"))
        for row in rows
        for signal in SIGNALS
        if row[signal] is not None
    )
    yield from _series(
        "sweep_collapsed_trials",
        "gauge",
        "trials in which a signal was seen, by method",
        [({"method": m, "signal": signal}, n) for (m, signal), n in sorted(collapses.items())],
    )
    yield from _compute(rows)
    yield from _unreadable_files(snapshot)


def _compute(rows: Sequence[Row]) -> Iterator[str]:
    hours = device_hours(rows)
    yield from _series(
        "sweep_compute_seconds",
        "gauge",
        "s of training and evaluation, of whole GPUs or of threads of trials without one",
        [({"device": "gpu"}, hours.gpu * 3600), ({"device": "cpu"}, hours.cpu * 3600)],
    )


def _unreadable_files(snapshot: Snapshot) -> Iterator[str]:
    # Anything may lie in the folder of a store, but only two folders are read for the snapshot.
    folders = Counter(path.partition("/")[0] for path in snapshot.skipped)
    yield from _series(
        "sweep_store_unreadable_files",
        "gauge",
        "files of the store that could not be read: trials, or plans and heartbeats of sweeps",
        [({"table": table}, folders[table]) for table in ("trials", "sweeps")],
    )


def _named_sweeps(snapshot: Snapshot, names: Sequence[str]) -> Iterator[str]:
    drivers = [(name, snapshot.drivers[name]) for name in names if name in snapshot.drivers]
    records = {name: plans.plan_records(snapshot, name) for name in names}
    starts = {name: time.timestamp() for name, driver in drivers if (time := driver.started_at)}
    evaluations = {
        name: max(times).timestamp()
        for name, rows in records.items()
        if (times := [t for row in rows if (t := row["updated_at"])])
    }
    yield from _by_sweep(
        "sweep_started_timestamp_seconds",
        "Unix time at which a sweep's driver last started",
        starts,
    )
    yield from _by_sweep(
        "sweep_heartbeat_timestamp_seconds",
        "Unix time of the last heartbeat of a sweep's driver",
        {name: driver.heartbeat.timestamp() for name, driver in drivers},
    )
    yield from _by_sweep(
        "sweep_newest_evaluation_timestamp_seconds",
        "Unix time at which a trial of the sweep was last written: evaluated, or ended",
        evaluations,
    )
    yield from _by_sweep(
        "sweep_progress_ratio",
        "iterations done of those planned, 0 to 1; a trial that collapsed has done all of its own",
        {name: share_done(rows) for name, rows in records.items()},
    )
    yield from _by_sweep(
        "sweep_gpu_seconds",
        "s of whole GPUs that a sweep's trials had; a trial of two sweeps counts in both",
        {name: device_hours(rows).gpu * 3600 for name, rows in records.items()},
    )


def _by_sweep(name: str, description: str, values: Mapping[str, float]) -> Iterator[str]:
    samples = [({"sweep": sweep}, value) for sweep, value in values.items()]
    yield from _series(name, "gauge", description, samples)


def _sweeps(snapshot: Snapshot, names: Sequence[str], now: datetime) -> Iterator[str]:
    """Series that follow from the clock, too: a sweep stalls with nothing written to the store."""
    states = plans.states(snapshot, now)
    counts = Counter(states.values())
    yield from _series(
        "sweep_sweeps",
        "gauge",
        "sweeps by state; stalled is one whose driver runs by its own account and is not heard",
        [({"state": state}, counts[state]) for state in dict.fromkeys((*SWEEP_STATES, *counts))],
    )
    yield from _series(
        "sweep_state_info",
        "gauge",
        f"1 for the state that a sweep is in; of the {MOST_SWEEPS} with the latest heartbeat",
        [({"sweep": name, "state": states[name]}, 1) for name in names],
    )


def _latency(histograms: Mapping[tuple[str, str, str], LatencyHistogram]) -> Iterator[str]:
    name = "http_request_duration_seconds"
    yield from _series(name, "histogram", "s from request to end of answer, by route template", [])
    for (method, route, status), histogram in sorted(histograms.items()):
        labels = {"method": method, "route": route, "status": status}
        cumulative = 0
        for bound, count in zip((*BOUNDS, float("inf")), histogram.counts, strict=True):
            cumulative += count
            yield _sample(f"{name}_bucket", {**labels, "le": _number(bound)}, cumulative)
        yield _sample(f"{name}_sum", labels, histogram.total)
        yield _sample(f"{name}_count", labels, cumulative)


def _series(name: str, kind: str, description: str, samples: Samples) -> Iterator[str]:
    yield f"# HELP {name} {description}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield _sample(name, labels, value)


def _sample(name: str, labels: Labels, value: float) -> str:
    label_text = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{label_text}}} {_number(value)}" if label_text else f"{name} {_number(value)}"


def _escaped(text: str) -> str:
    # A name may hold what is no text, where a file system allows it; a response cannot.
    sendable = text.encode("utf-8", "replace").decode()
    return sendable.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    special = {float("inf"): "+Inf", float("-inf"): "-Inf"}
    return "NaN" if value != value else special.get(value, repr(value))
