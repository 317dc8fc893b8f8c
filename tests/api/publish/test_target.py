"""The folder that is published to: what may be replaced, and what is left when it fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from api.publish.target import MANIFEST, check_target, read_manifest, replaced, write_manifest
from trainer.config.lookup import UsageError


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A folder that was published."""
    out = tmp_path / "out"
    with replaced(out) as fresh:
        (fresh / "data").mkdir()
        (fresh / "data" / "a b.csv").write_text("1\n")
        write_manifest(fresh)
    return out


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_appears_whole(before: Path) -> None:
    assert names(before.parent) == {"out/data/a b.csv", f"out/{MANIFEST}"}
    assert set(read_manifest(before) or {}) == {"data/a b.csv"}
    done = subprocess.run(["sha256sum", "--check", "--strict", MANIFEST], cwd=before, check=False)
    assert done.returncode == 0


def test_a_published_folder_is_replaced_by_force_alone(before: Path) -> None:
    with pytest.raises(UsageError, match="--force replaces it"):
        check_target(before, force=False)
    check_target(before, force=True)
    (before / "data" / "a b.csv").unlink()
    check_target(before, force=True)
    with replaced(before) as fresh:
        (fresh / "index.html").write_text("new")
    assert names(before.parent) == {"out/index.html"}


@pytest.mark.parametrize("name", ["notes.txt", "data/a b.csv", "data/new.csv", "link"])
def test_what_others_wrote_is_not_replaced(before: Path, name: str) -> None:
    if name == "link":
        (before / name).symlink_to(before / "data" / "a b.csv")
    else:
        (before / name).write_text("mine")
    with pytest.raises(UsageError, match=f"{name} is not as it was published"):
        check_target(before, force=True)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file: name a folder"):
        check_target(tmp_path / "file", force=True)
    with pytest.raises(UsageError, match="is a file"):
        check_target(tmp_path / "file" / "below", force=True)
    with pytest.raises(UsageError, match="not empty, and was not published"):
        check_target(tmp_path, force=True)
    (tmp_path / "empty").mkdir()
    check_target(tmp_path / "empty", force=False)
    check_target(tmp_path / "deep" / "below", force=False)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(before: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), replaced(before) as fresh:  # noqa: PT012 - a failure midway
        (fresh / "index.html").write_text("half")
        raise error
    assert names(before.parent) == {"out/data/a b.csv", f"out/{MANIFEST}"}


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    out = tmp_path / "empty"
    out.mkdir()
    with replaced(out) as fresh:
        (fresh / "index.html").write_text("new")
    assert names(tmp_path) == {"empty/index.html"}
