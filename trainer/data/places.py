"""Places where people keep pictures: a folder, a zip, a tar, an array.

Names first, content later. What a place holds beside pictures is named and left alone; what has a
picture's name and is none is for the decoder to find.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from trainer.config.lookup import UsageError
from trainer.data.archives import tar_listing, zip_listing
from trainer.data.arrays import array_listing
from trainer.data.class_labels import LABELS_FILE, class_labels
from trainer.data.decoding import DamagedPicture
from trainer.data.entries import (
    APPLE_DOUBLE,
    MOST_BYTES,
    Entry,
    Listing,
    digest_of,
    is_picture,
    too_big,
)

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def listing(root: Path) -> Listing:
    """The pictures of a folder, zip, tar or array. Raises UsageError if it can hold none."""
    lower = root.name.lower()
    try:
        if root.is_dir():
            return _folder(root)
        if lower.endswith((".npy", ".npz")):
            return array_listing(root)
        if lower.endswith(TARS):
            return tar_listing([root])
        if lower.endswith(".zip"):
            return zip_listing(root)
    except OSError as error:
        raise UsageError(f"cannot read {root}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise UsageError(f"{root} is damaged: {error}") from error
    kind = "there is nothing" if not root.exists() else "that is no folder, zip, tar, npz or npy"
    raise UsageError(f"no pictures at {root}: {kind}")


def _folder(root: Path) -> Listing:
    files = dict(_files_below(root))
    pictures = [name for name in files if is_picture(name)]
    if not pictures and (shards := [n for n in files if n.lower().endswith(TARS)]):
        return tar_listing([root / name for name in shards])
    labels_file = next((name for name in files if PurePosixPath(name).name == LABELS_FILE), None)
    labels = class_labels(
        root,
        pictures,
        None if labels_file is None else (root / labels_file).read_bytes(),
    )
    entries = [
        Entry(name=name, read=lambda name=name: _content(root / name), label=labels[name])
        for name in pictures
    ]
    return Listing(
        fingerprint=digest_of(root, (f"{name} {stamp}" for name, stamp in files.items())),
        n=len(entries),
        others=[name for name in files if not is_picture(name) and name != labels_file],
        entries=entries,
    )


def _files_below(root: Path) -> Iterator[tuple[str, str]]:
    """(name, size and time) of every file below, in order; hidden ones but `._*` are left out."""
    visited: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()  # a link to a folder above
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") and not name.startswith(APPLE_DOUBLE):
                continue
            try:
                status = path.stat()
            except OSError:  # a link to nothing
                yield path.relative_to(root).as_posix(), "missing"
                continue
            if stat.S_ISREG(status.st_mode):
                stamp = f"{status.st_size} {status.st_mtime_ns}"
                yield path.relative_to(root).as_posix(), stamp


def _content(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise DamagedPicture(too_big(size))
        return path.read_bytes()
    except OSError as error:
        raise DamagedPicture(error.strerror or str(error)) from error
