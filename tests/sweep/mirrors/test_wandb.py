"""W&B's offline runs, read from the files that `wandb sync` uploads."""

from __future__ import annotations

import importlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.mirrors.wandb import opened
from tests.sweep.mirrors.stored_sweep import NAMES, StoredSweep, mirror_once

pytest.importorskip("wandb", reason="wandb is not installed: pip install wandb")
# It starts a process of its own.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

FILE_HEADER, RECORD_HEADER, BLOCK = 7, 7, 32768


def records(content: bytes) -> Iterator[Any]:
    """The file's messages: LevelDB's log, records in parts of blocks of 32 KiB."""
    record = importlib.import_module("wandb.proto.wandb_internal_pb2").Record
    place, whole = FILE_HEADER, b""
    while place + RECORD_HEADER <= len(content):
        if BLOCK - place % BLOCK < RECORD_HEADER:
            place += BLOCK - place % BLOCK
            continue
        length = int.from_bytes(content[place + 4 : place + 6], "little")
        kind = content[place + 6]
        start = place + RECORD_HEADER
        whole += content[start : start + length]
        place = start + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield record.FromString(whole)
            whole = b""


def run_file(folder: Path, k: int) -> list[Any]:
    (path,) = folder.glob(f"demo/wandb/offline-run-*/run-t{k}.wandb")
    return list(records(path.read_bytes()))


def history(folder: Path, k: int) -> list[dict[str, Any]]:
    rows = []
    for record in run_file(folder, k):
        if record.HasField("history"):
            items = record.history.item
            rows.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items})
    return rows


def points(folder: Path, k: int) -> dict[str, list[tuple[int, float]]]:
    rows = history(folder, k)
    return {name: [(row["_step"], float(row[name])) for row in rows] for name in NAMES}


def test_an_offline_run_has_each_point_once(sweep: StoredSweep, tmp_path: Path) -> None:
    folder = tmp_path / "offline"
    tracker = opened(str(folder), "demo")
    follower = sweep.follower(tracker)
    try:
        for k in (0, 1, 0, 0):
            sweep.evaluate(k)
            mirror_once(follower)
        sweep.write(0, status="completed", dead_at=50, healthy=False, final_fd_digits=math.inf)
        follower.marks.doubt(["t0"])
        mirror_once(sweep.follower(tracker))
        mirror_once(sweep.follower(tracker))
    finally:
        tracker.close()
    for k in (0, 1):
        assert repr(points(folder, k)) == repr(sweep.points(k))
    rows = history(folder, 0)
    assert math.isnan(rows[1]["reverse_kl"])
    assert rows[2]["d_loss"] == -math.inf
    assert sum(rows[0]["spectrum/layer_0/values"]) == 3
    assert rows[0]["samples/width"] == 16
    (run,) = [record.run for record in run_file(folder, 0) if record.HasField("run")]
    assert (run.run_id, run.project, list(run.tags)) == ("t0", "demo", ["completed", "dead"])
    assert run.notes == "dead D at 50 http://lab:8000/view/trials/t0"
    assert {item.key: json.loads(item.value_json) for item in run.config.update}["channels"] == 16


def test_a_folder_that_was_uploaded_stays(sweep: StoredSweep, tmp_path: Path) -> None:
    folder = tmp_path / "offline"
    tracker = opened(str(folder), "demo")
    try:
        sweep.evaluate(0)
        mirror_once(sweep.follower(tracker))
        (path,) = folder.glob("demo/wandb/offline-run-*-t0")
        (path / "run-t0.wandb.synced").touch()
        path.rename(path.with_name("offline-run-20200101_000000-t0"))
        sweep.evaluate(0)
        mirror_once(sweep.follower(tracker))
    finally:
        tracker.close()
    assert len(list(folder.glob("demo/wandb/offline-run-*-t0"))) == 2


def test_a_server_that_is_away_is_waited_for(sweep: StoredSweep, tmp_path: Path) -> None:
    """Online there is no server to try here: what a run says without one is what is tested."""
    program = """
import sys
from pathlib import Path
from sweep.mirrors import wandb
from tests.sweep.mirrors.stored_sweep import StoredSweep, mirror_once
wandb.INIT_SECONDS = 2
tracker = wandb.opened("http://127.0.0.1:9", "demo")
sweep = StoredSweep(Path(sys.argv[1]), 1)
sweep.evaluate(0)
follower = sweep.follower(tracker)
mirror_once(follower)
print(len(follower.queue), follower.marks.of("t0").in_doubt)
tracker.close()
"""
    command = [sys.executable, "-c", program, str(tmp_path / "results")]
    environment = {**os.environ, "WANDB_API_KEY": "x" * 40, "WANDB_DIR": str(tmp_path)}
    environment |= {"HOME": str(tmp_path), "WANDB_MODE": "online"}
    root = Path(__file__).parents[3]
    shown = subprocess.run(
        command,
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "http://127.0.0.1:9 project demo is away: " in shown.stdout, shown
    assert "1 True" in shown.stdout
