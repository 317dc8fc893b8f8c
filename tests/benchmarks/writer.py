"""A sweep that goes on in a made-up store: what a service has to follow.

Every half second a running trial has one evaluation more: the file of its curve is replaced, then
its row, as a real trial does it. Every few steps a planned trial begins, a driver's heartbeat
beats, and a trial's row is cut off for a step, as a file system that replaces nothing whole shows
it. It goes on from what it finds, so that a store can be written to again.

    python tests/benchmarks/writer.py /tmp/store [--trials 10000] [--seconds 60]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import store
from drawn import EVALUATIONS, Columns, curve, table_of
from odd_rows import Odd, odd_trials

from sweep.store.tables import file_of
from trainer.config.trial import TrialConfig

EVERY_SECONDS = 0.5
# Trials that take turns: each has an evaluation every ten seconds, and some end.
SIDE_BY_SIDE = 20
# In steps: a planned trial begins, the driver beats, a row is cut off.
BEGIN_EVERY, BEAT_EVERY, CUT_EVERY = 10, 20, 15


@contextmanager
def writing(root: Path, trials: int) -> Iterator[None]:
    """Writes to a store of so many trials, from a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=write, args=(root, store.configurations(trials), stop.wait))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def write(
    root: Path, configs: Sequence[TrialConfig], wait: Callable[[float], object]
) -> dict[str, int]:
    """A step every half second until `wait` is true; returns how many there were of each kind.

    At the end every file is whole.
    """
    running, planned = _to_go_on(root, configs)
    steps = {"evaluations": 0, "begun": 0, "ended": 0, "beats": 0, "cut off": 0}
    for step in count(1):
        began = time.monotonic()
        whole: dict[Path, bytes] = {}
        if planned and step % BEGIN_EVERY == 0:
            advance(root, planned[0])
            running.append(planned.popleft())
            steps["begun"] += 1
        if running:
            config = running.popleft()
            if advance(root, config):
                running.insert(SIDE_BY_SIDE - 1, config)
            else:
                steps["ended"] += 1
            steps["evaluations"] += 1
            if step % CUT_EVERY == 0:
                path = root / f"trials/{config.trial_id}.parquet"
                whole[path] = path.read_bytes()
                path.write_bytes(whole[path][: len(whole[path]) // 2])
                steps["cut off"] += 1
        if step % BEAT_EVERY == 1:
            beat(root, "everything")
            steps["beats"] += 1
        stopped = wait(max(0.0, EVERY_SECONDS - (time.monotonic() - began)))
        for path, content in whole.items():
            replace(path, content)
        if stopped:
            return steps
    raise AssertionError("it counts without end")


def advance(root: Path, config: TrialConfig) -> bool:
    """Adds an evaluation to the trial, its first or the next; tells whether it goes on."""
    path = root / f"evaluations/{config.trial_id}.parquet"
    n = pq.read_metadata(path).num_rows if path.exists() else 0
    whole, fell = whole_curve(config)
    table = table_of("evaluations", config.trial_id, whole).slice(n, 1)
    if n:
        table = pa.concat_tables([pq.ParquetFile(path).read(use_threads=False), table])
    n = len(table)
    ended = n >= (40 if fell else EVALUATIONS)
    status = "running" if not ended else "collapsed" if fell else "completed"
    replace(path, file_of("evaluations", table))
    row = store.trial_table(config, status, _columns(table), fell)
    replace(root / f"trials/{config.trial_id}.parquet", file_of("trials", row))
    return not ended


def whole_curve(config: TrialConfig) -> tuple[Columns, int | None]:
    """All evaluations that a trial of this configuration will have, and where it collapses."""
    digest = hashlib.sha256(config.trial_id.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    fell = store.FELL_AT if store.can_collapse(config) and rng.random() < 0.6 else None
    return curve(config, EVALUATIONS, fell, rng), fell


def beat(root: Path, sweep: str) -> None:
    """Replaces the account of the sweep's driver by one with a new heartbeat."""
    account = store.driver(sweep, "running", datetime.now(UTC))
    replace(root / f"sweeps/{sweep}.json", json.dumps(account).encode())


def replace(path: Path, content: bytes) -> None:
    """Replaces a file as a whole, as the store does."""
    fresh = path.with_name(f".{path.name}.tmp")
    fresh.write_bytes(content)
    fresh.replace(path)


def odd_of(configs: Sequence[TrialConfig]) -> list[Odd]:
    """The odd trials of a store of these configurations, as store.py makes it."""
    return odd_trials(store.begun(configs, 0))


def _to_go_on(
    root: Path, configs: Sequence[TrialConfig]
) -> tuple[deque[TrialConfig], deque[TrialConfig]]:
    """The trials that run, and those that are planned and have no file yet."""
    odd = {each.trial_id for each in odd_of(configs)}
    running, planned = deque[TrialConfig](), deque[TrialConfig]()
    for config, status in zip(configs, store.first_statuses(configs, 0), strict=True):
        path = root / f"trials/{config.trial_id}.parquet"
        if config.trial_id in odd or status not in ("planned", "running"):
            continue
        if not path.exists():
            planned.append(config)
        elif pq.read_table(path, columns=["status"])["status"][0].as_py() == "running":
            running.append(config)
    return running, planned


def _columns(table: pa.Table) -> Columns:
    """The columns of numbers that are measured, as drawn.py has them."""
    return {
        field.name: np.array(table[field.name].to_pylist())
        for field in table.schema
        if not pa.types.is_nested(field.type) and table[field.name].null_count == 0
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("root", type=Path, help="a store of store.py")
    parser.add_argument("--trials", type=int, default=10_000, help="that it was made with")
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    deadline = time.monotonic() + args.seconds

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return time.monotonic() > deadline

    print(write(args.root, store.configurations(args.trials), wait))  # noqa: T201


if __name__ == "__main__":
    main()
