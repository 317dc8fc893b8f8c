"""Import paths of functions, resolved before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.plan.entry import entry_function, source_of
from trainer.config.lookup import UsageError


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_module.py").write_text(
        "import functools\n"
        "def train(config, run): return config\n"
        "def more(config, run, extra=1): pass\n"
        "def fewer(config): pass\n"
        "value = 3\n"
        "part = functools.partial(more, extra=2)\n"
    )
    (tmp_path / "broken_module.py").write_text("raise SystemExit('no arguments')\n")
    (tmp_path / "lacking_module.py").write_text("import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "own_module"


def test_a_function_of_config_and_run(module: str) -> None:
    function = entry_function(f"{module}:train")
    assert function({"a": 1}, None) == {"a": 1}
    assert source_of(function).name == "own_module.py"
    assert entry_function(f"{module}:more") is not None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("own_module", "is no import path: give package.module:function"),
        ("own_module:", "is no import path"),
        ("own-module:train", "is no import path"),
        ("own_module:trian", "unknown function of own_module 'trian'; did you mean: train"),
        ("own_module:value", "unknown function of own_module 'value'"),
        ("own_module:fewer", r"must take two arguments, \(config, run\), but is fewer\(config\)"),
        ("no_module:train", "cannot import no_module: ModuleNotFoundError"),
        ("broken_module:train", "cannot import broken_module: SystemExit: no arguments"),
        ("lacking_module:train", "No module named 'nothing_of_that_name'"),
    ],
)
def test_what_does_not_resolve_is_one_line(module: str, entry: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        entry_function(entry)
    assert "\n" not in str(refusal.value)


def test_what_stands_in_no_file_needs_a_version(module: str) -> None:
    with pytest.raises(UsageError, match="give --version"):
        source_of(entry_function(f"{module}:part"))
