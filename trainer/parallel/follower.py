"""A rank from 1 on, as a process of its own: `python -m trainer.parallel.follower`.

It reads one line of JSON from stdin (see `processes`), takes the state from rank 0, and trains
along until rank 0 says that it is over, or has gone.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import torch

from trainer.config.own_images import Reading
from trainer.config.trial import TrialConfig
from trainer.data.share import shared
from trainer.data.sources import load_source
from trainer.loop import follow
from trainer.out_of_memory import is_out_of_memory
from trainer.parallel.processes import OUT_OF_MEMORY, join, ready_file
from trainer.parallel.ranks import Ranks
from trainer.state import from_bytes

_LOOK_SECONDS = 0.5


def main() -> int:
    # Whoever ends a run may signal every process of it: rank 0 answers, by a last iteration.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    request = json.loads(sys.stdin.readline())
    folder, rank = Path(request["folder"]), request["rank"]
    threading.Thread(target=_end_with, args=(request["parent"], folder), daemon=True).start()
    config = TrialConfig(**request["trial"])
    torch.set_num_threads(config.threads)
    if config.device_type == "cuda":
        torch.cuda.set_device(rank)  # `cuda` is this one from now on
    try:
        _train(config, Ranks(rank, config.ranks), request)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            # If it is the end of rank 0 that failed an exchange, that is seen by now.
            time.sleep(2 * _LOOK_SECONDS)
            raise
        sys.stderr.write(f"rank {rank}: {error}\n")
        return OUT_OF_MEMORY
    return 0


def _train(config: TrialConfig, ranks: Ranks, request: dict) -> None:
    source = load_source(
        config.dataset,
        config.device,
        None if request["root"] is None else Path(request["root"]),
        own=config.own_images,
        reading=Reading(**request["reading"]),
    )
    source = shared(source, config.data_share)
    folder = Path(request["folder"])
    ready_file(folder, ranks.rank).touch()
    join(folder, ranks, config.device_type)
    state = from_bytes(config, ranks.shared_bytes())
    follow(config, state, source, ranks)


def _end_with(parent: int, folder: Path) -> None:
    """Ends this process, and what rank 0 could not clear away, when rank 0 has gone.

    Not by its end of a pipe: the processes that read images for rank 0 hold that open too.
    """
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
