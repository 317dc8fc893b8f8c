"""Pictures in NumPy's files: `.npy`, or `.npz` with labels beside them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.config.lookup import UsageError
from trainer.data.entries import Entry, Listing, digest_of, file_stamp

LABEL_NAMES = ("labels", "label", "y", "classes", "arr_1")
LAYOUT = "uint8 [N, H, W, 3], [N, 3, H, W] or [N, H, W]"


def array_listing(path: Path) -> Listing:
    """The pictures of an array. Raises UsageError for what is no array of pictures."""
    try:
        arrays = _arrays(path)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0]
        if "pickle" in reason:
            reason = "its arrays hold objects, as pictures of several sizes make them"
        raise UsageError(f"{path} holds no array of pictures: {reason}") from error
    pictures = {name: array for name, array in arrays.items() if array.ndim in (3, 4)}
    if len(pictures) != 1:
        shapes = ", ".join(f"{name} {list(a.shape)}" for name, a in list(arrays.items())[:6])
        raise UsageError(
            f"{path} must hold one array of pictures of one size, {LAYOUT}, but holds "
            f"{len(arrays)} arrays: {shapes or 'none'}"
        )
    pixels = _channels_last(path, next(iter(pictures.values())))
    labels, is_grey = _labels_of(path, arrays, len(pixels)), pixels.shape[-1] == 1

    def decode(content: bytes, side: int) -> Image.Image:
        values = np.frombuffer(content, np.uint8).reshape(pixels.shape[1:])
        return Image.fromarray(values[..., 0] if is_grey else values)

    shape = str(pixels.shape[1:]).encode()
    entries = (
        Entry(
            name=f"[{k}]",
            read=lambda k=k: np.ascontiguousarray(pixels[k]).tobytes(),
            label=None if labels is None else str(labels[k]),
            decode=decode,
        )
        for k in range(len(pixels))
    )
    return Listing(
        fingerprint=digest_of(path, [file_stamp(path), str(shape)]),
        n=len(pixels),
        others=[],
        entries=entries,
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of the file by name. Raises UsageError if they do not fit into memory."""
    if path.suffix.lower() == ".npy":
        return {path.name: np.load(path, mmap_mode="r", allow_pickle=False)}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > memory:
        raise UsageError(
            f"{path} unpacks to {size:,} bytes and this machine has {memory:,}: save its array "
            "as .npy, which is read in place"
        )
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _channels_last(path: Path, array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8:
        raise UsageError(f"{path} holds {array.dtype} {list(array.shape)}; pictures are {LAYOUT}")
    if array.ndim == 3:
        return array[..., None]
    if array.shape[-1] in (1, 3, 4):
        return array
    if array.shape[1] in (1, 3, 4):
        return array.transpose(0, 2, 3, 1)
    raise UsageError(f"{path} holds uint8 {list(array.shape)}; pictures are {LAYOUT}")


def _labels_of(path: Path, arrays: dict[str, np.ndarray], n: int) -> np.ndarray | None:
    name = next((name for name in LABEL_NAMES if name in arrays), None)
    if name is None:
        return None
    labels = arrays[name].reshape(-1) if arrays[name].ndim == 2 else arrays[name]
    if labels.shape != (n,) or labels.dtype.kind not in "iuUS":
        raise UsageError(
            f"{path} has {n} pictures, and its labels {name!r} are {arrays[name].dtype} "
            f"{list(arrays[name].shape)}: one whole number or name for each is needed"
        )
    return labels
