"""The version behind ETags and the cache: every file of the package counts, at any depth."""

from __future__ import annotations

from pathlib import Path

import pytest

import api
import sweep
import trainer.config
from api.reading import version


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name in ("app.py", "pages/static/main.js", "paper/figures/runs.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path


@pytest.mark.parametrize("name", ["app.py", "pages/static/main.js", "paper/figures/runs.py"])
def test_a_change_in_any_folder_changes_it(package: Path, name: str) -> None:
    before = version.digest(package)
    (package / name).write_text("changed")
    assert version.digest(package) != before


def test_a_file_that_moves_between_folders_changes_it(package: Path) -> None:
    before = version.digest(package)
    (package / "paper" / "runs.py").write_bytes((package / "paper/figures/runs.py").read_bytes())
    (package / "paper/figures/runs.py").unlink()
    assert version.digest(package) != before


def test_compiled_files_do_not_count(package: Path) -> None:
    before = version.digest(package)
    (package / "paper" / "__pycache__").mkdir()
    (package / "paper" / "__pycache__" / "runs.pyc").write_bytes(b"compiled")
    assert version.digest(package) == before


def test_the_code_behind_answers_is_walked() -> None:
    for module in (api, sweep, trainer.config):
        assert module.__file__ is not None
        assert Path(module.__file__).parent in version.FOLDERS


def test_a_change_in_any_package_changes_it(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = (package / "pages", package / "paper")
    monkeypatch.setattr(version, "FOLDERS", folders)
    before = version.code_version.__wrapped__()
    (package / "paper/figures/runs.py").write_text("changed")
    assert version.code_version.__wrapped__() != before
