"""Where a trial comes from and what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from api.models import Relative
from api.reading.memo import once
from api.reading.snapshot import Row, Snapshot


def ancestors(snapshot: Snapshot, record: Row) -> list[Relative]:
    """The parent, its parent, and so on, as far as the store has them."""
    found: list[Relative] = []
    seen = {record["trial_id"]}
    while (parent := record["parent"]) in snapshot.records and parent not in seen:
        above = snapshot.records[parent]
        found.append(_relative(above, record["parent_iteration"]))
        seen.add(parent)
        record = above
    return found


def children(snapshot: Snapshot, record: Row) -> list[Relative]:
    """Trials that branched off it, by the iteration of the branch."""
    own = _branches(snapshot).get(record["trial_id"], [])
    found = [_relative(row, row["parent_iteration"]) for row in own]
    return sorted(found, key=lambda one: (one.at or 0, one.trial_id))


@once(size=2)
def _branches(snapshot: Snapshot) -> Mapping[str, list[Row]]:
    branches: dict[str, list[Row]] = {}
    for row in snapshot.records.values():
        if row["parent"] is not None:
            branches.setdefault(row["parent"], []).append(row)
    return branches


def _relative(row: Row, at: int | None) -> Relative:
    return Relative(
        trial_id=row["trial_id"],
        method=row["method"],
        i_ratio=row["i_ratio"],
        at=at,
        status=row["status"],
    )
