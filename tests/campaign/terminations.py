"""Ends a digits sweep at random, seeded moments, and says what each end cost.

    python -m tests.campaign.terminations --rounds 50 --seed 0

SIGTERM goes to the driver, to a worker or to every process that descends from the driver; SIGINT
to the driver; `sweep.control NAME stop` asks. After each end the same command goes on. A line says
how many iterations were lost, and how long the driver (for a worker: the worker) took to be gone;
the last lines the worst of each kind. In the end the results are held against those of a sweep
that nothing disturbs. Exit code: 0 if they are equal.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.store.store import Store
from tests.campaign import processes
from tests.campaign.comparison import compare, contents
from tests.campaign.plan import environment
from tests.processes import descendants, kill, living, trains
from trainer.config.trial import TrialConfig, trial_config

KINDS = ("driver", "worker", "tree", "ctrl-c", "control")
SETTING, METHODS, NAME = "C_32-32", ("sn", "sr-static"), "terminations"
# In s: of training before an end, and from the start of the command where it may not train yet.
TRAINING_SECONDS, START_UP_SECONDS = 5.0, 12.0
# One end in so many comes while the command starts.
START_UP_EVERY = 8
MOST_SECONDS = 120.0
# Written beside every trial: the iteration that it has finished, 8 bytes.
COUNTER = struct.Struct("q")
# Run by every Python process that finds it on its path.
SITE = """
import importlib.abc, importlib.machinery, os, struct, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "trainer.loop":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            train_iteration, counters = module.train_iteration, {}

            def counted(config, state, *others):
                measured = train_iteration(config, state, *others)
                if config.trial_id not in counters:
                    path = os.path.join(os.environ["ITERATION_COUNTERS"], config.trial_id)
                    counters[config.trial_id] = os.open(path, os.O_WRONLY | os.O_CREAT)
                os.pwrite(counters[config.trial_id], struct.pack("q", state.iteration), 0)
                return measured

            module.train_iteration = counted

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What an end of a kind cost: iterations of the trial that lost most, s until it was over."""

    kind: str
    moment: str
    lost: int
    seconds: float
    code: int | None
    running: int
    claims: int

    def line(self) -> str:
        return (
            f"{self.kind:8} {self.moment:24} lost {self.lost:4} iterations, {self.seconds:5.1f} s,"
            f" exit code {self.code}, rows left running {self.running}, claims {self.claims}"
        )


class Sweep:
    """A sweep in a folder, its command, and how far its trials are."""

    def __init__(self, folder: Path, iterations: int, temporary: Path) -> None:
        self.folder, self.root = folder, folder / "results"
        self.counters, site = folder / "counters", folder / "site"
        for place in (self.counters, site):
            place.mkdir(parents=True, exist_ok=True)
        (site / "sitecustomize.py").write_text(SITE)
        self.environment = environment(temporary)
        self.environment["ITERATION_COUNTERS"] = str(self.counters)
        self.environment["PYTHONPATH"] = f"{site}:{self.environment['PYTHONPATH']}"
        self.iterations = iterations
        self.process: subprocess.Popen[bytes] | None = None
        self.begun_at = 0.0

    @property
    def trials(self) -> list[TrialConfig]:
        return [
            trial_config("digits", SETTING, method, 0, iterations=self.iterations)
            for method in METHODS
        ]

    def start(self) -> subprocess.Popen[bytes]:
        """Starts the command unless it runs."""
        if self.process is None or self.process.poll() is not None:
            command = [
                *(sys.executable, "-m", "sweep.table1", "--profile=digits", "--json"),
                *(f"--settings={SETTING}", f"--methods={','.join(METHODS)}"),
                *(f"--iterations={self.iterations}", "--no-stop-on-collapse"),
                *(f"--name={NAME}", f"--results={self.root}"),
            ]
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    command, env=self.environment, stdout=log, stderr=log
                )
            self.begun_at = time.time()
        return self.process

    def reached(self) -> dict[str, int]:
        """The iteration that each trial has finished, by its id."""
        found = {}
        for trial in self.trials:
            with contextlib.suppress(FileNotFoundError, struct.error):
                content = (self.counters / trial.trial_id).read_bytes()
                found[trial.trial_id] = COUNTER.unpack(content)[0]
        return found

    def trains(self) -> bool:
        """Tells whether each trial has trained since the command began."""
        paths = [self.counters / trial.trial_id for trial in self.trials]
        return all(path.exists() and path.stat().st_mtime > self.begun_at for path in paths)

    def saved(self, trial_id: str) -> int:
        """The iteration of the trial's newest checkpoint."""
        folder = self.root / "checkpoints" / trial_id
        return max((int(path.stem) for path in folder.glob("*.pt")), default=0)

    def workers(self) -> list[int]:
        assert self.process is not None
        return sorted(pid for pid in descendants(self.process.pid) if trains(pid))

    def owned_by(self, pid: int) -> list[str]:
        """The trials that a process trains, as their claims say."""
        owners = {path.stem: path.read_text() for path in (self.root / "claims").glob("*.json")}
        return [i for i, text in owners.items() if text and json.loads(text)["pid"] == pid]

    def running_rows(self) -> int:
        rows = Store(self.root).read_all("trials", [trial.trial_id for trial in self.trials])
        return sum(row["status"] == "running" for row in rows.values())

    def claims(self) -> int:
        return len(list((self.root / "claims").glob("*.json")))


