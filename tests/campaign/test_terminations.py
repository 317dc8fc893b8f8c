"""Each way to end a sweep once, on its way to the results of one that nothing disturbs."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.run import trainable
from sweep.store.store import Store
from tests.campaign.comparison import compare, contents, of_trials
from tests.campaign.terminations import KINDS, End, Sweep, end, worst
from tests.processes import descendants, kill
from trainer.config.trial import TrialConfig

ITERATIONS = 300


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    # Short: the names of Ray's sockets must fit into 107 bytes.
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as temporary:
        disturbed = Sweep(tmp_path / "ended", ITERATIONS, Path(temporary))
        yield disturbed
        if disturbed.process is not None:
            kill(*descendants(disturbed.process.pid), disturbed.process.pid)
            disturbed.process.wait()


def finish(root: Path, trials: list[TrialConfig]) -> None:
    """Trains what is left, without Ray, which takes longer to start than to train this."""
    for config in trials:
        task = trainable.Task(results=str(root), stop_on_collapse=False)
        trainable.run(config, task, lambda report: None)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_end_loses_more_than_an_iteration(sweep: Sweep, tmp_path: Path) -> None:
    """Nor leaves it a row that says running, or takes as long as Slurm waits before it kills."""
    rng = random.Random(0)
    for kind in ("worker", "tree", "ctrl-c", "control"):
        cost = end(sweep, kind, rng, seconds=1.0)
        assert cost.lost <= 1, cost.line()
        assert cost.seconds < 25, cost.line()
        assert (cost.running, cost.claims) == (0, 0), cost.line()
        assert cost.code == (None if kind == "worker" else 130), cost.line()
    finish(sweep.root, sweep.trials)
    finish(tmp_path / "whole", sweep.trials)
    ids = [trial.trial_id for trial in sweep.trials]
    whole = of_trials(contents(Store(tmp_path / "whole")), ids)
    found = of_trials(contents(Store(sweep.root)), ids)
    assert [*compare(whole, found).lines()] == []


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
