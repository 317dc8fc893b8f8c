"""What the flags of every experiment take, and what they refuse."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sweep.cli.experiment import main, parser
from sweep.cli.flags import duration, options_of, weights_of
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
    args = parser(TABLE1).parse_args(given)
    options = options_of("table1", args, weights_of(args))
    assert options.data_root == tmp_path / "../d"
    assert options.weights.path == tmp_path / "w.pth"
    assert parser(TABLE1).parse_args(["--data-root=~/d"]).data_root == Path("/home/me/d")


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--max-concurrent=0", "--max-concurrent must be at least 1, but got 0"),
        ("--max-failures=0", "--max-failures must be at least 1, but got 0"),
        ("--time-budget=soon", "argument --time-budget: a time is like"),
        ("--cpus-per-trial=0.5", "--cpus-per-trial must be at least 1"),
        ("--gpus-per-trial=1.5", "--gpus-per-trial must be a part of a GPU"),
    ],
)
def test_bad_values_are_one_line(
    flag: str, says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["--profile=digits", "--dry-run", f"--results={tmp_path}", flag]
    assert main(TABLE1, command) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
