"""Trials without Ray: what is in the store when one ends, fails, or goes on from a checkpoint."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from sweep.run import driver_contact, trainable
from sweep.run.trainable import Task, run
from sweep.store import requests
from sweep.store.schemas import SCHEMAS
from sweep.store.store import Store
from tests.campaign.comparison import digest_of
from tests.stored_rows import TABLES, lasting_rows
from trainer.config.own_images import OwnImages, Reading
from trainer.config.settings import METHODS
from trainer.config.trial import TrialConfig, trial_config
from trainer.interruption import Interrupted
from trainer.parallel.processes import RankDied
from trainer.thresholds import DEFAULT_THRESHOLDS

CONFIG = trial_config("digits", "C_8-32", "sr-static", 0, iterations=6)


def trial(root: Path, config: TrialConfig = CONFIG, **task: Any) -> list[dict[str, Any]]:
    """Runs a trial here; returns what it reported."""
    reports: list[dict[str, Any]] = []
    task.setdefault("stop_on_collapse", False)
    run(config, Task(results=str(root), **task), reports.append)
    return reports


FAILED = {"trial": CONFIG.trial_id, "status": "failed", "out_of_memory": False}


def unfinished(whole: Path, root: Path) -> Store:
    """A copy of the store in which the trial has not ended."""
    store = Store(root)
    for file in (path for path in whole.rglob("*") if path.is_file()):
        store.write(str(file.relative_to(whole)), file.read_bytes())
    (row,) = store.read_rows("trials", CONFIG.trial_id)
    store.write_rows("trials", CONFIG.trial_id, [row | {"status": "running"}])
    return store


def contents(root: Path) -> dict[str, Any]:
    """All that is stored of CONFIG, without times, host and attempt; NaN as text."""
    store = Store(root)
    tables = {table: lasting_rows(store, table, CONFIG.trial_id) for table in TABLES}
    samples = {f.key: store.read(f.path) for f in store.list(f"samples/{CONFIG.trial_id}")}
    checkpoints = [f.key for f in store.list(f"checkpoints/{CONFIG.trial_id}")]
    return {**tables, "samples": samples, "checkpoints": checkpoints}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with CONFIG run without interruption, and its reports beside it."""
    root = tmp_path_factory.mktemp("whole")
    reports = trial(root)
    (root / "reports.json").write_text(json.dumps(reports, allow_nan=False))
    return root


def test_a_completed_trial(whole: Path) -> None:
    store = Store(whole)
    (row,) = store.read_rows("trials", CONFIG.trial_id)
    evaluations = store.read_rows("evaluations", CONFIG.trial_id)
    assert [e["iteration"] for e in evaluations] == list(range(7))
    assert (row["status"], row["iteration"], row["final_iteration"]) == ("completed", 6, 6)
    assert row["final_n_samples"] == 10_000
    assert row["objective"] == row["best_fd_digits"]
    assert row["best_fd_digits"] in [e["fd_digits"] for e in evaluations]
    assert row["micro_batch"] == row["batch_size"]
    assert row["seconds"] > evaluations[-1]["seconds"]
    protocol, software = json.loads(row["protocol"]), json.loads(row["software"])
    assert protocol["classifier_sha256"] == CONFIG.scorer
    assert 0.9 < protocol["held_out_accuracy"] <= 1
    assert set(software) >= {"python", "torch", "ray", "srgan-sweep"}
    assert json.loads(row["thresholds"])["patience"] == 3
    missing = {name for name, value in row.items() if value is None}
    assert missing >= {"traceback", "stop_reason", "final_fid", "best_fid"}
    assert set(row) == set(SCHEMAS["trials"].names)


def test_every_evaluation_has_its_outputs(whole: Path) -> None:
    rows = Store(whole).read_rows("outputs", CONFIG.trial_id)
    assert [row["iteration"] for row in rows] == [at for at in range(7) for _ in range(6)]
    assert all(sum(row["counts"]) + row["not_finite"] == 512 for row in rows)


def test_every_evaluation_has_its_spectra_and_samples(whole: Path) -> None:
    store = Store(whole)
    spectra = store.read_rows("spectra", CONFIG.trial_id)
    # One iteration lies between two evaluations; none before the first.
    assert all(len(row["stable_ranks"]) == min(row["iteration"], 1) for row in spectra)
    assert sorted((r["iteration"], r["layer"]) for r in spectra) == [
        (iteration, layer) for iteration in range(7) for layer in range(10)
    ]
    for row in spectra:
        values = row["singular_values"]
        assert values == sorted(values, reverse=True)
    samples = store.list(f"samples/{CONFIG.trial_id}")
    assert sorted(int(f.key) for f in samples) == list(range(7))
    content = store.read(samples[0].path)
    assert content is not None
    assert content.startswith(b"\x89PNG")


