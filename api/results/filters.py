"""Filters of trials by name, value and range."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import pyarrow as pa

from api.notes.queries import trials_by_tag
from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import Row, Snapshot
from sweep.store.judgement import healthy
from sweep.store.schemas import SCHEMAS, SCORE_NAMES
from sweep.store.vocabulary import SHOWN_STATUSES
from trainer.config.lookup import UsageError, lookup, select
from trainer.config.settings import ALL_SETTINGS, DATASETS, METHODS, PROFILES, SETTINGS

STORED = {column.name: column.type for column in SCHEMAS["trials"]}
# A score without a prefix is the best one: what Table II is made of.
SHORT = {name: f"best_{name}" for name in SCORE_NAMES}
NUMERIC = {
    n for n, kind in STORED.items() if pa.types.is_integer(kind) or pa.types.is_float64(kind)
}
RANGES = {
    f"{name}_{edge}": (SHORT.get(name, name), edge)
    for name in (*SCORE_NAMES, *STORED)
    if SHORT.get(name, name) in NUMERIC
    for edge in ("lt", "gt")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Restrictions of a list of trials. Names may be shell patterns; none means all.

    `collapsed` and `spectrally_collapsed` ask whether that collapse was seen, `healthy` whether
    every signal was judged and none seen (true), or one seen (false). `ranges` are open
    intervals by parameter, such as `fid_lt`; what has no number there is in none.
    """

    setting: Sequence[str] = ()
    group: Sequence[str] = ()
    method: Sequence[str] = ()
    status: Sequence[str] = ()
    profile: Sequence[str] = ()
    dataset: Sequence[str] = ()
    sweep: Sequence[str] = ()
    tag: Sequence[str] = ()
    form: Sequence[str] = ()
    host: Sequence[str] = ()
    parent: Sequence[str] = ()
    i_ratio: Sequence[float] = ()
    data_share: Sequence[float] = ()
    seed: Sequence[int] = ()
    batch_size: Sequence[int] = ()
    channels: Sequence[int] = ()
    setting_batch_size: Sequence[int] = ()
    setting_channels: Sequence[int] = ()
    collapsed: bool | None = None
    spectrally_collapsed: bool | None = None
    healthy: bool | None = None
    ranges: Mapping[str, float] = field(default_factory=dict)


def filters_of_kind(
    profile: str,
    setting: str | None = None,
    method: str | None = None,
    i_ratio: float | None = None,
) -> Filters:
    """Restriction to a profile and, where given, to a setting, a method and an i of it.

    Raises UsageError for an unknown name, which here is no shell pattern.
    """
    lookup("profile", PROFILES, profile)
    if setting:
        lookup("setting", SETTINGS, setting)
    if method:
        lookup("method", METHODS, method)
    return Filters(
        profile=[profile],
        setting=[setting] if setting else [],
        method=[method] if method else [],
        i_ratio=[] if i_ratio is None else [i_ratio],
    )


NAMED_FILTERS: Mapping[str, Mapping[str, object]] = {
    "setting": ALL_SETTINGS,
    "group": {setting.group: None for setting in ALL_SETTINGS.values()},
    "method": METHODS,
    "status": dict.fromkeys(SHOWN_STATUSES),
    "profile": PROFILES,
    "dataset": DATASETS,
    "form": dict.fromkeys(sorted({m.form for m in METHODS.values() if m.form})),
}
EXACT_FILTERS = (
    "host", "parent", "i_ratio", "data_share", "seed", "batch_size", "channels",
    "setting_batch_size", "setting_channels",
)  # fmt: skip
COLLAPSE_FILTERS = {
    "collapsed": "mode_collapse_at",
    "spectrally_collapsed": "spectral_collapse_at",
}


def column(label: str, name: str) -> str:
    """The stored column of that name. Raises UsageError with the nearest names.

    `label` is what the message calls the column.
    """
    lookup(label, {**STORED, **SHORT}, name)
    return SHORT.get(name, name)


def columns_like(patterns: Sequence[str]) -> list[str]:
    """Stored columns that any of the names or shell patterns matches. Raises UsageError."""
    names = [
        name
        for pattern in patterns
        for name in (
            select("field", STORED, [pattern]) if "*" in pattern else [column("field", pattern)]
        )
    ]
    return list(dict.fromkeys(names))


def numeric_column(label: str, name: str) -> str:
    """The stored column of numbers of that name. Raises UsageError with the nearest names."""
    lookup(label, {n: None for n in (*STORED, *SHORT) if SHORT.get(n, n) in NUMERIC}, name)
    return SHORT.get(name, name)


def read_ranges(parameters: Iterable[tuple[str, str]]) -> dict[str, float]:
    """The ranges among query parameters. Raises UsageError for one that is no number."""
    ranges = {}
    for name, text in parameters:
        if name not in RANGES:
            continue
        try:
            ranges[name] = float(text)
        except ValueError:
            ranges[name] = math.nan
        if math.isnan(ranges[name]):
            raise UsageError(f"{name} is a number, not {text!r}")
    return ranges


