"""Alerts of a sweep: what somebody who looks after it has to know first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from api.reading.snapshot import Row
from sweep.store.judgement import reasons_not_judged, standing_reason
from sweep.store.vocabulary import UNREADABLE

# A running trial writes at every evaluation: overdue after so many of its own intervals, and not
# before so many minutes.
OVERDUE_INTERVALS = 3
LEAST_SILENCE = timedelta(minutes=5)
# In s: a rate that no clock can add to is none.
LONGEST_INTERVAL = 7 * 86400.0
# Hosts that a sentence names.
MOST_HOSTS = 3
# Searched as text: parsing the configurations of ten thousand trials takes a tenth of a second.
_EVALUATE_EVERY = re.compile(r'"evaluate_every": ?([0-9]{1,12})')


@dataclass(frozen=True, slots=True)
class Alert:
    """`query` lists the trials that it is about, as parameters of a list of trials."""

    sentence: str
    serious: bool
    query: dict[str, str] = field(default_factory=dict)


def alerts(
    state: str, sentence: str, records: Sequence[Row], silent: Sequence[Row] = ()
) -> list[Alert]:
    """Alerts, serious ones first: a driver that is gone, `silent` trials, failures, unreadable
    files, NaN; then collapses."""
    urgent = [Alert(sentence, serious=True)] if state in ("stalled", "interrupted", "lost") else []
    if state == "running":  # else it is the driver that is silent, or has ended
        urgent += _silent(silent)
    urgent += _failed([row for row in records if row["status"] == "failed"])
    unreadable = sum(row["status"] == UNREADABLE for row in records)
    if unreadable:
        text = f"{_trials(unreadable)} with a file that cannot be read: what was done is not known"
        urgent.append(Alert(text, True, {"status": UNREADABLE}))
    diverged = _count(records, "diverged_at")
    if diverged:
        urgent.append(
            Alert(f"{_trials(diverged)} diverged: a loss or a weight was not finite", True)
        )
    return [*urgent, *_collapsed(records)]


def silent_trials(records: Sequence[Row], now: datetime) -> list[Row]:
    """The running trials that should have written since, the longest silent first."""
    overdue = [
        row
        for row in records
        if row["status"] == "running"
        and row["updated_at"] is not None
        and now - row["updated_at"] > max(LEAST_SILENCE, OVERDUE_INTERVALS * _interval(row))
    ]
    return sorted(overdue, key=lambda row: row["updated_at"])


def _interval(row: Row) -> timedelta:
    """The time between two evaluations of a trial at its own rate; none before its first."""
    every = _EVALUATE_EVERY.search(row["config"] or "")
    seconds, iteration = row["seconds"], row["iteration"]
    if every is None or not seconds or not iteration:
        return timedelta()
    return timedelta(seconds=min(seconds / iteration * int(every[1]), LONGEST_INTERVAL))


def _silent(rows: Sequence[Row]) -> Iterator[Alert]:
    if not rows:
        return
    hosts = list(dict.fromkeys(row["host"] or "a host without a name" for row in rows))
    named = ", ".join(hosts[:MOST_HOSTS])
    if len(hosts) > MOST_HOSTS:
        named += f" and {len(hosts) - MOST_HOSTS} more"
    verb = "runs and has" if len(rows) == 1 else "run and have"
    last = rows[0]["updated_at"]
    yield Alert(
        f"{_trials(len(rows))} {verb} not written for longer than {OVERDUE_INTERVALS} evaluations "
        f"take, since {last:%Y-%m-%d %H:%M} UTC, on {named}",
        True,
        {"status": "running", "sort": "updated_at"},
    )


def _failed(rows: Sequence[Row]) -> Iterator[Alert]:
    if not rows:
        return
    reasons = Counter((row["traceback"] or "").strip().rpartition("\n")[2] for row in rows)
    reason, count = reasons.most_common(1)[0]
    part = "" if count == len(rows) else f", {count} of them with"
    reason_text = f"{part}: {reason[:200]}" if reason else ""
    yield Alert(f"{_trials(len(rows))} failed{reason_text}", True, {"status": "failed"})


def _collapsed(records: Sequence[Row]) -> Iterator[Alert]:
    started = [row for row in records if row["status"] != "planned"]
    collapsed = [row for row in started if row["mode_collapse_at"] is not None]
    if collapsed:
        collapsed_by_method = Counter(row["method"] for row in collapsed)
        started_by_method = Counter(row["method"] for row in started)
        shares = ", ".join(
            f"{m} {n} of {started_by_method[m]}" for m, n in collapsed_by_method.most_common()
        )
        yield Alert(
            f"Mode collapse in {_trials(len(collapsed))}: {shares}", False, {"collapsed": "true"}
        )
    reasons = Counter(
        reason
        for row in started
        if (reason := standing_reason("mode_collapse_at", reasons_not_judged(row))) is not None
    )
    for reason, n in reasons.most_common():
        yield Alert(f"Mode collapse is not judged in {_trials(n)}: {reason}", False)
    dead = _count(records, "dead_at")
    if dead:
        yield Alert(f"A dead discriminator in {_trials(dead)}", False)


def _count(records: Sequence[Row], column: str) -> int:
    return sum(row[column] is not None for row in records)


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"
