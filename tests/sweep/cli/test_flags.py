"""What the flags of every experiment take, and what they refuse."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from sweep import rescue, search
from sweep.cli import experiment
from sweep.cli.flags import duration, options_of, weights_of
from sweep.plan.inception_weights import Weights
from sweep.table1 import TABLE1


@pytest.mark.parametrize(
    ("text", "value"),
    [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("0.5h", 1800), ("2d", 172800)],
)
def test_a_duration_is_in_seconds(text: str, value: float) -> None:
    assert duration(text) == value


@pytest.mark.parametrize("text", ["", "90", "h", "1h 30m", "-1h", "0s", "1h2", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a time is like"):
        duration(text)


def test_a_relative_path_is_what_it_is_to_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker has another working folder than the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "w.pth").write_bytes(b"x")
    given = ["--data-root=../d", "--inception-weights=w.pth", "--allow-other-weights"]
    args = experiment.parser(TABLE1).parse_args(given)
    options = options_of("table1", args, weights_of(args))
    assert options.data_root == tmp_path / "../d"
    assert options.weights.path == tmp_path / "w.pth"
    assert experiment.parser(TABLE1).parse_args(["--data-root=~/d"]).data_root == Path(
        "/home/me/d"
    )


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--max-concurrent=0", "--max-concurrent must be at least 1, but got 0"),
        ("--max-failures=0", "--max-failures must be at least 1, but got 0"),
        ("--time-budget=soon", "argument --time-budget: a time is like"),
        ("--cpus-per-trial=0.5", "--cpus-per-trial must be at least 1"),
        ("--gpus-per-trial=1.5", "--gpus-per-trial must be a part of a GPU"),
        ("--ray-address=", "argument --ray-address: a Ray cluster is at HOST:PORT"),
        ("--ray-address=head", "argument --ray-address: a Ray cluster is at HOST:PORT"),
        ("--ray-address=http://head:8265", "ray://HOST:PORT, or auto, not 'http://head:8265'"),
    ],
)
def test_bad_values_are_one_line(
    flag: str, says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["--profile=digits", "--dry-run", f"--results={tmp_path}", flag]
    assert experiment.main(TABLE1, command) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("address", ["10.0.0.1:6379", "ray://head:10001", "[::1]:6379", "auto"])
def test_a_cluster_can_be_named_to_every_command_that_trains(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "of-the-shell:1")
    flags = ["--ray-address", address]
    for parser, more in (
        (experiment.parser(TABLE1), []),
        (search.parser(), []),
        (rescue.parser(), ["--from-sweep", "s"]),
    ):
        assert parser.parse_args(more).ray_address is None
        args = parser.parse_args(flags + more)
        assert options_of("table1", args, Weights(path=None, sha256=None)).remote
        assert os.environ["RAY_ADDRESS"] == address


def test_no_cluster_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    args = experiment.parser(TABLE1).parse_args([])
    assert not options_of("table1", args, Weights(path=None, sha256=None)).remote
