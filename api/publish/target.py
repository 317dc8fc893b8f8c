"""The folder that a sweep is published to: written beside it and renamed whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from trainer.config.lookup import UsageError

# Also what `sha256sum --check` reads.
MANIFEST = "SHA256SUMS"
# Its first line, by which a folder is known to be one that was published.
HEAD = "# published by srgan-sweep; `sha256sum --check SHA256SUMS` checks every file"


def check_target(folder: Path, *, force: bool) -> None:
    """Raises UsageError unless the folder can be written: it is not there, or empty, or with
    `force` holds nothing but what was published before, as it was."""
    if not folder.exists():
        _check_parent(folder)
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder")
    _check_parent(folder)
    if not any(folder.iterdir()):
        return
    if (manifest := read_manifest(folder)) is None:
        raise UsageError(
            f"{folder} is not empty, and was not published by this command: name another folder"
        )
    if not force:
        raise UsageError(f"{folder} holds a published sweep: --force replaces it")
    if (path := _first_change(folder, manifest)) is not None:
        raise UsageError(
            f"{folder / path} is not as it was published: move it away, or name another folder"
        )


def _check_parent(folder: Path) -> None:
    parent = folder.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise UsageError(f"cannot make {folder}: {parent} is a file")
    if not os.access(parent, os.W_OK):
        raise UsageError(f"cannot make {folder}: {parent} cannot be written")


def read_manifest(folder: Path) -> dict[str, str] | None:
    """The SHA-256 of each published file by its path; None if the folder was not published."""
    try:
        head, *lines = (folder / MANIFEST).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return None
    if head != HEAD:
        return None
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def _first_change(folder: Path, manifest: dict[str, str]) -> str | None:
    """The first file that is not in the manifest, or not as it says; a missing one is no loss."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        if name != MANIFEST and (path.is_symlink() or digest(path) != manifest.get(name)):
            return name
    return None


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path) -> int:
    """Writes the manifest of all files in the folder; returns their bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{digest(path)}  {path.relative_to(folder).as_posix()}" for path in paths]
    (folder / MANIFEST).write_text("\n".join([HEAD, *lines, ""]), "utf-8")
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, which takes its place if all goes well, else is removed."""
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    before = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    fresh.mkdir()
    try:
        yield fresh
        if folder.exists():
            folder.rename(before)
        try:
            fresh.rename(folder)
        except OSError:
            if before.exists():
                before.rename(folder)
            raise
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    shutil.rmtree(before, ignore_errors=True)
