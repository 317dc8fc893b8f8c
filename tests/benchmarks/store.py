"""A store as big as the service is built for, seeded: 10,000 trials, 50 evaluations, 10 layers.

Configurations, plans and schemas are the real ones; the numbers are drawn. All trials are planned,
and nine of ten have begun: those have their curve, all spectra and D's histograms, about 0.2 MB;
there are no samples and no checkpoints. Some files are odd, as odd_rows.py says.

    python tests/benchmarks/store.py /tmp/store [--trials 10000] [--seed 0]
        [--rows-only | --evaluations-only]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from drawn import EVALUATIONS, Columns, curve, outputs, spectra, table_of
from odd_rows import CURVES, spoil

from sweep.run.rows import identity_row, plan_rows
from sweep.store.schemas import SCORE_NAMES
from sweep.store.tables import columns, file_of
from trainer.config.lookup import UsageError
from trainer.config.settings import METHODS, SETTINGS
from trainer.config.trial import TrialConfig, trial_config
from trainer.thresholds import thresholds_for

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
# The evaluation at which trials that collapse begin to.
FELL_AT = 20
RATIOS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
# Of a hundred trials; the rest has ended, collapsed where its numbers say so.
STATUSES = {"planned": 10, "running": 2, "failed": 4, "stopped": 2}
SCORER = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
PROTOCOL = {
    "extractor": "reference network of the profile", "weights_sha256": SCORER, "splits": 10,
    "held_out_accuracy": 0.9916666666666667, "gate_radius": 2.521153211593628,
    "reference": "all training images, exact", "curve_samples": 1000, "final_samples": 10000,
}  # fmt: skip
SOFTWARE = {
    "python": "3.11.7", "torch": "2.15.0+cu132", "ray": "2.60.0", "srgan-sweep": "0.1.0",
    "platform": "linux",
}  # fmt: skip
TRACEBACK = "Traceback (most recent call last):\n" + "".join(
    f'  File "/opt/srgan-sweep/trainer/loop.py", line {40 + k}, in step_{k}\n'
    f"    return advance(state, config, step={k})\n"
    for k in range(24)
) + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"  # fmt: skip


def configurations(trials: int) -> list[TrialConfig]:
    """So many different ones: both profiles, all methods and settings, i, and seed after seed."""
    return list(islice(chain.from_iterable(_of_seed(seed) for seed in range(10**6)), trials))


def _of_seed(seed: int) -> Iterator[TrialConfig]:
    digits = product(["digits"], SETTINGS, METHODS)
    paper = product(["paper"], SETTINGS, ["sn", "sr-static", "sn-renorm", "sr-lift"])
    for profile, setting, method in chain(paper, digits):
        for i_ratio in RATIOS if METHODS[method].lifts and profile == "digits" else (None,):
            scorer = SCORER if profile == "paper" else None
            try:
                config = trial_config(
                    profile, setting, method, seed, i_ratio=i_ratio, scorer=scorer
                )
            except UsageError:  # the method does not go with the setting
                continue
            every = max(1, config.iterations // EVALUATIONS)
            yield dataclasses.replace(
                config, evaluate_every=every, iterations=every * (EVALUATIONS - 1)
            )


def sweeps(configs: Sequence[TrialConfig]) -> Mapping[str, list[TrialConfig]]:
    """As people start them; trials are shared, and `everything` has them all."""

    def of(profile: str, *methods: str) -> list[TrialConfig]:
        return [c for c in configs if c.profile == profile and c.method in methods]

    halves = (None, 0.5)
    table1 = of("digits", "sn", "sr-static", "sn-renorm", "sr-lift")
    return {
        "table1": [c for c in table1 if c.i_ratio in halves],
        "fig8": of("digits", "sr-static"),
        "methods": [c for c in of("digits", *METHODS) if c.i_ratio in halves],
        "paper": of("paper", *METHODS),
        "everything": list(configs),
    }


def write(
    root: Path, trials: int, seed: int, *, curves: Sequence[str] = CURVES, odd: bool = True
) -> None:
    """Fills the folder, with these tables of curves; files are written plainly, for nothing else
    looks at them yet. `odd`: some of them are made odd."""
    configs = configurations(trials)
    plan(root, configs)
    rng = np.random.default_rng(seed)
    statuses = first_statuses(configs, seed)
    for config, status in zip(configs, statuses, strict=True):
        if status != "planned":
            write_trial(root, config, status, rng, curves)
    if odd:
        spoil(root, begun(configs, seed))


def plan(root: Path, configs: Sequence[TrialConfig]) -> None:
    """Makes the store's folders, and the plans of all sweeps with what their drivers say."""
    for table in ("trials", "evaluations", "spectra", "outputs", "sweeps"):
        (root / table).mkdir(parents=True, exist_ok=True)
    for name, planned in sweeps(configs).items():
        put(root / f"sweeps/{name}.parquet", columns("sweeps", plan_rows(name, planned)))
        state = "running" if name == "everything" else "finished"
        # Ahead of the clock, so that it still counts as heard of however long a benchmark takes.
        heard = datetime.now(UTC) + timedelta(hours=6) if state == "running" else START
        (root / f"sweeps/{name}.json").write_text(json.dumps(driver(name, state, heard)))


