"""Questions to a snapshot, answered as typed rows. Pure: no HTTP, no waiting for the store."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from api.drawing import thinning
from api.notes.queries import TRIAL, notes_on, tags_of, with_tags
from api.reading.memo import memoise_by_rows, memoise_by_snapshot
from api.reading.snapshot import Row, Snapshot
from api.trials.models import Relative, ScoresAt, Trial, TrialDetail, Verdict
from api.trials.series import Evaluation, Histogram, Spectrum
from api.web import words
from api.web.expense import expense_of
from api.web.nonfinite import trusted
from sweep.report.expense import NO_RATES, GpuRates
from sweep.store.device_hours import device_hours
from sweep.store.judgement import healthy, reasons_not_judged
from sweep.store.nonfinite import finite, without_nonfinite
from sweep.store.schemas import SCORE_NAMES
from sweep.store.vocabulary import JSON_COLUMNS, SIGNALS


def trial(record: Row) -> Trial:
    return _trial([record])


def tagged_trial(snapshot: Snapshot, record: Row) -> Trial:
    """The trial with the tags that stand on it."""
    return with_tags(snapshot, TRIAL, record["trial_id"], trial(record))


# About 8 KB each.
@memoise_by_rows(size=1024)
def _trial(records: Sequence[Row]) -> Trial:
    (record,) = records
    return trusted(Trial, _trial_fields(record))


def stored_values(record: Row, columns: Sequence[str]) -> dict[str, Any]:
    """Values of stored columns under their names, stored JSON as the object that it is."""
    return finite(
        {name: _json(record[name]) if name in JSON_COLUMNS else record[name] for name in columns}
    )


_AS_STORED = ("lifted_counts", "host", "attempt", "traceback", "failures", "cpus", "gpus")


def trial_detail(snapshot: Snapshot, record: Row, rates: GpuRates = NO_RATES) -> TrialDetail:
    trial_id, hours = record["trial_id"], device_hours([record])
    rules = _json(record["verdict_rules"]) or {}
    return TrialDetail.model_validate(
        _trial_fields(record)
        | {
            "sweeps": _sweeps_by_trial(snapshot).get(trial_id, []),
            **{n: _json(record[n]) for n in ("config", "thresholds", "verdict_rules", "software")},
            "tags": tags_of(snapshot, TRIAL, trial_id),
            "notes": notes_on(snapshot, TRIAL, trial_id),
            "verdict": verdict_on(trial(record), rules),
            "ancestors": ancestors(snapshot, record),
            "children": children(snapshot, record),
            **{name: record[name] for name in _AS_STORED},
            "gpu_hours": hours.gpu or None,
            "expense": expense_of(hours, rates),
            "snapshot": snapshot.id,
        }
    )


@memoise_by_snapshot()
def _sweeps_by_trial(snapshot: Snapshot) -> Mapping[str, list[str]]:
    sweeps: dict[str, list[str]] = {}
    for name, plan in snapshot.plans.items():
        for row in plan:
            sweeps.setdefault(row["trial_id"], []).append(name)
    return sweeps


def verdict_on(trial: Trial, rules: Mapping[str, Any]) -> Verdict:
    onsets = {name.removesuffix("_at"): getattr(trial, name) for name in SIGNALS}
    signals = [
        {"name": name, "at": onset, "rule": str(rules[name]) if name in rules else None}
        for name, onset in onsets.items()
        if onset is not None
    ]
    return Verdict.model_validate(
        {
            "sentence": words.verdict(trial, {name: str(rule) for name, rule in rules.items()}),
            "healthy": trial.healthy,
            "signals": sorted(signals, key=lambda signal: signal["at"]),
        }
    )


def _trial_fields(record: Row) -> dict[str, Any]:
    own = {name: record[name] for name in Trial.model_fields if name in record}
    return finite(own) | {
        "healthy": healthy(record),
        "not_judged": reasons_not_judged(record),
        "best": _scores_at(record, "best"),
        "final": _scores_at(record, "final"),
        "protocol": _protocol(record["protocol"]),
    }


def _scores_at(record: Row, prefix: str) -> ScoresAt | None:
    iteration = record[f"{prefix}_iteration"]
    if iteration is None:
        return None
    scores = {name: record[f"{prefix}_{name}"] for name in SCORE_NAMES}
    return trusted(ScoresAt, finite(scores) | {"iteration": iteration})


# Trials of a profile have one protocol: read once, and shared.
@functools.lru_cache(maxsize=256)
def _protocol(text: str | None) -> dict[str, Any] | None:
    return _json(text)


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


def evaluation_values(row: Row, keys: Sequence[str]) -> dict[str, Any]:
    """The iteration and the columns of `keys` alone."""
    return finite({"iteration": row["iteration"]} | {key: row[key] for key in keys})


def spectrum(row: Row, *, stable_ranks: bool = False, points: int | None = None) -> Spectrum:
    """`stable_ranks` are one value per iteration of training: long, and left out unless asked."""
    values = _values(row["singular_values"])
    ranks = row["stable_ranks"] if stable_ranks else None
    indices = None if points is None else thinning.indices(len(values), points)
    return Spectrum(
        iteration=row["iteration"],
        layer=row["layer"],
        singular_values=values if indices is None else [values[k] for k in indices],
        indices=indices,
        stable_ranks=None if ranks is None else _values(ranks),
    )


def histogram(row: Row) -> Histogram:
    own = {name: row[name] for name in Histogram.model_fields if name in row}
    return Histogram.model_validate(finite(own))


def _values(values: Sequence[float | None] | None) -> list[float | None]:
    return [without_nonfinite(value) for value in values or []]


def ancestors(snapshot: Snapshot, record: Row) -> list[Relative]:
    """The parent, its parent, and so on, as far as the store has them."""
    relatives: list[Relative] = []
    visited = {record["trial_id"]}
    while (parent := record["parent"]) in snapshot.records and parent not in visited:
        above = snapshot.records[parent]
        relatives.append(_relative(above, record["parent_iteration"]))
        visited.add(parent)
        record = above
    return relatives


def children(snapshot: Snapshot, record: Row) -> list[Relative]:
    """Trials that branched off it, by the iteration of the branch."""
    own = _branches(snapshot).get(record["trial_id"], [])
    relatives = [_relative(row, row["parent_iteration"]) for row in own]
    return sorted(relatives, key=lambda child: (child.at or 0, child.trial_id))


@memoise_by_snapshot()
def _branches(snapshot: Snapshot) -> Mapping[str, list[Row]]:
    branches: dict[str, list[Row]] = {}
    for row in snapshot.records.values():
        if row["parent"] is not None:
            branches.setdefault(row["parent"], []).append(row)
    return branches


def _relative(row: Row, branched_at: int | None) -> Relative:
    return Relative(
        trial_id=row["trial_id"],
        method=row["method"],
        i_ratio=row["i_ratio"],
        at=branched_at,
        status=row["status"],
    )
