"""Data sets that are read from disk: their layout, and whether one is there.

Standard library only, so that a sweep can be planned and a question answered without torch.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path

from trainer.config.own_images import IMAGES, own_resolution

# Of NVIDIA's driver, and of Windows under Linux.
DEVICE_FILES = ("/dev/nvidia[0-9]*", "/dev/dxg")
_CIFAR10 = "cifar-10-batches-py/ as unpacked from cifar-10-python.tar.gz"
# What --data-root must hold; the first part is a folder in it. Every other data set is made here.
LAYOUTS: Mapping[str, str] = {
    "cifar10": _CIFAR10,
    "cifar10-conditional": _CIFAR10,
    "stl10": "stl10_binary/ as unpacked from stl10_binary.tar.gz",
    "imagenet": "imagenet/train/ and imagenet/val/ (ILSVRC 2012) with a folder per class, "
    "such as n01440764/",
}


def missing_reason(dataset: str, root: Path | None, *, download: bool = False) -> str | None:
    """Says why the data set cannot be read and what to do; None if it can, or may be downloaded.

    Looks for folders only: a damaged file is found when the data set is loaded.
    """
    if own_resolution(dataset) is not None or dataset == IMAGES:
        return _no_pictures_reason(root)
    if dataset not in LAYOUTS:
        return None
    layout = LAYOUTS[dataset]
    if root is None:
        return f"{dataset} is read from --data-root, which must hold {layout}"
    if dataset == "imagenet":
        if imagenet_folder(root) is not None:
            return None
        return f"no imagenet under {root}: put {layout} there; it cannot be downloaded from here"
    if not download and not (root / layout.split("/")[0]).is_dir():
        return f"no {dataset} under {root}: put {layout} there, or give --download"
    return None


def _no_pictures_reason(root: Path | None) -> str | None:
    if root is None:
        return f"{IMAGES} are read from --data-root: a folder, zip, tar, npz or npy of pictures"
    return None if root.exists() else f"no pictures at {root}: there is nothing"


def has_gpu() -> bool:
    """Tells whether this machine shows a CUDA GPU to this process, without asking torch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(glob.glob(pattern) for pattern in DEVICE_FILES)


def imagenet_folder(root: Path) -> Path | None:
    """The folder with train/ and val/: `root`/imagenet or `root` itself; None when neither is."""
    for folder in (root / "imagenet", root):
        if (folder / "train").is_dir() and (folder / "val").is_dir():
            return folder
    return None
