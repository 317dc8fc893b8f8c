"""What a sweep's driver costs when it has many trials: CPU, memory, its start and its end.

    python tests/benchmarks/driver_scale.py [--trials 1040,9984] [--search 1000]
        [--dry-runs 520,9984] [--seconds 90] [--against DIR]

The trials are stubs (`stub_driver.py`), the command, the driver, Ray and the store are real. With
`--against` the same runs with another checkout, in turn. A run ends SECONDS after its first
report, by SIGTERM, or before that when all its trials have ended. CPU is that of the driver's
process in all its threads. Dry runs are on a bucket that takes 20 ms to answer; with another
checkout, that may ask for each trial, those of more than 1,040 trials are left out.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
from ledger import record, say
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

HERE = Path(__file__).parents[2]
# Settings times the methods SN and SR of Table I: the trials of one seed.
TRIALS_PER_SEED = 52
SEARCH = ("--space", "full", "--dataset", "digits8")
ANSWER_SECONDS = 0.02
MOST_ONE_BY_ONE = 1040


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trials", default="1040,9984", help=f"multiples of {TRIALS_PER_SEED}")
    parser.add_argument("--search", type=int, default=0, metavar="N", help="a search of N trials")
    parser.add_argument("--dry-runs", default="", help="multiples of the same, on a slow bucket")
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout")
    args = parser.parse_args()
    checkouts = {"here": HERE} | ({"against": args.against.resolve()} if args.against else {})
    sizes = [int(size) for size in args.trials.split(",") if size]
    commands = {f"{size} trials": table1(size) for size in sizes}
    if args.search:
        commands[f"search of {args.search}"] = search(args.search)
    figures: dict[str, float] = {}
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for what, command in commands.items():
        for name, checkout in checkouts.items():
            run = run_driver(checkout, command, args.seconds)
            figures |= {f"{name}, {what}: {key}": value for key, value in run.items()}
            say(f"{name}, {what}: " + ", ".join(f"{k} {v:.4g}" for k, v in run.items()))
    with slow_bucket() as root:
        for size in [int(size) for size in args.dry_runs.split(",") if size]:
            for name, checkout in checkouts.items():
                if name == "here" or size <= MOST_ONE_BY_ONE:
                    key = f"{name}, dry run of {size} on a slow bucket, s"
                    figures[key] = dry_run(checkout, size, root)
                    say(f"{key}: {figures[key]:.3g}")
    record("driver_scale", figures)


@contextmanager
def slow_bucket() -> Iterator[str]:
    """The root of a bucket whose server answers each request after ANSWER_SECONDS."""
    app = DomainDispatcherApplication(create_backend_app)

    def slow(environment: Any, start_response: Any) -> Any:
        time.sleep(ANSWER_SECONDS)
        return app(environment, start_response)

    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    os.environ |= {"AWS_EC2_METADATA_DISABLED": "true"}
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, slow, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = f"?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=us-east-1"
    creating = f"s3://sweeps{where}&allow_bucket_creation=true"
    pafs.FileSystem.from_uri(creating)[0].create_dir("sweeps")
    yield f"s3://sweeps/results{where}"
    server.shutdown()


def dry_run(checkout: Path, trials: int, root: str) -> float:
    """Seconds of a dry run, of which none of the trials is in the store."""
    start = time.perf_counter()
    subprocess.run(
        [python_of(checkout), "-m", *table1(trials), "--dry-run", "--results", root],
        env=os.environ | {"PYTHONPATH": str(checkout)},
        cwd="/",
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


def python_of(checkout: Path) -> str:
    own_python = checkout / ".venv" / "bin" / "python"
    return str(own_python) if own_python.exists() else sys.executable


def table1(trials: int) -> tuple[str, ...]:
    """Raises SystemExit for a number of trials that whole seeds do not make."""
    seeds, rest = divmod(trials, TRIALS_PER_SEED)
    if rest or not seeds:
        raise SystemExit(f"--trials {trials} is no multiple of {TRIALS_PER_SEED}")
    return ("sweep.table1", "--profile", "digits", "--seeds", f"0-{seeds - 1}")


def search(trials: int) -> tuple[str, ...]:
    return ("sweep.search", "--profile", "digits", *SEARCH, "--trials", str(trials))


def run_driver(checkout: Path, command: tuple[str, ...], seconds: float) -> dict[str, float]:
    """The figures of one run of the command with that checkout."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "figures.json"
        script = Path(__file__).with_name("stub_driver.py")
        began = time.time()
        process = subprocess.run(
            [python_of(checkout), script, path, str(seconds), *command, "--json",
             "--results", f"{scratch}/results"],
            env=os.environ | {"PYTHONPATH": str(checkout)},
            cwd=scratch,
            stdout=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
        if not path.exists():
            raise SystemExit(f"{checkout}: the driver ended with {process.returncode}")
        return figures_of(json.loads(path.read_text()), began, time.time())


def figures_of(run: Mapping[str, Any], began: float, ended: float) -> dict[str, float]:
    """Figures of a run from what its driver wrote, and the times around it in s of 1970."""
    trials = max(1, run["ended"])
    between = run["last_report_cpu"] - run["first_report_cpu"]
    figures = {
        "trials ended": run["ended"],
        "CPU per trial, ms": 1e3 * between / trials,
        "a report, ms": 1e3 * run["report_cpu"] / max(1, run["reports"]),
        "CPU to the first report, s": run["first_report_cpu"],
        "first report, s": run["first_report_at"] - began,
        "trials per s": trials / max(1e-9, run["last_report_at"] - run["first_report_at"]),
        "CPU in all, s": run["cpu"],
        "peak, MiB": run["peak_mib"],
        "end, s": ended - run.get("terminated_at", run["last_report_at"]),
    }
    if run["suggested"]:
        figures["a suggestion, ms"] = 1e3 * sum(run["suggestion_seconds"]) / run["suggested"]
        figures["longest suggestion, ms"] = 1e3 * max(run["suggestion_seconds"])
    return figures


if __name__ == "__main__":
    main()
