"""Files of named tensors in a cache: whole or not at all, and never taken for another's."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path

import torch
from torch import Tensor


def read_tensors(path: Path, name: str) -> dict[str, Tensor] | None:
    """The tensors of the file if it was written under that full name, else None."""
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        return stored["tensors"] if stored["name"] == name else None
    except Exception:  # absent, damaged or not ours: computed and written again
        return None


def write_tensors(path: Path, name: str, tensors: dict[str, Tensor]) -> None:
    """Temporary file beside it, fsync, rename. Without room for it the run goes on, warned."""
    temporary = path.with_name(f".{os.getpid()}-{path.stem[:100]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            torch.save({"name": name, "tensors": tensors}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        warnings.warn(f"{path} is not kept: {error.strerror}", RuntimeWarning, stacklevel=2)
