"""The processes of a data-parallel run: rank 0 starts the others here, and all end together.

Rank 0 is the process that owns the run. The others know nothing that it does not tell them, keep
nothing, and end when it does. When one of them dies the run ends: whoever started it goes on from
its checkpoint, as after the death of rank 0 itself.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import FileStore  # pyright: ignore[reportPrivateImportUsage]

from trainer.config.own_images import Reading
from trainer.config.trial import TrialConfig
from trainer.out_of_memory import is_out_of_memory
from trainer.parallel.ranks import ALONE, Ranks
from trainer.state import TrainState, to_bytes

# Exit code of a rank whose device's memory did not suffice.
OUT_OF_MEMORY = 12
# Flags and bytes go between the hosts, gradients between the devices.
_BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
_INTERFACE = "GLOO_SOCKET_IFNAME"
# The others wait while rank 0 evaluates; that one of them has died is seen otherwise.
_LONGEST_WAIT = timedelta(days=1)
_LOOK_SECONDS = 0.05
# From an exchange that failed until the process that caused it can be seen to have ended.
_DEATH_SECONDS = 5.0
# For the others to end in order.
_END_SECONDS = 10.0
# An exchange between GPUs does not fail when a rank dies: after so long rank 0 is taken to hang.
_HUNG_SECONDS = 30.0


class RankDied(RuntimeError):
    """A rank has ended before the run; the message names it and how it ended."""


@contextmanager
def launched_ranks(
    config: TrialConfig, state: TrainState, *, root: Path | None, reading: Reading
) -> Iterator[Ranks]:
    """Yields rank 0 of the processes that train `state` with this one, until the block ends.

    They read the images at `root` as this process did, and follow `loop.train(.., ranks=..)`.
    Without a world size there are none. Raises RankDied when one of them has died, and
    torch.OutOfMemoryError when it died of that, in place of the exchange that failed by it.
    """
    if config.world_size is None:
        yield ALONE
        return
    ranks = Ranks(0, config.world_size)
    with TemporaryDirectory(prefix="srgan-ranks-") as folder:
        request = {
            "trial": dataclasses.asdict(config),
            "root": None if root is None else str(root),
            "reading": dataclasses.asdict(reading),
            "folder": folder,
            "parent": os.getpid(),
        }
        followers = _Followers(request, config.world_size)
        joined = in_order = False
        try:
            followers.await_ready(Path(folder))
            join(Path(folder), ranks, config.device_type)
            joined = True
            ranks.shared_bytes(to_bytes(config, state))
            yield ranks
            ranks.goes_on(False)
            in_order = True
        except RuntimeError as error:
            if isinstance(error, RankDied) or is_out_of_memory(error):
                raise
            if (death := followers.death(_DEATH_SECONDS)) is None:
                raise
            raise death from error
        finally:
            followers.end(_END_SECONDS if in_order else 0.0)
            # NCCL's group waits for kernels that will not end without the peer; its process ends.
            if joined and (in_order or config.device_type == "cpu"):
                dist.destroy_process_group()


def join(folder: Path, ranks: Ranks, device_type: str) -> None:
    """Makes this process one of the ranks that meet in `folder`, on one machine."""
    loopback = [card for _, card in socket.if_nameindex() if card in ("lo", "lo0")]
    chooses = bool(loopback) and _INTERFACE not in os.environ
    if chooses:
        # By itself gloo takes the address of the host's name, which may be of no card.
        os.environ[_INTERFACE] = loopback[0]
    try:
        dist.init_process_group(
            _BACKENDS[device_type],
            store=FileStore(str(folder / "store"), ranks.world_size),
            rank=ranks.rank,
            world_size=ranks.world_size,
            timeout=_LONGEST_WAIT,
        )
    finally:
        if chooses:
            del os.environ[_INTERFACE]


def ready_file(folder: Path, rank: int) -> Path:
    """A file that a rank makes once it has its images and can join."""
    return folder / f"ready-{rank}"


class _Followers:
    """The processes of the ranks from 1 on."""

    def __init__(self, request: dict[str, Any], world_size: int) -> None:
        self._world_size = world_size
        self._processes = {rank: _start(request, rank) for rank in range(1, world_size)}
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="ranks", daemon=True).start()

    def await_ready(self, folder: Path) -> None:
        """Waits until all can join. Raises RankDied if one ends before."""
        while not all(ready_file(folder, rank).exists() for rank in self._processes):
            if (death := self.death(0.0)) is not None:
                raise death
            time.sleep(_LOOK_SECONDS)

    def death(self, seconds: float) -> RankDied | torch.OutOfMemoryError | None:
        """The end of a process, which is looked for so long; None if all live.

        Of several it is that of the memory or by a signal: the others fail by an exchange.
        """
        deadline = time.monotonic() + seconds
        while not (codes := self._codes()) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        if not codes:
            return None
        rank = min(codes, key=lambda rank: (codes[rank] != OUT_OF_MEMORY, codes[rank]))
        if codes[rank] == OUT_OF_MEMORY:
            return torch.OutOfMemoryError(f"rank {rank} of {self._world_size} ran out of memory")
        return RankDied(self._in_words(rank, codes[rank]))

    def end(self, seconds: float) -> None:
        """Lets the processes end in so many seconds, and ends those that have not."""
        deadline = time.monotonic() + seconds
        while len(self._codes()) < len(self._processes) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        self._ended.set()
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _codes(self) -> dict[int, int]:
        """Exit codes by rank, of those that have ended."""
        codes = {rank: process.poll() for rank, process in self._processes.items()}
        return {rank: code for rank, code in codes.items() if code is not None}

    def _in_words(self, rank: int, code: int) -> str:
        end = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return f"rank {rank} of {self._world_size} (process {self._processes[rank].pid}) {end}"

    def _watch(self) -> None:
        """Ends this process where a rank has died and an exchange waits for it forever."""
        while not self._ended.wait(1.0):
            if self._codes() and not self._ended.wait(_HUNG_SECONDS):
                sys.stderr.write(f"{self.death(0.0)}, and rank 0 hangs: it ends too\n")
                sys.stderr.flush()
                os._exit(1)


def _start(request: dict[str, Any], rank: int) -> subprocess.Popen[str]:
    package_root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer.parallel.follower"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # Ctrl-C is for rank 0, which lets the iteration end that is under way.
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdin is not None
    with process.stdin as stdin:
        stdin.write(json.dumps({**request, "rank": rank}) + "\n")
    return process
