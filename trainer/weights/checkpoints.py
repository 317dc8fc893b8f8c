"""Tensors by name from any checkpoint: PyTorch's, safetensors, NumPy archives as of Chainer.

The format is told from the bytes, not from the name. Nothing in a file is executed: pickles are
read with `weights_only`, arrays without pickles.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.config.lookup import UsageError
from trainer.weights.safetensors_format import parse_safetensors

# Branches of a checkpoint that hold tensors, but no weights.
_OTHER_STATES = re.compile(r"optim|^opt_|scheduler|scaler|^rng|exp_avg", re.IGNORECASE)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All floating-point tensors of a file, on the CPU; nested names are joined by dots.

    Raises UsageError for a file that cannot be read, that is of no known format, that needs the
    classes of another program, or that holds no tensor.
    """
    try:
        tensors = dict(_tensors(path))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    tensors = {name: t for name, t in tensors.items() if t.is_floating_point()}
    if not tensors:
        raise UsageError(f"{path}: no tensors in it")
    return tensors


def _tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    with path.open("rb") as file:
        head = file.read(9)
    if not head:
        raise UsageError(f"{path}: the file is empty")
    if head.startswith(b"PK"):
        return _archive(path)
    if head[8:9] == b"{":
        return iter(_safetensors(path).items())
    return _flattened(_torch(path))


def _archive(path: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise UsageError(f"{path}: a damaged archive ({error})") from error
    if any(name.endswith("data.pkl") for name in names):
        return _flattened(_torch(path))
    if any(name.endswith(".npy") for name in names):
        return iter(_arrays(path).items())
    raise UsageError(f"{path}: an archive without tensors; it holds {', '.join(names[:3])}, ..")


def _torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that it then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        classes = re.findall(r"GLOBAL (\S+)", str(error))
        if classes:
            raise UsageError(
                f"{path}: it holds objects of {classes[0]}, whose code would have to be "
                "executed, and is not. Save the weights alone, where the file comes from: "
                "torch.save(D.state_dict(), ..)"
            ) from error
        raise UsageError(f"{path}: no checkpoint that torch can read") from error


def _flattened(value: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield prefix, value.detach()
        return
    if isinstance(value, Mapping):
        parts = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(str(k), part) for k, part in enumerate(value)]
    else:
        return
    for key, part in parts:
        if not _OTHER_STATES.search(key):
            yield from _flattened(part, f"{prefix}.{key}" if prefix else key)


def _arrays(path: Path) -> dict[str, Tensor]:
    import numpy as np

    tensors = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                if any(_OTHER_STATES.search(part) for part in re.split(r"[/:]", name)):
                    continue
                tensors[name] = torch.from_numpy(np.array(archive[name]))
    except (ValueError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: an array that is no plain numbers ({error})") from error
    return tensors


def _safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors of known kinds: eight-bit floats have no spectrum without their scales."""
    try:
        _, tensors = parse_safetensors(path.read_bytes(), skip_unknown=True)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    return tensors
