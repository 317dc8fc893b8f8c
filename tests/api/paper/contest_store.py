"""A store for the contest of the detectors: collapsed and healthy runs of known alarms."""

from __future__ import annotations

from typing import Any

from sweep.store.store import Store
from tests.api.stores import identity, write_trial


def write_run(
    store: Store, method: str, seed: int, *, fell: bool, spectrum: float, **row: Any
) -> str:
    """A run of 1,500 iterations; its spectrum is at that share of its first value from 300 on."""
    who = identity("C_32-32", method, seed)
    trial_id = who["trial_id"]
    write_trial(store, who)
    rows = store.read_rows("evaluations", trial_id)
    first = rows[0]["sigma2_ratio"]
    for evaluation in rows:
        late = evaluation["iteration"] >= 300
        evaluation["sigma2_ratio"] = [spectrum * v if late else v for v in first]
    store.write_rows("evaluations", trial_id, rows)
    (stored,) = store.read_rows("trials", trial_id)
    changes = {"status": "completed", "mode_collapse_at": 600 if fell else None}
    store.write_rows("trials", trial_id, [stored | changes | row])
    return trial_id


def fill_contest(store: Store) -> None:
    """The sigma rule knows SN's collapses 150 iterations before, and sr-iso's never."""
    for seed in (0, 1, 2, 100, 101):
        write_run(store, "sn", seed, fell=True, spectrum=0.5)
        write_run(store, "sr-static", seed, fell=False, spectrum=1.0)
    write_run(store, "sr-iso", 0, fell=True, spectrum=1.0)
    write_run(store, "sn-renorm", 0, fell=False, spectrum=0.5)
