"""Rate at which the tasks of a job array share one plan: two tasks beside one, on a real Slurm.

    python -m tests.benchmarks.slurm_array [--trials 7] [--iterations 30]

deploy/slurm/array.sbatch on slurmctld and slurmd, as in tests/deploy/test_slurm.py: root, Debian's
slurm-wlm and munge. Two tasks get twice the trials of one. Counted is what ends while every task
trains, hand-outs between trials and waits for one another's claims included, starts left out. Each
task has one CPU: with other work on the machine it says how much of that each of them got.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.store.store import Store
from tests.benchmarks.ledger import record, say
from tests.campaign.stillness import events_in
from tests.deploy import slurm

BATCH_FILE = Path(__file__).parents[2] / "deploy" / "slurm" / "array.sbatch"
ENDED = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY"}


@dataclass(frozen=True, slots=True)
class Span:
    """When a trial began and ended, in s of 1970, and the number of the task that trained it."""

    begin: float
    end: float
    task: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trials", type=int, default=7, help="of one task")
    parser.add_argument("--iterations", type=int, default=30)
    args = parser.parse_args()
    if reason := slurm.missing():
        sys.exit(f"Slurm cannot be started here: {reason}")
    rates: dict[int, float] = {}
    figures: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder,
        slurm.slurm_cluster(Path(folder) / "slurm") as cluster,
    ):
        for tasks in (2, 1):
            place = Path(folder) / f"tasks-{tasks}"
            place.mkdir()
            spans = run(cluster, place, tasks, tasks * args.trials, args.iterations)
            rates[tasks] = rate(spans)
            figures[f"{tasks} tasks: trials per minute"] = 60 * rates[tasks]
            per_task = [sum(span.task == task for span in spans) for task in range(tasks)]
            say(f"{tasks} tasks: {60 * rates[tasks]:.2f} trials a minute, {per_task} by task")
    figures["two tasks, of twice the rate of one"] = rates[2] / (2 * rates[1])
    record("slurm_array", figures)


def run(cluster: slurm.Slurm, place: Path, tasks: int, trials: int, iterations: int) -> list[Span]:
    """Trains one plan by so many tasks in a folder; raises SystemExit if one does not end well."""
    results = place / "results"
    job = cluster.submit(
        *(f"--array=0-{tasks - 1}", f"--chdir={place}", f"--output={place}/log%a", "--mem=3000"),
        *("--time=60", str(BATCH_FILE), "python", "-m", "sweep.table1", "--profile=digits"),
        *("--settings=C_8-32", "--methods=sn", f"--seeds=0-{trials - 1}", "--json", "--name=s"),
        *(f"--iterations={iterations}", "--no-stop-on-collapse", f"--results={results}"),
    )
    while not (states := set(cluster.states(job).values())) <= ENDED:
        time.sleep(0.5)
    if states != {"COMPLETED"}:
        sys.exit("\n".join(path.read_text() for path in place.glob("log*")))
    task_by_trial = {
        event["trial_id"]: task
        for task in range(tasks)
        for event in events_in([place / f"log{task}"])
        if event.get("status") == "running"
    }
    return spans_of(Store(str(results)), task_by_trial)


def spans_of(store: Store, task_by_trial: Mapping[str, int]) -> list[Span]:
    """The spans of all trials of a store."""
    rows = [row for file in store.list("trials") for row in store.read_rows("trials", file.key)]
    return [
        Span(
            row["started_at"].timestamp(),
            row["updated_at"].timestamp(),
            task_by_trial[row["trial_id"]],
        )
        for row in rows
    ]


def rate(spans: Sequence[Span]) -> float:
    """Trials per s from when the last task began its first trial until the first ended its last;
    of a trial that is partly within, that part."""
    tasks = {span.task for span in spans}
    begin = max(min(span.begin for span in spans if span.task == task) for task in tasks)
    end = min(max(span.end for span in spans if span.task == task) for task in tasks)
    parts = (
        max(0.0, min(span.end, end) - max(span.begin, begin)) / (span.end - span.begin)
        for span in spans
    )
    return sum(parts) / (end - begin)


if __name__ == "__main__":
    main()
