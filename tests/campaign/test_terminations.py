"""Each way to end a sweep once, and the state that is left against that of an undisturbed run."""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.campaign.comparison import digest_of
from tests.campaign.terminations import KINDS, End, Sweep, end, worst
from tests.processes import descendants, kill
from trainer.config.trial import TrialConfig
from trainer.data.sources import load_source
from trainer.interruption import never
from trainer.loop import train
from trainer.scores.scorers import load_scorer
from trainer.state import initial_state, to_bytes

# More than any machine trains meanwhile: no trial completes. Evaluations are 200 apart.
ITERATIONS = 4000


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    # Short: the names of Ray's sockets must fit into 107 bytes.
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as temporary:
        disturbed = Sweep(tmp_path, ITERATIONS, Path(temporary))
        yield disturbed
        if disturbed.process is not None:
            kill(*descendants(disturbed.process.pid), disturbed.process.pid)
            disturbed.process.wait()


def undisturbed(config: TrialConfig, iteration: int, *, evaluated: bool) -> bytes:
    """The checkpoint of a run that is told to end after an iteration, and never before.

    `evaluated`: or after the evaluation of it, as one whose end comes by the store.
    """
    torch.set_num_threads(config.threads)
    state, source = initial_state(config), load_source(config.dataset, "cpu", None)
    scorer = load_scorer(config, source, state)
    is_there = never if evaluated else lambda: state.iteration >= iteration
    for _ in train(config, state, source, scorer, is_there):
        if state.iteration >= iteration:
            break
    return to_bytes(config, state)


def loaded(checkpoint: bytes) -> dict[str, Any]:
    return torch.load(io.BytesIO(checkpoint), weights_only=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_end_loses_more_than_an_iteration(sweep: Sweep) -> None:
    """Nor leaves it a row that says running, or takes as long as Slurm waits before it kills."""
    rng = random.Random(0)
    for kind in ("worker", "tree", "ctrl-c", "control"):
        cost = end(sweep, kind, rng, seconds=0.5)
        assert cost.lost <= 1, cost.line()
        assert cost.seconds < 25, cost.line()
        assert (cost.running, cost.claims) == (0, 0), cost.line()
        assert cost.code == (None if kind == "worker" else 130), cost.line()
    for config in sweep.trials:
        iteration = sweep.saved(config.trial_id)
        assert iteration > 0
        path = sweep.root / "checkpoints" / config.trial_id / f"{iteration}.pt"
        found = loaded(path.read_bytes())
        alone = undisturbed(config, iteration, evaluated=found["interval"] is None)
        assert digest_of(found) == digest_of(loaded(alone))


def test_the_worst_of_each_kind_is_said() -> None:
    ends = [
        End(kind=kind, moment="", lost=lost, seconds=seconds, code=130, running=0, claims=0)
        for kind in KINDS
        for lost, seconds in ((0, 3.0), (1, 2.0), (0, 4.0))
    ]
    lines = worst(ends)
    assert len(lines) == len(KINDS)
    for line in lines:
        assert "3 ends: at most 1 iterations lost, 3.0 s in the middle, 4.0 s at most" in line