def test_the_newest_two_checkpoints_and_the_best_are_kept(whole: Path) -> None:
    store = Store(whole)
    (row,) = store.read_rows("trials", CONFIG.trial_id)
    kept = {int(f.key) for f in store.list(f"checkpoints/{CONFIG.trial_id}")}
    assert kept == {5, 6, row["best_iteration"]}


def test_no_ownership_is_left(whole: Path) -> None:
    assert Store(whole).list("claims") == []


def test_reports_are_small_and_finite(whole: Path) -> None:
    reports = json.loads((whole / "reports.json").read_text())
    assert [r["iteration"] for r in reports] == [*range(7), 6]
    assert [r["status"] for r in reports] == ["running"] * 7 + ["completed"]
    assert {r["trial"] for r in reports} == {CONFIG.trial_id}
    assert all(len(r) < 15 for r in reports)


def test_a_killed_trial_goes_on_and_is_the_same(
    whole: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    code = (
        "import sys; from trainer.config.trial import trial_config\n"
        "from sweep.run.trainable import Task, run\n"
        "run(trial_config('digits', 'C_8-32', 'sr-static', 0, iterations=6),\n"
        "    Task(results=sys.argv[1], stop_on_collapse=False), lambda report: None)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    checkpoint = tmp_path / f"checkpoints/{CONFIG.trial_id}/2.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    stored = Store(tmp_path).read_rows("trials", CONFIG.trial_id)
    assert stored[0]["status"] == "running"
    reports = trial(tmp_path)
    assert 2 <= reports[0]["iteration"] - 1 == reports[0]["resumed_at"]
    assert contents(tmp_path) == contents(whole)


def test_what_came_after_the_checkpoint_is_written_again(whole: Path, tmp_path: Path) -> None:
    """As after a kill between the rows and the checkpoint: rows of 5 and 6, checkpoint of 4."""
    store = unfinished(whole, tmp_path)
    for at in (5, 6):
        store.delete(f"checkpoints/{CONFIG.trial_id}/{at}.pt")
    best = contents(whole)["checkpoints"]
    reports = trial(tmp_path)
    assert reports[0]["iteration"] > 0
    assert contents(tmp_path) | {"checkpoints": best} == contents(whole)


def test_a_start_that_fails_keeps_what_an_earlier_one_measured(
    whole: Path, tmp_path: Path
) -> None:
    store = unfinished(whole, tmp_path)
    store.write(f"checkpoints/{CONFIG.trial_id}/6.pt", b"no checkpoint")
    before, (row,) = contents(tmp_path), store.read_rows("trials", CONFIG.trial_id)
    assert trial(tmp_path) == [FAILED]
    (failed,) = store.read_rows("trials", CONFIG.trial_id)
    changed = {name for name in failed if repr(failed[name]) != repr(row[name])}
    assert changed == {"status", "traceback", "updated_at", "attempt", "failures"}
    assert contents(tmp_path) | {"trials": before["trials"]} == before


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_measures_has_its_columns(method: str, tmp_path: Path) -> None:
    # The Hessians of both players take seconds per evaluation: with one method only.
    k = 1 if method == "sn" else None
    config = trial_config(
        "digits", "C_8-32", method, 0, iterations=1, final_samples=1000, hessian_k=k
    )
    trial(tmp_path, config)
    store = Store(tmp_path)
    (row,) = store.read_rows("trials", config.trial_id)
    assert (row["status"], row["form"]) == ("completed", METHODS[method].form), row["traceback"]
    last = store.read_rows("evaluations", config.trial_id)[-1]
    hessians = [last[f"{player}_hessian{of}"] for player in "gd" for of in ("", "_residual")]
    assert [found and len(found) for found in hessians] == [config.hessian_k] * 4
    assert (last["d_penalty_ratio"] is not None) == METHODS[method].simultaneous
    assert last["images_per_second"] > 0


PAPER = {"iterations": 4, "device": "cpu", "scorer": "0" * 64}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"other weights", "but the trial was planned with the Inception weights 0000"),
        (None, "no Inception weights at"),
    ],
)
def test_a_worker_with_other_weights_says_so(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    """Before it looks for any data."""
    config = trial_config("paper", "C_8-32", "sn", 0, **PAPER)
    weights = tmp_path / "weights.pth"
    if content is not None:
        weights.write_bytes(content)
    task = {"inception_weights": str(weights), "allow_other_weights": True}
    assert trial(tmp_path, config, **task) == [FAILED | {"trial": config.trial_id}]
    (row,) = Store(tmp_path).read_rows("trials", config.trial_id)
    assert says in row["traceback"]
    assert str(weights) in row["traceback"]
    assert row["iteration"] == 0


def test_a_run_too_short_to_be_judged_is_not_stopped(tmp_path: Path) -> None:
    config = trial_config("digits", "C_8-32", "sr-static", 0, iterations=12)
    reports = trial(tmp_path, config, stop_on_collapse=True)
    (row,) = Store(tmp_path).read_rows("trials", config.trial_id)
    assert (row["status"], row["mode_collapse_at"], row["healthy"]) == ("completed", None, None)
    assert set(json.loads(row["not_judged"])) == {"mode_collapse", "spectral_collapse", "dead"}
    assert reports[-1]["verdict"] == "not judged"


def test_collapse_stops_a_trial_and_it_can_go_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So few iterations never become good: the verdict, if it is let, comes before the end."""
    monkeypatch.setattr("trainer.collapse.thresholds_for", lambda config: DEFAULT_THRESHOLDS)
    config = trial_config("digits", "C_8-32", "sr-static", 0, iterations=16)
    reports = trial(tmp_path, config, stop_on_collapse=True)
    (row,) = Store(tmp_path).read_rows("trials", config.trial_id)
    assert (row["status"], reports[-1]["status"]) == ("collapsed", "collapsed")
    assert row["stop_reason"] == "mode collapse"
    assert row["mode_collapse_at"] < row["iteration"] < 16
    assert row["best_iteration"] < row["mode_collapse_at"]
    kept = [int(f.key) for f in Store(tmp_path).list(f"checkpoints/{config.trial_id}")]
    assert row["best_iteration"] in kept, "a rescue branches from the best before the collapse"
    began = row["started_at"]

    stopped_at = row["iteration"]
    reports = trial(tmp_path, config, stop_on_collapse=False)
    (row,) = Store(tmp_path).read_rows("trials", config.trial_id)
    assert reports[0]["resumed_at"] == stopped_at
    assert (row["status"], row["iteration"], row["stop_reason"]) == ("completed", 16, None)
    assert row["started_at"] == began
    rows = Store(tmp_path).read_rows("evaluations", config.trial_id)
    assert [r["iteration"] for r in rows] == list(range(17))


def test_a_trial_that_raises_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / f"checkpoints/{CONFIG.trial_id}/3.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no checkpoint")
    reports = trial(tmp_path)
    assert reports == [FAILED]
    (row,) = Store(tmp_path).read_rows("trials", CONFIG.trial_id)
    assert row["status"] == "failed"
    assert "Traceback" in row["traceback"]
    assert "from_bytes" in row["traceback"]
    assert Store(tmp_path).list("claims") == []


def test_the_death_of_a_rank_is_that_of_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tune starts the trial again: nothing is recorded as failed, and its files have no owner."""

    @contextlib.contextmanager
    def launched_ranks(*_: Any, **__: Any) -> Iterator[None]:
        raise RankDied("rank 1 of 2 (process 7) was killed by SIGKILL")
        yield

    monkeypatch.setattr(trainable, "launched_ranks", launched_ranks)
    with pytest.raises(RankDied, match="rank 1 of 2"):
        trial(tmp_path)
    store = Store(tmp_path)
    (row,) = store.read_rows("trials", CONFIG.trial_id)
    assert (row["status"], row["failures"]) == ("running", 0)
    assert store.list("claims") == []
    monkeypatch.undo()
    assert trial(tmp_path)[-1]["status"] == "completed"


def test_failures_are_counted(tmp_path: Path) -> None:
    path = tmp_path / f"checkpoints/{CONFIG.trial_id}/3.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no checkpoint")
    for n in (1, 2):
        trial(tmp_path)
        (row,) = Store(tmp_path).read_rows("trials", CONFIG.trial_id)
        assert row["failures"] == n


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_out_of_memory_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: RuntimeError
) -> None:
    def train(*args: Any) -> None:
        raise error

    monkeypatch.setattr(trainable, "train", train)
    assert trial(tmp_path, cpus=2.0, gpus=0.25) == [FAILED | {"out_of_memory": True}]
    (row,) = Store(tmp_path).read_rows("trials", CONFIG.trial_id)
    assert (row["status"], row["cpus"], row["gpus"]) == ("failed", 2.0, 0.25)
    assert str(error) in row["traceback"]


