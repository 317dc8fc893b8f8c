"""Starts of one trial without Ray: processes that are forked where torch is already imported.

They are as real as Ray's workers (a process each, that owns the trial, and can be killed or
suspended), but begin within milliseconds. Rounds are forked likewise, from a server of forks.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkProcess, ForkServerContext
from pathlib import Path
from typing import Any

from sweep.run import trainable
from sweep.store import ownership
from tests.campaign.processes import die_with_parent
from trainer.config.trial import TrialConfig

# In s: a fifth of what the project takes, so that a suspended owner is superseded within a round.
STALE_SECONDS, BEAT_SECONDS = 12.0, 2.0
MOST_OPEN = 4096


def context() -> ForkServerContext:
    """Makes processes that begin with torch, Arrow and the trainer imported."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload([__name__, "tests.campaign.rounds", "sklearn.datasets"])
    return made


def start(config: TrialConfig, root: str, log: Path) -> ForkProcess:
    """Starts the trial, as a worker of a sweep would; what it reports is in the log, as JSON.

    Forked from this process, which therefore may not have used Arrow's S3 before.
    """
    process = multiprocessing.get_context("fork").Process(
        target=_run, args=(config, root, str(log))
    )
    process.start()
    return process


def _run(config: TrialConfig, root: str, log: str) -> None:
    # What the parent has open, connections of the proxy above all, is to close when it says so.
    os.closerange(3, MOST_OPEN)
    die_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    _hasten()
    task = trainable.Task(results=root, stop_on_collapse=False)
    trainable.run(config, task, _report)


def _hasten() -> None:
    """Shortens how long an owner without heartbeat is waited for."""
    ownership.STALE_SECONDS = STALE_SECONDS
    defaults: Mapping[str, Any] = ownership.acquire.__kwdefaults__ or {}
    ownership.acquire.__kwdefaults__ = {**defaults, "every": BEAT_SECONDS}


def _report(report: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps({"event": "trial", **report}) + "\n")
    sys.stdout.flush()
