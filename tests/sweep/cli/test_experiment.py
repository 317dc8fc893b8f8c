"""The experiments as declarations: what each plans unless told otherwise."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from sweep.cli.experiment import Experiment, main, parser
from sweep.fig8 import FIG8
from sweep.fig12 import FIG12
from sweep.methods import METHODS
from sweep.table1 import TABLE1

EXPERIMENTS = (TABLE1, FIG8, FIG12, METHODS)


def planned(
    experiment: Experiment, capsys: pytest.CaptureFixture[str], root: Path, *flags: str
) -> set[str]:
    """Trial ids of a dry run in the digits profile."""
    command = ["--profile=digits", "--dry-run", "--json", f"--results={root}", *flags]
    assert main(experiment, command) == 0
    return {json.loads(line)["trial_id"] for line in capsys.readouterr().out.splitlines()}


@pytest.mark.parametrize(
    ("experiment", "trials"), [(TABLE1, 52), (FIG8, 20), (FIG12, 10), (METHODS, 51)]
)
def test_the_defaults_are_the_experiment(
    experiment: Experiment,
    trials: int,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert len(planned(experiment, capsys, tmp_path / "r")) == trials
    assert not (tmp_path / "r").exists(), "a dry run writes nothing"


def test_fig8_shares_its_cells_at_one_half_with_table1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fig8, table1 = (planned(e, capsys, tmp_path) for e in (FIG8, TABLE1))
    halves = {i for i in fig8 if ".sr-static.0.5." in i}
    assert len(halves) == 4
    assert fig8 & table1 == halves | {i for i in fig8 if ".sn." in i}


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_bad_input_is_one_line_under_the_experiments_name(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(experiment, ["--profile=digits", "--settings=A_63-128"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"python -m sweep.{experiment.name}: unknown setting 'A_63-128'")
    assert said.count("\n") == 1


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_examples_are_commands_that_parse(experiment: Experiment) -> None:
    lines = experiment.examples.replace("\\\n", " ").splitlines()
    commands = [shlex.split(line) for line in lines if "python -m" in line]
    assert commands
    for command in commands:
        at = command.index(f"sweep.{experiment.name}")
        parser(experiment).parse_args(command[at + 1 :])
