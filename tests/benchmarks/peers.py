"""MLflow's tracking server and optuna-dashboard on the trials of a store, for the same work.

Both are installed into a folder of the user's cache, never beside the project. They are given
every trial's parameters and its curve of FD-digits (FID in the paper profile), through their own
stores, into SQLite as they come; that takes a while and is kept for the next time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from processes import free_port, start

from api.reading.cache import default_folder
from sweep.paper.scores import score_name
from sweep.store.store import Store

PACKAGES = ("mlflow", "optuna-dashboard")
REPEATS = 20


def compare(root: Path, ids: Sequence[str], own: Mapping[str, Sequence[float]]) -> None:
    """Prints the others' times in ms for the list and for a curve, and their ratios to ours."""
    folder = default_folder().with_name("srgan-sweep-peers")
    python = _installed(folder)
    loaded = _loaded(python, folder, root, ids)
    versions = subprocess.check_output(
        [python, "-m", "pip", "list", "--format=json"], stderr=subprocess.DEVNULL
    )
    known = {one["name"]: one["version"] for one in json.loads(versions)}
    say(f"{', '.join(f'{name} {known[name]}' for name in PACKAGES)}, {len(ids)} trials, 1 client")
    for name, measure in (("mlflow", _mlflow), ("optuna-dashboard", _optuna)):
        for work, times in measure(python, loaded).items():
            ours, theirs = median(own[work]), median(times)
            say(f"{name:18} {work:6} {theirs:9.1f} ms, ours {ours:.1f} ms: {theirs / ours:.1f} x")


def _installed(folder: Path) -> Path:
    python = folder / "venv/bin/python"
    if not python.exists():
        subprocess.check_call([sys.executable, "-m", "venv", folder / "venv"])
        subprocess.check_call([python, "-m", "pip", "install", "--quiet", *PACKAGES])
    return python


def _loaded(python: Path, folder: Path, root: Path, ids: Sequence[str]) -> Path:
    """The folder with both databases, filled once for so many trials of such a store."""
    loaded = folder / f"{len(ids)}-{ids[-1]}"
    if not (loaded / "done").exists():
        loaded.mkdir(parents=True, exist_ok=True)
        (loaded / "trials.jsonl").write_text("".join(_lines(root, ids)))
        began = perf_counter()
        script = Path(__file__).with_name("peers_load.py")
        subprocess.check_call([python, script, loaded], stderr=subprocess.DEVNULL)
        say(f"both were filled in {perf_counter() - began:.0f} s")
        (loaded / "done").touch()
    return loaded


def _lines(root: Path, ids: Sequence[str]) -> Sequence[str]:
    store = Store(root)
    lines = []
    for trial_id in ids:
        (row,) = store.read_rows("trials", trial_id)
        score = score_name(row)
        curve = [
            (one["iteration"], one[score]) for one in store.read_rows("evaluations", trial_id)
        ]
        names = ("setting", "method", "profile", "status", "i_ratio", "seed")
        about = {"trial_id": trial_id, "best": row[f"best_{score}"], "curve": curve}
        lines.append(json.dumps(about | {name: row[name] for name in names}) + "\n")
    return lines


def _mlflow(python: Path, loaded: Path) -> Mapping[str, Sequence[float]]:
    port = free_port()
    command = [str(python), "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1",
               "--backend-store-uri", f"sqlite:///{loaded}/mlflow.db"]  # fmt: skip
    with start(command, port) as server:
        server.wait("/health")
        api = f"http://127.0.0.1:{port}/api/2.0/mlflow"
        wanted = {
            "experiment_ids": ["1"], "max_results": 50, "order_by": ["metrics.best ASC"],
            "filter": "params.setting = 'B_64-64' and params.status = 'completed' "
            "and params.profile = 'digits'",
        }  # fmt: skip
        runs = _post(f"{api}/runs/search", wanted)["runs"]
        history = "/api/2.0/mlflow/metrics/get-history?metric_key=score&run_id={}"
        ids = [run["info"]["run_id"] for run in runs]
        return {
            "list": _times(lambda k: _post(f"{api}/runs/search", wanted)),
            "curve": _times(lambda k: server.fetch(history.format(ids[k % len(ids)]))),
        }


def _optuna(python: Path, loaded: Path) -> Mapping[str, Sequence[float]]:
    """It gives a study as a whole: its list and its curves are one answer."""
    port = free_port()
    command = [str(python.with_name("optuna-dashboard")), f"sqlite:///{loaded}/optuna.db"]
    with start(command, port) as server:
        server.wait("/api/studies")
        whole = "/api/studies/1?after=0"
        server.fetch(whole)
        return {"list": _times(lambda k: server.fetch(whole), repeats=5)}


def _times(work: Callable[[int], Any], repeats: int = REPEATS) -> list[float]:
    times = []
    for k in range(repeats):
        began = perf_counter()
        work(k)
        times.append(1000 * (perf_counter() - began))
    return times


def _post(url: str, body: Mapping[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what the command is for
