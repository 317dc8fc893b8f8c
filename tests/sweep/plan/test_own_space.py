"""Spaces that a file of Python names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.plan.own_space import defined, read_space
from trainer.config.lookup import UsageError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "space.py"
    path.write_text(text)
    return path


def test_a_grid_is_every_combination(tmp_path: Path) -> None:
    space = read_space(written(tmp_path, "grid = {'a': [1, 2], 'b': ('x',), 'c': range(2)}\n"))
    assert space.define is None
    assert len(space.points) == 4
    assert space.points[0] == {"a": 1, "b": "x", "c": 0}


def test_without_a_file_there_is_one_point() -> None:
    assert read_space(None).points == [{}]


def test_a_function_makes_configurations(tmp_path: Path) -> None:
    space = read_space(written(tmp_path, "def space(trial): return {'x': trial + 1}\n"))
    assert space.define is not None
    assert defined(space.define, 1) == {"x": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must have either `grid`"),
        ("grid = {'a': [1]}\ndef space(trial): pass\n", "must have either `grid`"),
        ("grid = []\n", "must be a dictionary of lists"),
        ("grid = {'a': 3}\n", "must have a list of values under 'a'"),
        ("grid = {'a': []}\n", "must have a list of values under 'a'"),
        ("grid = {c: range(100) for c in 'abc'}\n", "has 1,000,000 points, of at most 10,000"),
        ("space = 3\n", "must be a function, but is 3"),
        ("1 / 0\n", "cannot be run: ZeroDivisionError: division by zero"),
        ("def (\n", "cannot be run: SyntaxError"),
    ],
)
def test_a_file_that_is_no_space_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        read_space(written(tmp_path, text))
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read --space .*none\.py: No such file"):
        read_space(tmp_path / "none.py")


def test_a_function_that_makes_no_configuration() -> None:
    with pytest.raises(UsageError, match="must return a dictionary, but returned 3"):
        defined(lambda trial: 3, None)  # type: ignore[arg-type, return-value]
    with pytest.raises(UsageError, match=r"space\(trial\) failed: ZeroDivisionError"):
        defined(lambda trial: {"x": 1 / 0}, None)
