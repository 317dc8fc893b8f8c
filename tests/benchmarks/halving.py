"""What `--scheduler asha` saves of a search and what it costs: best objective and iterations.

    python tests/benchmarks/halving.py --store DIR --iterations 500 --trials 16

The whole space of a digits search, 32 values of i, is trained once into DIR, each trial to its own
end (again, the command goes on from there). Every search is then replayed from these curves by the
sampler and the scheduler of `sweep.search`, on so many slots, an evaluation at a time: on a CPU a
trial is the same bits whoever runs it, so a replay is what the search would have done, but for the
iterations that a stopped trial trains until it hears of that.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ledger

from sweep.plan.halving import Halving
from sweep.plan.search_space import Space, spaces_over_i
from sweep.run.rows import PENALTY
from sweep.run.scheduler import Scheduler
from sweep.run.study import Studies
from sweep.run.trainable import Task, run
from sweep.store.store import Store
from sweep.store.vocabulary import FINISHED, Row
from trainer.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one search: its best objective, and the iterations of all of its trials."""

    best: float
    iterations: int
    stopped: int


def train(store: Store, space: Space) -> None:
    """Makes sure that every trial of the space has ended in the store."""
    for n, config in enumerate(space.trials.values(), start=1):
        row = next(iter(store.read_rows("trials", config.trial_id)), None)
        if row is None or row["status"] not in FINISHED:
            run(config, Task(results=store.root), lambda report: None)
        ledger.say(f"trained {n} of {len(space.trials)}")


def replay(
    store: Store, space: Space, halving: Halving | None, *, trials: int, seed: int, slots: int
) -> Outcome:
    """A search whose trials take their evaluations from the store."""
    studies = Studies([space], [], trials=trials, seed=seed, keep=lambda record: None)
    iterations, stopped, best = 0, 0, PENALTY
    with TemporaryDirectory() as folder:
        replayed = Store(folder)
        scheduler = None if halving is None else Scheduler(halving, replayed, studies.group)
        running: list[tuple[TrialConfig, Sequence[Row], Row]] = []
        while True:
            while len(running) < slots and (config := studies.next()) is not None:
                rows = list(store.read_rows("evaluations", config.trial_id))
                (row,) = store.read_rows("trials", config.trial_id)
                running.append((config, rows, row))
            if not running:
                return Outcome(best=best, iterations=iterations, stopped=stopped)
            # The one that is least far: all train at the same pace.
            running.sort(key=lambda each: _evaluated(replayed, each[0]))
            config, rows, row = running[0]
            done = _evaluated(replayed, config) + 1
            replayed.write_rows("evaluations", config.trial_id, rows[:done])
            at = rows[done - 1]["iteration"]
            halt = None if scheduler is None else scheduler.decide(config, at)
            if halt is not None:
                scores = [r[config.score_name] for r in rows[:done]]
                objective = min((s for s in scores if s is not None and s == s), default=PENALTY)
                row = {**row, "status": "stopped", "objective": objective, **halt.columns}
                stopped += 1
            if halt is not None or done == len(rows):
                running.pop(0)
                studies.tell(config.trial_id, row)
                iterations += at
                best = min(best, row["objective"])


def _evaluated(store: Store, config: TrialConfig) -> int:
    table = store.read_table("evaluations", config.trial_id)
    return 0 if table is None else table.num_rows


def table(seeds: Sequence[int], outcomes: dict[str, list[Outcome]]) -> list[str]:
    """The outcomes as Markdown, one line per sampler seed."""
    lines = [
        "| sampler seed | best, no scheduler | best, asha | iterations | with asha | asha/none | "
        "stopped |",
        "|---|---|---|---|---|---|---|",
    ]
    for seed, whole, halved in zip(seeds, outcomes["none"], outcomes["asha"], strict=True):
        lines.append(
            f"| {seed} | {whole.best:.0f} | {halved.best:.0f} | {whole.iterations:,} | "
            f"{halved.iterations:,} | {halved.iterations / whole.iterations:.2f} | "
            f"{halved.stopped} |"
        )
    return lines


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--store", required=True, type=Path, help="where the curves are kept")
    p.add_argument("--setting", default="C_32-32")
    p.add_argument("--iterations", type=int, default=500)
    p.add_argument("--trials", type=int, default=16, help="of each search")
    p.add_argument("--sampler-seeds", type=int, default=5)
    p.add_argument("--slots", type=int, default=2)
    args = p.parse_args(argv)
    store = Store(str(args.store))
    (space,) = spaces_over_i("digits", [args.setting], "sr-static", 0, iterations=args.iterations)
    train(store, space)
    seeds = range(args.sampler_seeds)
    how: dict[str, Any] = {"trials": args.trials, "slots": args.slots}
    outcomes = {
        name: [replay(store, space, halving, seed=seed, **how) for seed in seeds]
        for name, halving in (("none", None), ("asha", Halving()))
    }
    for line in table(seeds, outcomes):
        ledger.say(line)
    pairs = list(zip(outcomes["none"], outcomes["asha"], strict=True))
    ledger.record(
        f"halving {args.setting} {args.iterations}",
        {
            "iterations, asha over none": statistics.fmean(
                halved.iterations / whole.iterations for whole, halved in pairs
            ),
            "best objective, asha over none": statistics.fmean(
                halved.best / whole.best for whole, halved in pairs
            ),
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
