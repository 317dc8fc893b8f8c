"""`python -m sweep.publish` as a person runs it: what it refuses, and what it writes twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.publish.__main__ import main
from api.publish.target import read_manifest
from tests.api.publish.conftest import publish


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["smal"], "unknown sweep 'smal'; did you mean: small?"),
        (["small", "--samples", "1"], "--samples 1: 2 or more"),
        (["small", "--nonsense"], "unrecognized arguments: --nonsense (--help lists"),
    ],
)
def test_bad_input_is_one_line(
    small: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    out = tmp_path / "out"
    name, *flags = arguments
    assert main([name, str(out), "--results", str(small), *flags]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_left_alone(small: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    done = publish("small", tmp_path, "--results", small, "--force")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{tmp_path} is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_twice_published_is_the_same(published: Path, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    for flags in ([], ["--force"]):
        assert main(["small", str(out), "--results", str(small), *flags]) == 0
    first, second = read_manifest(published), read_manifest(out)
    assert first is not None
    assert second is not None
    differ = {path for path in first.keys() | second.keys() if first.get(path) != second.get(path)}
    assert differ == {"environment.json", "provenance.html", "ro-crate-metadata.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_a_refused_second_time_says_what_would_help(published: Path, small: Path) -> None:
    done = publish("small", published, "--results", small)
    assert done.returncode == 2
    assert "--force replaces it" in done.stderr