@memoise_by_snapshot()
def filter_names(snapshot: Snapshot) -> Mapping[str, Mapping[str, object]]:
    """Names that each filter may match: those that the code knows, then others in the store, as
    of a method that only a colleague's branch has."""
    stored = stored_names(snapshot)
    return {
        name: {**known, **dict.fromkeys(sorted(stored[name]))}
        for name, known in NAMED_FILTERS.items()
    }


@memoise_by_snapshot()
def stored_names(snapshot: Snapshot) -> Mapping[str, Set[str]]:
    """Names that trials of the store have, by filter."""
    rows = snapshot.records.values()
    return {name: {row[name] for row in rows} - {None} for name in NAMED_FILTERS}


def matching(snapshot: Snapshot, filters: Filters, rows: Iterable[Row] | None = None) -> list[Row]:
    """Rows that pass every filter, by default of all trials by id. Raises UsageError."""
    if rows is None:
        rows = trials_of_settings(snapshot, selected_settings(snapshot, filters))
    for keep in _sieves(snapshot, filters):
        rows = keep(rows)
    return rows if isinstance(rows, list) else list(rows)


def selected_settings(snapshot: Snapshot, filters: Filters) -> tuple[str, ...] | None:
    """Settings that the filters are restricted to, None for all. Raises UsageError."""
    if not filters.setting:
        return None
    return tuple(select("setting", filter_names(snapshot)["setting"], filters.setting))


def trials_of_settings(snapshot: Snapshot, settings: tuple[str, ...] | None) -> Sequence[Row]:
    """Trials of these settings, or all, by id. Most questions are about one setting."""
    if settings is None:
        return list(snapshot.records.values())
    by_setting = _by_setting(snapshot)
    rows = [row for setting in settings for row in by_setting.get(setting, ())]
    return sorted(rows, key=itemgetter("trial_id"))


@memoise_by_snapshot()
def _by_setting(snapshot: Snapshot) -> Mapping[str, Sequence[Row]]:
    by_setting: dict[str, list[Row]] = {}
    for row in snapshot.records.values():
        by_setting.setdefault(row["setting"], []).append(row)
    return by_setting


# Sieves take a list at a time: ten times as fast as asking every row every question.
Sieve = Callable[[Iterable[Row]], list[Row]]


def _sieves(snapshot: Snapshot, filters: Filters) -> list[Sieve]:
    allowed: dict[str, set[Any]] = {
        name: set(select(name, names, patterns))
        for name, names in filter_names(snapshot).items()
        if (patterns := getattr(filters, name))
    }
    allowed |= {name: set(values) for name in EXACT_FILTERS if (values := getattr(filters, name))}
    if filters.sweep:
        allowed["trial_id"] = _planned_in(snapshot, filters.sweep)
    if filters.tag:
        tagged = _tagged(snapshot, filters.tag)
        allowed["trial_id"] = allowed.get("trial_id", tagged) & tagged
    sieves = [_has_any_value(name, values) for name, values in allowed.items()]
    sieves += [
        _has_value(onset_column, expected)
        for name, onset_column in COLLAPSE_FILTERS.items()
        if (expected := getattr(filters, name)) is not None
    ]
    if (expected := filters.healthy) is not None:
        sieves.append(lambda rows: [row for row in rows if healthy(row) is expected])
    return sieves + [_in_range(*RANGES[name], value) for name, value in filters.ranges.items()]


def _has_any_value(name: str, values: set[Any]) -> Sieve:
    return lambda rows: [row for row in rows if row[name] in values]


def _has_value(name: str, expected: bool) -> Sieve:
    return lambda rows: [row for row in rows if (row[name] is not None) == expected]


def _in_range(name: str, edge: str, limit: float) -> Sieve:
    if edge == "lt":
        return lambda rows: [r for r in rows if r[name] is not None and r[name] < limit]
    return lambda rows: [r for r in rows if r[name] is not None and r[name] > limit]


def _tagged(snapshot: Snapshot, patterns: Sequence[str]) -> set[str]:
    trials = trials_by_tag(snapshot)
    if not trials:
        raise UsageError(f"unknown tag {patterns[0]!r}: no trial in the store has a tag")
    return {trial_id for tag in select("tag", trials, patterns) for trial_id in trials[tag]}


def _planned_in(snapshot: Snapshot, patterns: Sequence[str]) -> set[str]:
    if not snapshot.plans:
        raise UsageError(f"unknown sweep {patterns[0]!r}: the store has no sweep")
    sweeps = select("sweep", snapshot.plans, patterns)
    return {row["trial_id"] for sweep in sweeps for row in snapshot.plans[sweep]}
