"""Questions to a snapshot, answered as typed rows. Pure: no HTTP, no waiting for the store."""

from __future__ import annotations

import base64
import binascii
import bisect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.models import (
    Evaluation,
    Histogram,
    ScoresAt,
    Spectrum,
    Trial,
    TrialDetail,
)
from api.nonfinite import finite, without_nonfinite
from api.snapshot import Row, Snapshot
from sweep.results import STATUSES
from sweep.schemas import SCORE_NAMES
from trainer.settings import ALL_SETTINGS, METHODS, PROFILES, UsageError, select

MAX_LIMIT = 1000


class NotFound(LookupError):
    """There is no such thing in the store; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list is restricted to. Names may be shell patterns; none means all."""

    setting: Sequence[str] = ()
    group: Sequence[str] = ()
    method: Sequence[str] = ()
    status: Sequence[str] = ()
    profile: Sequence[str] = ()
    sweep: Sequence[str] = ()
    seed: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Page:
    records: Sequence[Row]
    next_cursor: str | None


def page(snapshot: Snapshot, filters: Filters, limit: int, cursor: str | None) -> Page:
    """At most `limit` records after the cursor, by trial id. Raises UsageError for bad input."""
    after = read_cursor(cursor)
    found: list[Row] = []
    for record in matching(snapshot, filters, after):
        if len(found) == limit:
            return Page(found, write_cursor(found[-1]["trial_id"]))
        found.append(record)
    return Page(found, None)


def matching(snapshot: Snapshot, filters: Filters, after: str = "") -> Iterator[Row]:
    """The records that pass every filter, from the first id behind `after` on."""
    statuses: dict[str, None] = dict.fromkeys(STATUSES)
    named: list[tuple[str, Mapping[str, object], Sequence[str]]] = [
        ("setting", ALL_SETTINGS, filters.setting),
        ("group", {s.group: s for s in ALL_SETTINGS.values()}, filters.group),
        ("method", METHODS, filters.method),
        ("status", statuses, filters.status),
        ("profile", PROFILES, filters.profile),
    ]
    allowed: dict[str, set[Any]] = {
        field: set(select(field, names, patterns)) for field, names, patterns in named if patterns
    }
    if filters.seed:
        allowed["seed"] = set(filters.seed)
    if filters.sweep:
        allowed["trial_id"] = _planned_in(snapshot, filters.sweep)
    conditions = list(allowed.items())
    for trial_id in snapshot.ids[bisect.bisect_right(snapshot.ids, after) :]:
        record = snapshot.records[trial_id]
        for field, values in conditions:
            if record[field] not in values:
                break
        else:
            yield record


def _planned_in(snapshot: Snapshot, patterns: Sequence[str]) -> set[str]:
    if not snapshot.plans:
        raise UsageError(f"unknown sweep {patterns[0]!r}: the store has no sweep")
    sweeps = select("sweep", snapshot.plans, patterns)
    return {row["trial_id"] for sweep in sweeps for row in snapshot.plans[sweep]}


def write_cursor(after: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([after]).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str:
    """The id that the cursor stands behind, empty for none. Raises UsageError if malformed."""
    if cursor is None:
        return ""
    try:
        match json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", True)):
            case [str(after)]:
                return after
    except (binascii.Error, ValueError):
        pass
    raise UsageError(f"malformed cursor {cursor!r}; use `next_cursor` of the page before")


def record(snapshot: Snapshot, trial_id: str) -> Row:
    """Raises NotFound."""
    if trial_id not in snapshot.records:
        raise NotFound(f"there is no trial {trial_id!r} in the store")
    return snapshot.records[trial_id]


def trial(record: Row) -> Trial:
    return Trial.model_validate(_trial_fields(record))


def trial_detail(snapshot: Snapshot, record: Row) -> TrialDetail:
    trial_id = record["trial_id"]
    plans = snapshot.plans.items()
    return TrialDetail.model_validate(
        _trial_fields(record)
        | {
            "sweeps": [n for n, plan in plans if any(r["trial_id"] == trial_id for r in plan)],
            **{n: _json(record[n]) for n in ("config", "thresholds", "verdict_rules", "software")},
            **{name: record[name] for name in ("host", "attempt", "traceback")},
            "snapshot": snapshot.id,
        }
    )


def _trial_fields(record: Row) -> dict[str, Any]:
    own = {name: record[name] for name in Trial.model_fields if name in record}
    return finite(own) | {
        "best": _scores_at(record, "best"),
        "final": _scores_at(record, "final"),
        "protocol": _json(record["protocol"]),
    }


def _scores_at(record: Row, prefix: str) -> ScoresAt | None:
    iteration = record[f"{prefix}_iteration"]
    if iteration is None:
        return None
    scores = {name: record[f"{prefix}_{name}"] for name in SCORE_NAMES}
    return ScoresAt.model_validate(finite(scores) | {"iteration": iteration})


def _json(text: str | None) -> dict[str, Any] | None:
    """A stored JSON object; one that is not is shown as it is, under `text`."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return {"text": text}
    return without_nonfinite(value) if isinstance(value, dict) else {"text": text}


def evaluation(row: Row) -> Evaluation:
    own = {name: row[name] for name in Evaluation.model_fields if name in row}
    return Evaluation.model_validate(finite(own))


def spectrum(row: Row, *, stable_ranks: bool = False) -> Spectrum:
    """`stable_ranks` are one value per iteration of training: long, and left out unless asked."""
    ranks = row["stable_ranks"] if stable_ranks else None
    return Spectrum(
        iteration=row["iteration"],
        layer=row["layer"],
        singular_values=_values(row["singular_values"]),
        stable_ranks=None if ranks is None else _values(ranks),
    )


def histogram(row: Row) -> Histogram:
    own = {name: row[name] for name in Histogram.model_fields if name in row}
    return Histogram.model_validate(finite(own))


def _values(values: Sequence[float | None] | None) -> list[float | None]:
    return [without_nonfinite(value) for value in values or []]