def test_a_trial_that_another_start_has_ended_is_left_as_it_is(
    whole: Path, tmp_path: Path
) -> None:
    store = unfinished(whole, tmp_path)
    path = f"trials/{CONFIG.trial_id}.parquet"
    row = (whole / path).read_bytes()
    store.write(path, row)
    (report,) = trial(tmp_path)
    assert (report["status"], report["iteration"], report["spent"]) == ("completed", 6, 0)
    assert store.read(path) == row, "not even its attempt"


def test_a_trial_that_another_start_trains_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainable, "OWNER_SECONDS", 0.3)
    store, path = Store(tmp_path), f"claims/{CONFIG.trial_id}.json"
    owner = {"host": "far", "pid": 7, "attempt": "x", "heartbeat": datetime.now(UTC).isoformat()}
    store.write(path, json.dumps(owner).encode())
    owner_fields = {f"owner_{name}": owner[name] for name in ("host", "pid", "heartbeat")}
    waiting = {"trial": CONFIG.trial_id, "status": "waiting", **owner_fields}
    assert trial(tmp_path) == [waiting]
    assert json.loads(store.read(path) or b"") == owner
    assert store.list("trials") == []


def test_a_trial_that_cannot_reach_its_driver_gives_up_its_files_and_writes_no_more(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver takes nothing after iteration 2, until another start has gone further."""
    monkeypatch.setattr(driver_contact, "CONTACT_SECONDS", 0.5)
    store, reports = Store(tmp_path), []
    path = f"claims/{CONFIG.trial_id}.json"

    def report(said: dict[str, Any]) -> None:
        reports.append(said)
        if said.get("iteration") == 2:
            deadline = time.monotonic() + 60
            while store.read(path) is not None:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            trial(tmp_path)  # another start, which ends the trial

    run(CONFIG, Task(results=str(tmp_path), stop_on_collapse=False), report)
    assert [r["status"] for r in reports] == ["running"] * 3 + ["superseded"]
    assert contents(tmp_path) == contents(whole)
    assert store.list("claims") == []


@pytest.mark.parametrize("action", [requests.STOP_SWEEP, requests.STOP_TRIAL])
def test_a_request_stops_it_at_the_next_evaluation(
    whole: Path, tmp_path: Path, action: str
) -> None:
    store = Store(tmp_path)
    reports: list[dict[str, Any]] = []

    def report(said: dict[str, Any]) -> None:
        reports.append(said)
        if said.get("iteration") == 2:
            requests.ask(store, "other", action, CONFIG.trial_id)
        if said.get("iteration") == 3:
            requests.ask(store, "mine", action, CONFIG.trial_id)

    run(CONFIG, Task(results=str(tmp_path), sweep="mine", stop_on_collapse=False), report)
    assert [r.get("iteration") for r in reports] == [0, 1, 2, 3, None]
    assert reports[-1]["status"] == "stopped"
    (row,) = store.read_rows("trials", CONFIG.trial_id)
    assert (row["status"], row["iteration"]) == ("stopped", 3)
    trial(tmp_path)
    assert contents(tmp_path) == contents(whole)


SELDOM = trial_config("digits", "C_8-32", "sr-static", 0, iterations=12, evaluate_every=5)


def whole_contents(root: Path) -> dict[str, Any]:
    """All of SELDOM that lasts, with its newest checkpoint as a digest."""
    store = Store(root)
    found: dict[str, Any] = {t: lasting_rows(store, t, SELDOM.trial_id) for t in TABLES}
    for folder in ("samples", "checkpoints"):
        found[folder] = [file.key for file in store.list(f"{folder}/{SELDOM.trial_id}")]
    content = store.read(f"checkpoints/{SELDOM.trial_id}/{SELDOM.iterations}.pt")
    assert content is not None
    return found | {"state": digest_of(torch.load(io.BytesIO(content), weights_only=True))}


def test_a_trial_that_is_told_to_end_saves_where_it_is(tmp_path: Path) -> None:
    """Told at its first question, its second and so on; each time it goes on from there."""
    trial(tmp_path / "whole", SELDOM)
    root, saved = tmp_path / "ended", [0]
    store, task = Store(root), Task(results=str(root), stop_on_collapse=False)
    for questions in (1, 3, 1, 6, 4, 8, 2):
        left, reports = iter(range(questions)), []

        def report(said: dict[str, Any], reports: list[dict[str, Any]] = reports) -> None:
            if said["status"] == "stopped":
                assert store.list("claims") == [], "the next start need not wait for this one"
            reports.append(said)

        run(SELDOM, task, report, lambda left=left: next(left, None) is None)
        assert reports[-1]["status"] == "stopped"
        saved.append(reports[-1]["saved_at"])
        (row,) = store.read_rows("trials", SELDOM.trial_id)
        assert row["status"] == "stopped"
        kept = [int(file.key) for file in store.list(f"checkpoints/{SELDOM.trial_id}")]
        assert max(kept, default=0) == saved[-1]
        assert all(at in (0, 5, 10, saved[-1]) for at in kept), "no other one is of any use"
    assert saved == sorted(saved)
    assert {at % 5 for at in saved} > {0}, "some ends are between two evaluations"
    trial(root, SELDOM)
    assert whole_contents(root) == whole_contents(tmp_path / "whole")


def test_a_trial_that_is_told_to_end_as_it_is_scored_has_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def final_scores(*arguments: Any) -> dict[str, float]:
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(trainable, "final_scores", final_scores)
        reports = trial(tmp_path, SELDOM)
    assert reports[-1] == {"trial": SELDOM.trial_id, "status": "stopped", "saved_at": 12}
    assert [report["status"] for report in trial(tmp_path, SELDOM)] == ["completed"]


def test_a_branch_goes_on_from_its_parents_checkpoint(whole: Path, tmp_path: Path) -> None:
    at = int(contents(whole)["checkpoints"][0])
    child = trial_config(
        "digits",
        "C_8-32",
        "sr-dynamic",
        0,
        iterations=6,
        parent=CONFIG.trial_id,
        parent_iteration=at,
    )
    store = unfinished(whole, tmp_path)
    trial(tmp_path, child)
    (row,) = store.read_rows("trials", child.trial_id)
    assert (row["status"], row["iteration"]) == ("completed", 6)
    assert (row["parent"], row["parent_iteration"]) == (CONFIG.trial_id, at)
    rows = store.read_rows("evaluations", child.trial_id)
    assert [r["iteration"] for r in rows] == list(range(at, 7))

    store.delete(f"trials/{child.trial_id}.parquet")
    for file in store.list(f"checkpoints/{child.trial_id}"):
        store.delete(file.path)
    store.delete(f"checkpoints/{CONFIG.trial_id}/{at}.pt")
    assert trial(tmp_path, child) == [FAILED | {"trial": child.trial_id}]
    (row,) = store.read_rows("trials", child.trial_id)
    assert "from which this trial branches off, is not there" in row["traceback"]


def test_data_that_may_only_be_read_need_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[Path, bool]] = []

    def load_source(dataset: str, device: str, path: Path, *, download: bool) -> None:
        loaded.append((path, download))

    monkeypatch.setattr(trainable, "load_source", load_source)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        root, user = Path(folder), os.geteuid()
        root.chmod(0o555)
        if user == 0:
            os.seteuid(65534)  # root may write everywhere
        try:
            for path in (folder, f"{folder}/absent"):
                trainable._source("cifar10", "cpu", path, True, None, Reading())
        finally:
            os.seteuid(user)
        assert list(root.iterdir()) == []
    assert loaded == [(root, True), (root / "absent", True)]


def test_own_pictures_are_read_where_downloads_are_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A command's --download is of no use to them, and takes no lock of their folder."""
    loaded: list[tuple[Any, ...]] = []

    def load_source(
        dataset: str, device: str, path: Path, *, own: OwnImages, reading: Reading
    ) -> None:
        loaded.append((dataset, path, own, reading))

    monkeypatch.setattr(trainable, "load_source", load_source)
    own, reading = OwnImages(resolution=32, sha256="ab" * 32, images=9), Reading(fit=True)
    trainable._source(own.name, "cpu", str(tmp_path), True, own, reading)
    assert loaded == [(own.name, tmp_path, own, reading)]
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_a_rung_stops_says_so_and_goes_on(whole: Path, tmp_path: Path) -> None:
    reports: list[dict[str, Any]] = []
    reason = {"stop_reason": "rung 1", "rung": 1, "rung_budget": 2}

    def is_at_rung() -> bool:
        return any(report.get("iteration") == 2 for report in reports)

    task = Task(results=str(tmp_path), stop_on_collapse=False)
    run(CONFIG, task, reports.append, is_at_rung, lambda: reason)
    store = Store(tmp_path)
    (row,) = store.read_rows("trials", CONFIG.trial_id)
    assert row["status"] == "stopped"
    assert {name: row[name] for name in reason} == reason
    trial(tmp_path)
    assert contents(tmp_path) == contents(whole)
    (row,) = store.read_rows("trials", CONFIG.trial_id)
    assert (row["status"], row["rung"], row["rung_budget"]) == ("completed", None, None)