def wait_until(true: Callable[[], bool], seconds: float = MOST_SECONDS) -> float:
    """Waits; returns the seconds that it took. Raises TimeoutError."""
    begin = time.monotonic()
    while not true():
        if time.monotonic() - begin > seconds:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - begin


def end(
    sweep: Sweep, kind: str, rng: random.Random, *, seconds: float, start_up: bool = False
) -> End:
    """Ends the sweep or a worker of it, up to so many seconds into its training or, with
    `start_up`, after the start of its command; says what that cost."""
    process = sweep.start()
    after = rng.uniform(0, seconds)
    moment = f"{after:.2f} s into training"
    if start_up:
        moment = f"{after:.2f} s from its start"
    else:
        wait_until(sweep.trains)
    time.sleep(after)
    workers = sweep.workers()
    begin = time.monotonic()
    if kind == "worker":
        victim = workers[rng.randrange(len(workers))]
        trial_ids = sweep.owned_by(victim)
        kill(victim, number=signal.SIGTERM)
        wait_until(lambda: victim not in living())
        return End(
            kind=kind, moment=moment, lost=_lost(sweep, trial_ids),
            seconds=time.monotonic() - begin, code=process.poll(), running=0, claims=0,
        )  # fmt: skip
    if kind == "tree":
        kill(*descendants(process.pid), process.pid, number=signal.SIGTERM)
    elif kind == "control":
        _ask_to_stop(sweep)
    else:
        process.send_signal(signal.SIGINT if kind == "ctrl-c" else signal.SIGTERM)
    code = process.wait(MOST_SECONDS)
    seconds = time.monotonic() - begin
    wait_until(lambda: not any(map(trains, workers)))
    return End(
        kind=kind, moment=moment, lost=_lost(sweep, list(sweep.reached())), seconds=seconds,
        code=code, running=sweep.running_rows(), claims=sweep.claims(),
    )  # fmt: skip


def _lost(sweep: Sweep, trial_ids: Sequence[str]) -> int:
    reached = sweep.reached()
    return max((reached[i] - sweep.saved(i) for i in trial_ids), default=0)


def _ask_to_stop(sweep: Sweep) -> None:
    """Asks until the sweep runs: while it starts there is nothing to ask."""
    command = [sys.executable, "-m", "sweep.control", NAME, "stop", f"--results={sweep.root}"]
    while subprocess.run(command, env=sweep.environment, capture_output=True).returncode:
        time.sleep(0.2)


def worst(ends: Sequence[End]) -> list[str]:
    """A line for each kind: its number, the most lost, and the longest time."""
    lines = []
    for kind in KINDS:
        own = [each for each in ends if each.kind == kind]
        if own:
            lost, seconds = max(e.lost for e in own), sorted(e.seconds for e in own)
            lines.append(
                f"{kind:8} {len(own):3} ends: at most {lost} iterations lost, "
                f"{seconds[len(seconds) // 2]:.1f} s in the middle, {seconds[-1]:.1f} s at most, "
                f"{sum(e.running for e in own)} rows left running"
            )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign.terminations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=4000, help="of each of the two trials")
    parser.add_argument("--out", type=Path, default=Path("results/terminations"))
    parser.add_argument("--kinds", default=",".join(KINDS), help="default all")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes.adopt_orphans()
    shutil.rmtree(args.out, ignore_errors=True)
    kinds, rng, ends = args.kinds.split(","), random.Random(args.seed), []
    # Short: the names of Ray's sockets must fit into 107 bytes.
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as temporary:
        try:
            sweep = Sweep(args.out.absolute() / "ended", args.iterations, Path(temporary))
            for number in range(args.rounds):
                start_up = rng.randrange(START_UP_EVERY) == 0
                kind = kinds[number % len(kinds)]
                if start_up and kind != "worker":
                    cost = end(sweep, kind, rng, seconds=START_UP_SECONDS, start_up=True)
                else:
                    cost = end(sweep, kind, rng, seconds=TRAINING_SECONDS)
                ends.append(cost)
                _say(f"[{number + 1}/{args.rounds}] {ends[-1].line()}")
            _say("\n".join(worst(ends)))
            code = sweep.start().wait()
            whole = Sweep(args.out.absolute() / "undisturbed", args.iterations, Path(temporary))
            whole.start().wait()
        finally:
            processes.end_family()
    differences = compare(contents(Store(whole.root)), contents(Store(sweep.root)))
    _say("\n".join([f"the rest ended with {code}", *differences.lines()]))
    return int(any(differences.counts().values()))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
