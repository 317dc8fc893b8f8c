"""A real MLflow server on SQLite, and MLflow's store of files, which doubles what is repeated."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sweep.mirrors.mlflow import Mlflow, opened
from sweep.mirrors.tracker import Refused
from tests.conftest import free_port
from tests.sweep.mirrors.mlflow_server import points, serving
from tests.sweep.mirrors.stored_sweep import EVERY, NAMES, StoredSweep, mirror_once
from trainer.config.lookup import UsageError

pytest.importorskip("mlflow", reason="mlflow is not installed: pip install mlflow-skinny")
# A server is a process of its own, which takes ten seconds to start.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@pytest.fixture
def tracker(server: str, request: pytest.FixtureRequest) -> Mlflow:
    return opened(server, request.node.name)


def without_infinity(points: dict[str, list[tuple[int, float]]]) -> Any:
    """As MLflow gets them: infinity is no number of its SQL stores."""
    return {
        name: [(step, math.nan if math.isinf(value) else value) for step, value in values]
        for name, values in points.items()
    }


def found(tracker: Mlflow) -> dict[str, Any]:
    experiment = tracker.client.get_experiment_by_name(tracker.experiment)
    assert experiment is not None
    stored = tracker.client.search_runs([experiment.experiment_id])
    assert len({run.data.tags["trial_id"] for run in stored}) == len(stored)
    return {run.data.tags["trial_id"]: run for run in stored}


def assert_once(sweep: StoredSweep, tracker: Mlflow, *trials: int) -> None:
    stored = found(tracker)
    for k in trials:
        there = points(tracker.address, stored[f"t{k}"].info.run_id, NAMES)
        assert repr(there) == repr(without_infinity(sweep.points(k)))


def test_each_point_is_there_once(sweep: StoredSweep, tracker: Mlflow) -> None:
    follower = sweep.follower(tracker)
    for k in (0, 1, 0, 0):
        sweep.evaluate(k)
        mirror_once(follower)
    sweep.write(0, status="completed", dead_at=50, healthy=False, final_fd_digits=7.0)
    mirror_once(follower)
    mirror_once(sweep.follower(opened(tracker.address, tracker.experiment)))
    assert_once(sweep, tracker, 0, 1)
    run = found(tracker)["t0"]
    assert run.info.status == "FINISHED"
    assert found(tracker)["t1"].info.status == "RUNNING"
    assert run.data.params == {"method": "sn", "channels": "16", "decays": "true"}
    assert run.data.tags["verdict"] == "dead D at 50"
    assert run.data.tags["infinite.d_loss.100"] == "-Infinity"
    assert "http://lab:8000/view/trials/t0" in run.data.tags["mlflow.note.content"]
    assert run.data.metrics["final/fd_digits"] == 7.0
    paths = [file.path for file in tracker.client.list_artifacts(run.info.run_id, "images")]
    assert len(paths) == 2 * 3
    assert [f.path for f in tracker.client.list_artifacts(run.info.run_id)] == [
        "images",
        "spectra.parquet",
    ]


def test_marks_that_were_lost_are_looked_for(sweep: StoredSweep, tracker: Mlflow) -> None:
    sweep.evaluate(0, 2, status="completed", final_fd_digits=7.0)
    follower = sweep.follower(tracker)
    mirror_once(follower)
    follower.marks.by_trial.clear()
    follower.marks.note({})
    sweep.evaluate(0, status="completed", final_fd_digits=7.0)
    mirror_once(sweep.follower(opened(tracker.address, tracker.experiment)))
    assert_once(sweep, tracker, 0)
    run_id = found(tracker)["t0"].info.run_id
    history = tracker.client.get_metric_history(run_id, "final/fd_digits")
    assert [metric.value for metric in history] == [7.0]


def test_more_than_a_request_takes_is_sent_in_several(sweep: StoredSweep, tracker: Mlflow) -> None:
    sweep.evaluate(0, 170)
    mirror_once(sweep.follower(tracker))
    assert_once(sweep, tracker, 0)
    assert sweep.iterations[0] == 169 * EVERY


def test_a_run_that_was_removed_is_refused(sweep: StoredSweep, tracker: Mlflow) -> None:
    said: list[str] = []
    sweep.evaluate(0)
    follower = sweep.follower(tracker, said.append)
    mirror_once(follower)
    tracker.client.delete_run(found(tracker)["t0"].info.run_id)
    sweep.evaluate(0)
    mirror_once(follower)
    (line,) = said
    assert "refuses t0: " in line
    assert follower.refused == {"t0"}


def test_a_server_that_is_away_loses_nothing(sweep: StoredSweep, server: str) -> None:
    port, said = free_port(), []
    tracker = opened(f"http://user:secret@127.0.0.1:{port}", "away")
    follower = sweep.follower(tracker, said.append)
    sweep.evaluate(0)
    mirror_once(follower)
    assert len(said) == 1
    assert f"http://127.0.0.1:{port} experiment away is away: " in said[0]
    assert "secret" not in said[0]
    tracker.client = opened(server, "away").client
    follower._next_try = 0.0
    mirror_once(follower)
    assert_once(sweep, opened(server, "away"), 0)
    assert said[1:] == [f"http://127.0.0.1:{port} experiment away is back"]


def test_a_server_that_refuses_is_bad_input() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with pytest.raises(UsageError, match=r"http://127.0.0.1:\d+ refuses: .*401"):
            opened(f"http://user:secret@127.0.0.1:{server.server_port}", "demo")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_store_of_files_is_not_doubled(
    sweep: StoredSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tracker = opened(f"file://{tmp_path}/mlruns", "demo")
    sweep.evaluate(0, 3)
    follower = sweep.follower(tracker)
    mirror_once(follower)
    before = follower.marks.of("t0")
    follower.marks.by_trial.clear()
    follower.marks.doubt(["t0"])
    mirror_once(sweep.follower(opened(tracker.address, "demo")))
    assert_once(sweep, tracker, 0)
    assert follower.marks.of("t0").in_doubt
    assert before.run_id == found(tracker)["t0"].info.run_id


def test_a_request_that_the_server_judges_is_refused(sweep: StoredSweep, tracker: Mlflow) -> None:
    sweep.evaluate(0, config='{"no*name": 1}')
    follower = sweep.follower(tracker)
    follower.look()
    with pytest.raises(Refused, match="no\\*name"):
        tracker.send(follower.queue[0], [], None, in_doubt=False)
