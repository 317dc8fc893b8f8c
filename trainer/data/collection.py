"""Own pictures, decoded once into an array in the cache and found there again by their content.

A picture is identified by the SHA-256 of its bytes, a set by those of its pictures: names, order,
folder and kind of archive are no part of it. A picture is held out by its own hash, so adding
others moves none. In the array the pictures stand in the order of their hashes: the first are
held out, the rest is trained on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.config.lookup import UsageError
from trainer.config.own_images import OwnImages, Reading
from trainer.data.assembly import (
    DECODER,
    Progress,
    classes_of,
    content_hash,
    decode_all,
    held_out_count,
)
from trainer.data.cache import cache_folder, locked
from trainer.data.decoding import background
from trainer.data.entries import Listing
from trainer.data.places import listing

FEWEST = 2
SUBJECT = "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A decoded set: `held_out` of its `n` pictures are held out, the others trained on.

    `classes` are names in the order of their labels, None without --conditional. `enlarged` and
    `transparent` count pictures, `damaged` has (name, reason) of what was left out, `others` names
    of files that are no pictures.
    """

    folder: Path
    sha256: str
    resolution: int
    n: int
    held_out: int
    classes: Sequence[str] | None
    enlarged: int
    transparent: int
    damaged: Sequence[tuple[str, str]] = ()
    others: Sequence[str] = ()

    @property
    def identity(self) -> OwnImages:
        return OwnImages(
            resolution=self.resolution,
            sha256=self.sha256,
            images=self.n - self.held_out,
            classes=None if self.classes is None else len(self.classes),
        )

    def pixels(self) -> np.ndarray:
        """uint8 [n, 3, H, H], read from disk where it is touched; writes stay in memory."""
        return np.load(self.folder / "pixels.npy", mmap_mode="c")

    def labels(self) -> np.ndarray | None:
        """int64 [n], None without classes."""
        return None if self.classes is None else np.load(self.folder / "labels.npy")


def collect(
    root: Path, resolution: int, *, conditional: bool, reading: Reading, progress: Progress
) -> Collection:
    """Decodes the pictures at `root`, unless the cache has them as they are there.

    Raises UsageError if there are none, they lack classes or the cache cannot be written. Damaged
    ones are left out and named: whether that will do is for `refuse_damaged`.
    """
    background(reading.background)
    found = listing(root)
    if not found.n:
        raise UsageError(f"no pictures in {root}: {_instead(found)}")
    cache = cache_folder(SUBJECT)
    options = [resolution, conditional, reading.fit, reading.background, DECODER]
    source = hashlib.sha256(json.dumps([found.fingerprint, options]).encode()).hexdigest()
    with locked(cache / f"{source}.lock"):
        known = _read_source(cache, source)
        if known is not None:
            return known
        try:
            return _decoded(cache, source, root, found, resolution, conditional, reading, progress)
        except OSError as error:
            raise UsageError(
                f"cannot write the decoded pictures to {cache}: {error.strerror or error}; "
                "XDG_CACHE_HOME names another place"
            ) from error


def stored_collection(sha256: str) -> Collection | None:
    """The set of that content, if this machine's cache has it."""
    return _read_set(cache_folder(SUBJECT) / sha256)


def refuse_damaged(collection: Collection, root: Path) -> None:
    """Raises UsageError if pictures were damaged."""
    if n := len(collection.damaged):
        names = _all_names(collection.damaged)
        raise UsageError(
            f"{n} of {collection.n + n:,} pictures in {root} cannot be read: {names}; mend them, "
            "or leave them out with --skip-damaged"
        )


def _instead(found: Listing) -> str:
    if not found.others:
        return "it is empty"
    return (
        f"its {len(found.others)} files are no pictures by their names, such as {found.others[0]}"
    )


def _decoded(
    cache: Path,
    source: str,
    root: Path,
    found: Listing,
    resolution: int,
    conditional: bool,
    reading: Reading,
    progress: Progress,
) -> Collection:
    with tempfile.TemporaryDirectory(dir=cache, prefix=".reading-") as name:
        temporary = Path(name)
        with (temporary / "unordered").open("wb") as file:
            tally = decode_all(found, resolution, reading, file, progress)
        if len(tally.names) < FEWEST:
            raise UsageError(
                f"{root} has {len(tally.names)} readable pictures, and {FEWEST} are the least: "
                f"{_all_names(tally.damaged) or 'add some'}"
            )
        classes = classes_of(root, tally) if conditional else None
        numbers = {name: label for label, name in enumerate(classes or ())}
        labels = [numbers.get(label or "", 0) for label in tally.labels]
        order = sorted(range(len(labels)), key=lambda k: (tally.digests[k], labels[k]))
        sha256 = content_hash(tally, order, labels, classes, resolution, reading)
        held_out = held_out_count([tally.digests[k] for k in order])
        facts = {
            "resolution": resolution,
            "n": len(order),
            "held_out": held_out,
            "classes": classes,
            "enlarged": tally.enlarged,
            "transparent": tally.transparent,
        }
        _write_pixels(temporary, order, resolution)
        (temporary / "unordered").unlink()
        if classes is not None:
            np.save(temporary / "labels.npy", np.array(labels, np.int64)[order])
        (temporary / "facts.json").write_text(json.dumps(facts))
        _put(temporary, cache / sha256)
        # The temporary folder that is removed now is a new, empty one.
        temporary.mkdir(exist_ok=True)
    pointer = {"sha256": sha256, "damaged": tally.damaged, "others": list(found.others)}
    _replace(cache / f"{source}.json", json.dumps(pointer).encode(errors="surrogateescape"))
    collection = _read_source(cache, source)
    assert collection is not None
    return collection


def _write_pixels(folder: Path, order: Sequence[int], resolution: int) -> None:
    shape = (len(order), 3, resolution, resolution)
    unordered = np.memmap(folder / "unordered", np.uint8, "r", shape=shape)
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, shape)
    for start in range(0, len(order), 4096):
        pixels[start : start + 4096] = unordered[order[start : start + 4096]]
    pixels.flush()


def _put(folder: Path, target: Path) -> None:
    """Renames the folder into place, whole; one that is there already has the same content."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    if _read_set(target) is None:
        shutil.rmtree(target, ignore_errors=True)
        with contextlib.suppress(FileExistsError):  # another process was first
            folder.rename(target)


def _read_source(cache: Path, source: str) -> Collection | None:
    try:
        pointer = json.loads((cache / f"{source}.json").read_bytes())
        damaged = [(name, reason) for name, reason in pointer["damaged"]]
        return _read_set(cache / pointer["sha256"], damaged, pointer["others"])
    except (OSError, ValueError, KeyError, TypeError):  # absent or not ours: read again
        return None


def _read_set(
    folder: Path, damaged: Sequence[tuple[str, str]] = (), others: Sequence[str] = ()
) -> Collection | None:
    """The set in the folder of the cache, None if it is absent or not whole."""
    try:
        facts: Mapping[str, Any] = json.loads((folder / "facts.json").read_bytes())
        collection = Collection(
            folder=folder, sha256=folder.name, damaged=damaged, others=others, **facts
        )
        resolution = collection.resolution
        if collection.pixels().shape != (collection.n, 3, resolution, resolution):
            return None
        return collection
    except (OSError, ValueError, TypeError):
        return None


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    temporary.write_bytes(content)
    temporary.replace(path)


def _all_names(damaged: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({reason})" for name, reason in damaged)
