"""A trial whose puts a network holds back has the rows of an undisturbed one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweep.run.recorder import Recorder
from sweep.run.trainable import Task, run
from sweep.store.store import Store
from tests.stored_rows import TABLES, lasting_rows
from tests.sweep.proxy import Proxy
from trainer.config.trial import trial_config

CONFIG = trial_config("digits", "C_8-32", "sn", 0, iterations=6)
PASSING = {"seconds", "started_at", "updated_at", "attempt", "images_per_second"}


def trained(root: Path | str, **more: Any) -> dict[str, list[dict[str, str]]]:
    """Rows of the trial that is run there, without times and attempt; NaN as text."""
    task = Task(results=str(root), stop_on_collapse=False)
    run(CONFIG, task, more.get("report", lambda report: None))
    store = Store(root)
    return {table: lasting_rows(store, table, CONFIG.trial_id, PASSING) for table in TABLES}


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [True, False])
def test_late_puts_of_every_table(
    behind_proxy: tuple[str, Proxy], tmp_path: Path, ordered: bool
) -> None:
    root, proxy = behind_proxy
    proxy.refuses_conditions = not ordered
    whole = trained(tmp_path)
    for table in TABLES:
        proxy.hold("PUT", f"{table}/{CONFIG.trial_id}")
    statuses: list[int] = []

    def let_go_at_the_end(report: dict[str, Any]) -> None:
        if report["status"] == "completed":
            statuses.extend(proxy.let_go())

    assert trained(root, report=let_go_at_the_end) == whole
    assert statuses == [412 if ordered else 200] * len(TABLES)


@pytest.mark.slow
def test_a_sample_that_is_not_reached_again_goes_when_the_trial_ends(
    behind_proxy: tuple[str, Proxy],
) -> None:
    """Those that are reached are replaced, and not removed before: the removal may come late."""
    root, proxy = behind_proxy
    trained(root)
    store = Store(root)
    (row,) = store.read_rows("trials", CONFIG.trial_id)
    store.write_rows("trials", CONFIG.trial_id, [row | {"status": "running"}])
    for checkpoint in store.list(f"checkpoints/{CONFIG.trial_id}"):
        if int(checkpoint.key) == CONFIG.iterations:
            store.delete(checkpoint.path)
    store.write(f"samples/{CONFIG.trial_id}/99.png", b"of another course")
    made = proxy.count(lambda: trained(root))
    removed = [request for request in made if request.startswith("DELETE") and "png" in request]
    assert removed == ["DELETE 99.png"]
    kept = sorted(int(file.key) for file in store.list(f"samples/{CONFIG.trial_id}"))
    assert kept == [*range(CONFIG.iterations + 1)]


class Killed(BaseException):
    """What ends a process at once."""


def test_who_is_killed_while_it_tidies_up_has_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would tidy up: an ended trial is left alone."""
    drop_checkpoints = Recorder._drop_checkpoints

    def drop_or_die(recorder: Recorder, patience: int) -> None:
        if patience == 0:
            raise Killed
        drop_checkpoints(recorder, patience)

    monkeypatch.setattr(Recorder, "_drop_checkpoints", drop_or_die)
    with pytest.raises(Killed):
        trained(tmp_path)
    (row,) = Store(tmp_path).read_rows("trials", CONFIG.trial_id)
    assert row["status"] == "running"
    monkeypatch.undo()
    trained(tmp_path)
    (row,) = Store(tmp_path).read_rows("trials", CONFIG.trial_id)
    assert row["status"] == "completed"
