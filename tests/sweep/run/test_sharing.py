"""Sweeps that several starts share: the order of trials, the record, two starts for real."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.run.sharing import SharedRecord, own_first, task_and_tasks
from sweep.store.ownership import Ownership, acquire, read_owner
from sweep.store.store import Store
from tests.sweep.small_sweep import Driver, wait_until
from trainer.config.trial import trial_config

PATH = "sweeps/s.json"
TRIALS = [trial_config("digits", "C_8-32", "sn", seed, iterations=10) for seed in range(7)]


def seeds(task: int, tasks: int) -> list[int]:
    return [config.seed for config in own_first(TRIALS, task, tasks)]


def test_every_start_begins_with_trials_of_its_own() -> None:
    assert seeds(0, 1) == [0, 1, 2, 3, 4, 5, 6]
    assert seeds(0, 3) == [0, 3, 6, 1, 4, 2, 5]
    assert seeds(1, 3) == [1, 4, 2, 5, 0, 3, 6]
    assert seeds(2, 3) == [2, 5, 0, 3, 6, 1, 4]
    assert sorted(seeds(9, 20)) == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, (0, 1)),
        ({"ID": 2, "COUNT": 4, "MIN": 0, "STEP": 1}, (2, 4)),
        ({"ID": 7, "COUNT": 4, "MIN": 1, "STEP": 2}, (3, 4)),
        ({"ID": 40, "COUNT": 3, "MIN": 5, "STEP": 1}, (2, 3)),  # --array=5,6,40
    ],
)
def test_a_task_of_an_array_knows_its_place(
    variables: dict[str, int], expected: tuple[int, int]
) -> None:
    environment = {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in variables.items()}
    # A batch job has these of its own.
    environment |= {"SLURM_PROCID": "0"}
    assert task_and_tasks(environment) == expected


def test_a_task_of_a_step_knows_its_place() -> None:
    assert task_and_tasks({"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "3"}) == (2, 3)
    assert task_and_tasks({"SLURM_PROCID": "", "SLURM_STEP_NUM_TASKS": "many"}) == (0, 1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def record(store: Store) -> Iterator[Callable[[], SharedRecord]]:
    records: list[SharedRecord] = []

    def acquired() -> Ownership | None:
        return acquire(store, PATH, wait=False, state="running")

    def made() -> SharedRecord:
        records.append(SharedRecord(acquired))
        return records[-1]

    yield made
    for each in records:
        each.release()


def written(store: Store) -> dict[str, Any]:
    return read_owner(store, PATH) or {}


def row() -> dict[str, Any]:
    return {"sweep": "s", "position": 0, "trial_id": "t"}


def test_one_start_writes_the_record_and_the_next_goes_on(
    store: Store, record: Callable[[], SharedRecord]
) -> None:
    first, second = record(), record()
    assert first.ownership is not None
    assert second.ownership is None
    second.tell(slots=2)
    second.write_rows("sweeps", "s", [row()])
    second.check()
    assert written(store)["attempt"] == first.ownership.attempt
    assert store.read_rows("sweeps", "s") == []
    first.leave()
    first.release("finished")
    assert written(store) == {}  # nothing ends here: there are trials that others train
    second.check()
    assert second.ownership is not None
    assert [r["trial_id"] for r in store.read_rows("sweeps", "s")] == ["t"]
    second.release("finished")
    assert (written(store)["state"], written(store)["slots"]) == ("finished", 2)


def test_a_start_that_was_superseded_shares_on(
    store: Store, record: Callable[[], SharedRecord]
) -> None:
    first = record()
    assert first.ownership is not None
    store.write(PATH, json.dumps(written(store) | {"attempt": "another"}).encode())
    first.check()
    assert first.ownership is None
    first.tell(slots=1)


def test_who_ends_last_says_how_it_ended(store: Store, record: Callable[[], SharedRecord]) -> None:
    """Though the one before has left within the last seconds."""
    first, second = record(), record()
    first.leave()
    first.release("finished")
    second.release("failed")
    assert written(store)["state"] == "failed"


@pytest.mark.slow
def test_two_starts_train_each_trial_once_and_neither_waits(
    environment: dict[str, str], tmp_path: Path
) -> None:
    root, trials = tmp_path / "results", 4
    command = (
        *("sweep.table1", "--profile=digits", "--settings=C_8-32", "--methods=sn"),
        *(f"--seeds=0-{trials - 1}", "--iterations=20", "--no-stop-on-collapse"),
        *("--max-concurrent=1", "--share", "--name=shared", "--json", f"--results={root}"),
    )
    array = environment | {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "0"}
    starts = []
    for task in range(2):
        own = array | {"SLURM_ARRAY_TASK_ID": str(task)}
        starts.append(Driver(own, tmp_path / f"log{task}", *command))
        if not task:  # the second start comes while the first one has the record
            wait_until((root / "sweeps/shared.json").exists, 60)
    assert [start.wait() for start in starts] == [0, 0]
    trained = [
        {e["trial_id"] for e in start.events() if e.get("status") == "running"} for start in starts
    ]
    assert all(trained), "each has trained"
    counts = Counter(trial_id for ids in trained for trial_id in ids)
    assert len(counts) == trials
    assert set(counts.values()) == {1}
    store = Store(root)
    for trial_id in counts:
        (stored,) = store.read_rows("trials", trial_id)
        assert stored["status"] == "completed"
        iterations = [row["iteration"] for row in store.read_rows("evaluations", trial_id)]
        assert iterations == sorted(set(iterations))
    assert written_state(store) == "finished"
    assert store.list("claims") == []


def written_state(store: Store) -> str:
    return json.loads(store.read("sweeps/shared.json") or b"{}")["state"]
