"""A selection of a campaign, as much of it as continuous integration has time for.

2 rounds on a faulty bucket (seeds 0 and 1: outages, rival starts, kills) and a kill (seed 1: the
raylet), beside the undisturbed run that they are held against. That is far less than a tenth of a
campaign of a thousand rounds: their number was chosen by time, some two minutes on two slow cores.
`make campaign` runs all, and cuts hosts off.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.campaign import ledger
from tests.campaign.plan import ROOT


def campaign(out: Path, *arguments: str) -> Sequence[dict]:
    """Runs `python -m tests.campaign`; returns the rounds that it has entered."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.campaign", f"--out={out}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    rounds = ledger.read(out / "rounds.jsonl")
    problems = [json.dumps(line) for line in rounds if ledger.is_failed(line)]
    assert ended.returncode == 0, "\n".join([ended.stdout, ended.stderr, *problems])
    return rounds


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_selection_of_a_campaign(tmp_path: Path) -> None:
    rounds = campaign(tmp_path, "--kinds=s3", "--rounds=2", "--jobs=2")
    assert sorted(line["seed"] for line in rounds) == [0, 1]
    assert all(line["done"] for line in rounds), "faults have struck"
    rounds = campaign(tmp_path, "--kinds=kill", "--seed=1", "--rounds=1", "--jobs=1")
    assert "kill raylet" in rounds[2]["done"]
    again = campaign(tmp_path, "--kinds=kill", "--seed=1", "--rounds=1")
    assert again == rounds, "a round that is in the ledger is not run again"
