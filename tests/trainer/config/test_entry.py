"""Import paths: what they name, and one line for what they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.config.entry import first_line, imported_function, signature_of, source_of
from trainer.config.lookup import UsageError


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "named_module.py").write_text(
        "import functools\n"
        "def build(width, depth=2): return width * depth\n"
        "twice = functools.partial(build, 2)\n"
        "value = 3\n"
    )
    (tmp_path / "failing_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_a_function_its_parameters_and_its_file(tmp_path: Path) -> None:
    function = imported_function("named_module:build")
    assert function(3) == 6
    assert list(signature_of(function, "named_module:build").parameters) == ["width", "depth"]
    assert source_of(function) == tmp_path / "named_module.py"


def test_what_stands_in_no_file() -> None:
    assert source_of(imported_function("named_module:twice")) is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("named_module", "is no import path: give package.module:function"),
        ("named_module:biuld", "unknown function of named_module 'biuld'; did you mean: build"),
        ("named_module:value", "unknown function of named_module 'value'"),
        ("failing_module:build", "cannot import failing_module: ZeroDivisionError: division by"),
    ],
)
def test_what_does_not_resolve_is_one_line(entry: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        imported_function(entry)
    assert "\n" not in str(refusal.value)


def test_an_error_is_told_in_a_line() -> None:
    assert first_line(ValueError("one\ntwo")) == "ValueError: one"
    assert first_line(KeyboardInterrupt()) == "KeyboardInterrupt"
