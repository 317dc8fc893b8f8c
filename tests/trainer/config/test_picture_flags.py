"""The flags on own pictures."""

import argparse
from pathlib import Path

import pytest

from trainer.config import picture_flags
from trainer.config.lookup import UsageError
from trainer.config.own_images import Reading


def parsed(*arguments):
    p = argparse.ArgumentParser()
    picture_flags.add(p)
    picture_flags.add_reading(p)
    return p.parse_args(arguments)


def test_how_pictures_are_read():
    assert picture_flags.reading_of(parsed()) == Reading()
    given = parsed("--fit", "--background", "black", "--skip-damaged")
    assert picture_flags.reading_of(given) == Reading(
        fit=True, background="black", skip_damaged=True
    )


@pytest.mark.parametrize(
    "flag", [["--resolution=64"], ["--conditional"], ["--fit"], ["--background=red"]]
)
def test_they_are_for_own_pictures_alone(flag):
    picture_flags.check(parsed(*flag), "images")
    with pytest.raises(UsageError, match=r"--\w+ is for --dataset images"):
        picture_flags.check(parsed(*flag), "cifar10")
    picture_flags.check(parsed(), None)


def test_a_path_means_what_it_means_to_the_shell(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert picture_flags.shell_path("~/pics") == Path("/home/me/pics")
    assert picture_flags.shell_path("pics") == Path("pics")
