"""A sweep of 52 trials as a folder, beside asking the service for the pages and figures in it.

The 26 settings by SN and static SR, as the digits profile leaves them: 21 evaluations with their
spectra and histograms, and as many grids of samples of 18 kB each. The service runs in a process
of its own and is asked by one client, one address after the other, uncompressed; publishing is the
whole command with Python's start.

    python tests/benchmarks/publish.py [--repetitions 3]
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import store
from ledger import record, say
from PIL import Image
from processes import free_port, start

from api.publish.local_service import LocalService
from api.publish.part import SweepPart
from api.publish.site import Request, build
from api.web.in_process import Answer
from sweep.run.rows import plan_rows
from sweep.store.tables import columns
from trainer.config.settings import SETTINGS
from trainer.config.trial import trial_config

ROOT = Path(__file__).parents[2]
CURVES = ("evaluations", "spectra", "outputs")
EVALUATIONS, SIDE = 21, 78
SWEEP = "table1"


def write_sweep(root: Path) -> None:
    rng = np.random.default_rng(0)
    store.EVALUATIONS = EVALUATIONS
    configs = [trial_config("digits", s, m, 0) for s in SETTINGS for m in ("sn", "sr-static")]
    for table in ("trials", "sweeps", *CURVES):
        (root / table).mkdir(parents=True)
    store.put(root / f"sweeps/{SWEEP}.parquet", columns("sweeps", plan_rows(SWEEP, configs)))
    says = json.dumps(store.driver(SWEEP, "finished", store.START))
    (root / f"sweeps/{SWEEP}.json").write_text(says)
    for config in configs:
        store.write_trial(root, config, "completed", rng, CURVES)
        folder = root / "samples" / config.trial_id
        folder.mkdir(parents=True)
        for k in range(EVALUATIONS):
            pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            content = io.BytesIO()
            Image.fromarray(pixels).save(content, "PNG")
            (folder / f"{k * config.evaluate_every}.png").write_bytes(content.getvalue())


def addresses(root: Path, out: Path) -> list[str]:
    """Everything that a folder is made of, in the order in which it is asked for."""
    asked: list[str] = []
    get = LocalService.get

    async def noted(self: LocalService, address: str) -> Answer:
        asked.append(address)
        return await get(self, address)

    LocalService.get = noted
    try:
        request = Request(published_at=datetime.now(UTC), command="benchmark")
        asyncio.run(build(SweepPart(root, SWEEP), out, request, lambda done, trials: None))
    finally:
        LocalService.get = get
    return asked


def ask(port: int, paths: Sequence[str]) -> float:
    """Seconds to ask a service for all of them."""
    started = time.monotonic()
    for path in paths:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=120) as answer:
            answer.read()
    return time.monotonic() - started


def publish(root: Path, out: Path) -> float:
    """Seconds of the command."""
    command = [sys.executable, "-m", "sweep.publish", SWEEP, str(out), "--results", str(root)]
    started = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "results"
        write_sweep(root)
        (Path(scratch) / "noted").mkdir()
        paths = addresses(root, Path(scratch) / "noted")
        say(f"{len(paths)} answers")
        asking, publishing, megabytes = [], [], 0.0
        for k in range(options.repetitions):
            command = [sys.executable, "-m", "api", "--results", str(root)]
            command += ["--cache", str(Path(scratch) / f"cache-{k}")]
            with start(command, free_port()) as server:
                server.wait("/readyz")
                asking.append(ask(server.port, paths))
            out = Path(scratch) / f"out-{k}"
            publishing.append(publish(root, out))
            files = [file for file in out.rglob("*") if file.is_file()]
            megabytes = sum(file.stat().st_size for file in files) / 1e6
        asked, published = statistics.median(asking), statistics.median(publishing)
        figures = {
            "answers": float(len(paths)),
            "asking s": asked,
            "publishing s": published,
            "publishing / asking": published / asked,
            "folder MB": megabytes,
        }
        record("publish", figures)


if __name__ == "__main__":
    main()
