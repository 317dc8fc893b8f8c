"""What somebody who looks after a sweep has to know first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from api.reading.snapshot import Row


@dataclass(frozen=True, slots=True)
class Alert:
    """`query` lists the trials that it is about, as parameters of a list of trials."""

    sentence: str
    serious: bool
    query: dict[str, str] = field(default_factory=dict)


def alerts(state: str, sentence: str, records: Sequence[Row]) -> list[Alert]:
    """The serious ones first: a driver that is gone, failures, NaN; then what collapsed."""
    found = [Alert(sentence, serious=True)] if state in ("stalled", "interrupted") else []
    found += _failed([row for row in records if row["status"] == "failed"])
    diverged = _count(records, "diverged_at")
    if diverged:
        found.append(
            Alert(f"{_trials(diverged)} diverged: a loss or a weight was not finite", True)
        )
    return [*found, *_collapsed(records)]


def _failed(rows: Sequence[Row]) -> Iterator[Alert]:
    if not rows:
        return
    reasons = Counter((row["traceback"] or "").strip().rpartition("\n")[2] for row in rows)
    reason, n = reasons.most_common(1)[0]
    of = "" if n == len(rows) else f", {n} of them with"
    told = f"{of}: {reason[:200]}" if reason else ""
    yield Alert(f"{_trials(len(rows))} failed{told}", True, {"status": "failed"})


def _collapsed(records: Sequence[Row]) -> Iterator[Alert]:
    begun = [row for row in records if row["status"] != "planned"]
    seen = [row for row in begun if row["mode_collapse_at"] is not None]
    if seen:
        by_method = Counter(row["method"] for row in seen)
        of = Counter(row["method"] for row in begun)
        told = ", ".join(f"{m} {n} of {of[m]}" for m, n in by_method.most_common())
        yield Alert(f"Mode collapse in {_trials(len(seen))}: {told}", False, {"collapsed": "true"})
    dead = _count(records, "dead_at")
    if dead:
        yield Alert(f"A dead discriminator in {_trials(dead)}", False)


def _count(records: Sequence[Row], column: str) -> int:
    return sum(row[column] is not None for row in records)


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"