def first_statuses(configs: Sequence[TrialConfig], seed: int) -> list[str]:
    """The status that each trial has at first; `ended` is completed or collapsed."""
    dice = random.Random(seed)
    marks = [status for status, count in STATUSES.items() for _ in range(count)]
    marks += ["ended"] * (100 - len(marks))
    return [dice.choice(marks) for _ in configs]


def begun(configs: Sequence[TrialConfig], seed: int) -> list[str]:
    """Ids of the trials that have begun at first."""
    statuses = first_statuses(configs, seed)
    pairs = zip(configs, statuses, strict=True)
    return [config.trial_id for config, status in pairs if status != "planned"]


def driver(name: str, state: str, heard: datetime) -> dict[str, Any]:
    """The driver's account of itself, with the time of its last heartbeat."""
    return {
        "sweep": name, "state": state, "host": "head", "pid": 4242, "pid_started": 1.0,
        "attempt": "a1", "started_at": START.isoformat(), "heartbeat": heard.isoformat(),
        "command": f"python -m sweep.{name}", "slots": 16, "counts": {}, "eta_seconds": 240.0,
    }  # fmt: skip


def write_trial(
    root: Path,
    config: TrialConfig,
    status: str,
    rng: np.random.Generator,
    curves: Sequence[str],
) -> None:
    sick = can_collapse(config) and rng.random() < 0.6
    fell = FELL_AT if sick else None
    if status == "ended":
        status = "collapsed" if sick else "completed"
    n = {"running": 25, "failed": 12, "stopped": 30, "collapsed": 40}.get(status, EVALUATIONS)
    held = curve(config, n, fell, rng)
    put(root / f"trials/{config.trial_id}.parquet", trial_table(config, status, held, fell))
    for name in curves:
        drawn = {
            "evaluations": lambda: held,
            "spectra": lambda: spectra(config, held, rng),
            "outputs": lambda: outputs(held, rng),
        }[name]()
        put(root / f"{name}/{config.trial_id}.parquet", table_of(name, config.trial_id, drawn))


def can_collapse(config: TrialConfig) -> bool:
    return not METHODS[config.method].lifts and config.channels <= 32


def trial_table(config: TrialConfig, status: str, held: Columns, fell: int | None) -> pa.Table:
    """The row of `trials` that sums the curve up; it collapsed at the evaluation `fell`."""
    return columns("trials", [_trial(config, status, held, fell)])


def _trial(config: TrialConfig, status: str, held: Columns, fell: int | None) -> Mapping[str, Any]:
    at = held["iteration"]
    score = "fid" if "fid" in held else "fd_digits"
    best = int(np.argmin(held[score][:fell]))
    seen = fell is not None and len(at) > fell
    ended = status in ("completed", "collapsed")
    rules = {"mode_collapse": f"{score} rose 1.5 times above its best, 3 times"}
    started = START + timedelta(minutes=config.seed)

    def scores(prefix: str, k: int) -> dict[str, Any]:
        found = {f"{prefix}_{n}": held[n][k].item() for n in SCORE_NAMES if n in held}
        return {f"{prefix}_iteration": at[k].item(), **found}

    return {
        **identity_row(config),
        "status": status,
        "stop_reason": "mode collapse" if status == "collapsed" else None,
        "mode_collapse_at": at[fell].item() if seen else None,
        "spectral_collapse_at": at[fell - 4].item() if seen and fell else None,
        "verdict_rules": json.dumps(rules if seen else {}),
        "iteration": at[-1].item(),
        **scores("best", best),
        **(scores("final", -1) if ended else {}),
        "first_spectrum_left": held["spectrum_left"][0].item(),
        "final_spectrum_left": held["spectrum_left"][-1].item() if ended else None,
        "objective": held[score][best].item(),
        "protocol": json.dumps(PROTOCOL | {"final": PROTOCOL}),
        "config": json.dumps(dataclasses.asdict(config), sort_keys=True),
        "thresholds": json.dumps(dataclasses.asdict(thresholds_for(config))),
        "software": json.dumps(SOFTWARE),
        "host": f"worker-{config.seed % 16}",
        "attempt": "a1",
        "seconds": held["seconds"][-1].item(),
        "started_at": started,
        "updated_at": started + timedelta(seconds=held["seconds"][-1].item()),
        "traceback": TRACEBACK if status == "failed" else None,
        "failures": int(status == "failed"),
        "cpus": 1.0,
        "gpus": 0.0 if config.device == "cpu" else 1.0,
    }


def put(path: Path, table: pa.Table) -> None:
    """Writes the file of the table that its folder is named after."""
    path.write_bytes(file_of(path.parent.name, table))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("root", type=Path, help="folder to fill; what is in it stays")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    less = parser.add_mutually_exclusive_group()
    less.add_argument("--rows-only", action="store_true", help="no curves, spectra, histograms")
    less.add_argument("--evaluations-only", action="store_true", help="no spectra, histograms")
    args = parser.parse_args()
    started = time.monotonic()
    curves = () if args.rows_only else CURVES[: 1 if args.evaluations_only else None]
    write(args.root, args.trials, args.seed, curves=curves)
    sys.stdout.write(f"{args.trials} trials in {time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    main()
