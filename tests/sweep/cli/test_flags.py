"""What the flags of every experiment take, and what they refuse."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from sweep import rescue, search
from sweep.cli import experiment, flags
from sweep.cli.flags import (
    device_of,
    duration,
    options_of,
    own_images_of,
    weights_of,
    world_size_of,
)
from sweep.plan.inception_weights import Weights
from sweep.table1 import TABLE1
from tests.own_pictures import write_pictures
from trainer.config.lookup import UsageError


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
        ("--world-size=0", "world_size must be at least 1, but got 0"),
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


@pytest.mark.parametrize(
    ("given", "world_size"),
    [
        ([], None),
        (["--gpus-per-trial=0.25"], None),
        (["--gpus-per-trial=1"], None),
        (["--gpus-per-trial=4"], 4),
        (["--gpus-per-trial=1.5"], None),
        (["--gpus-per-trial=inf"], None),
        (["--world-size=2"], 2),
        (["--gpus-per-trial=4", "--world-size=2"], 2),
    ],
)
def test_a_trial_is_trained_on_all_gpus_that_it_is_given(
    given: list[str], world_size: int | None
) -> None:
    """What has other GPUs than ranks is refused when its share is worked out."""
    assert world_size_of(experiment.parser(TABLE1).parse_args(given)) == world_size


def test_more_gpus_than_ranks_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["--profile=digits", "--dry-run", f"--results={tmp_path}", "--world-size=2"]
    assert experiment.main(TABLE1, [*command, "--gpus-per-trial=4"]) == 2
    said = capsys.readouterr().err
    assert "uses no GPUs, but --gpus-per-trial is 4: give --world-size" in said
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


def own_flags(*arguments: str) -> argparse.Namespace:
    return experiment.parser(TABLE1).parse_args(["--profile=small", *arguments])


def test_own_pictures_are_read_before_anything_is_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "pics", 20, ("a", "b"))
    given = own_flags("--dataset=images", "--data-root=pics", "--conditional", "--resolution=64")
    own = own_images_of(given)
    assert own is not None
    assert (own.resolution, own.classes) == (64, 2)
    assert "20 pictures of 2 classes" in capsys.readouterr().err
    assert own_images_of(own_flags()) is None
    assert options_of("table1", own_flags("--fit"), Weights()).reading.fit


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--dataset=images"], "images are read from --data-root"),
        (["--dataset=images", "--data-root=/nowhere"], "no pictures at /nowhere"),
        (["--dataset=images", "--profile=digits"], "give --profile small or paper"),
        (["--fit"], "--fit is for --dataset images"),
    ],
)
def test_flags_on_own_pictures_that_do_not_go_together(given: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        own_images_of(own_flags(*given))


def test_own_pictures_run_on_the_device_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flags, "has_gpu", lambda: False)
    paper = ["--profile=paper", "--dataset=images"]
    assert device_of(own_flags(*paper)) == "cpu"
    assert device_of(own_flags(*paper, "--device=cuda")) == "cuda"
    assert device_of(own_flags(*paper, "--ray-address=auto")) == "cuda"
    assert device_of(own_flags("--profile=paper")) is None, "rows run where the profile says"
    monkeypatch.setattr(flags, "has_gpu", lambda: True)
    assert device_of(own_flags(*paper)) == "cuda"
    assert device_of(own_flags("--dataset=images")) is None, "small is for a CPU"
