"""Entry of a recorded run in the plan of its sweep, by which every command finds it."""

from __future__ import annotations

from sweep.recording.rows import plan_row
from sweep.store.owners import has_live_owner
from sweep.store.ownership import read_owner
from sweep.store.store import Store, StoreError
from sweep.store.tables import columns, file_of, parse, pylist, table_path
from sweep.store.trial_ownership import owner_in_words
from trainer.config.lookup import UsageError
from trainer.config.own_trial import OwnTrial

# Where updates are not exclusive, another run that enters meanwhile may replace an entry.
TRIES = 5


def enter_plan(store: Store, sweep: str, trial: OwnTrial) -> None:
    """Adds the trial to the sweep's plan, unless it stands there.

    Raises UsageError where a driver is at work on the plan, or it has trials of this project;
    StoreError if the entry does not last.
    """
    path = table_path("sweeps", sweep)

    def entered(content: bytes | None) -> bytes | None:
        rows = [] if content is None else pylist(parse(content, "sweeps"))
        foreign = next((row for row in rows if row["profile"] != trial.profile), None)
        if foreign is not None:
            raise UsageError(
                f"sweep {sweep!r} has trials of this project, for example {foreign['trial_id']}: "
                "give the run another name"
            )
        if any(row["trial_id"] == trial.trial_id for row in rows):
            return None
        _check_undriven(store, sweep)
        rows.append(plan_row(sweep, trial, len(rows)))
        return file_of("sweeps", columns("sweeps", rows))

    for _ in range(TRIES):
        store.update(path, entered)
        if any(row["trial_id"] == trial.trial_id for row in store.read_rows("sweeps", sweep)):
            return
    raise StoreError(f"cannot enter {trial.trial_id} in {path} of {store.place}")


def _check_undriven(store: Store, sweep: str) -> None:
    path = f"sweeps/{sweep}.json"
    if has_live_owner(store, path):
        owner = owner_in_words(read_owner(store, path) or {})
        raise UsageError(f"sweep {sweep!r} is being run by {owner}: give the run another name")
