"""The safetensors format, as huggingface.co/docs/safetensors lays it out: JSON, then numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

KINDS = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
MOST_HEADER_BYTES = 100_000_000


class CutOff(ValueError):
    """The file ends before a tensor, or has another number of bytes for it."""


def parse_safetensors(
    content: bytes, *, skip_unknown: bool = False
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """(metadata, tensors by name), on the CPU.

    With `skip_unknown` tensors of other kinds, such as eight-bit floats, are left out. Raises
    ValueError, which says what is wrong, for content that is damaged or no such file.
    """
    length = int.from_bytes(content[:8], "little")
    if length > min(len(content) - 8, MOST_HEADER_BYTES):
        raise ValueError(f"a safetensors header of {length} bytes, longer than the file")
    numbers = memoryview(content)[8 + length :]
    try:
        header = json.loads(content[8 : 8 + length])
        metadata = header.pop("__metadata__", {})
        return metadata, {
            name: _tensor(name, entry, numbers)
            for name, entry in header.items()
            if not skip_unknown or entry["dtype"] in KINDS
        }
    except CutOff:
        raise
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"a damaged safetensors header ({error})") from error


def _tensor(name: str, entry: Mapping[str, Any], numbers: memoryview) -> Tensor:
    start, end = entry["data_offsets"]
    kind, shape = KINDS[entry["dtype"]], entry["shape"]
    if not 0 <= start <= end <= len(numbers) or end - start != math.prod(shape) * kind.itemsize:
        raise CutOff(f"{name} is cut off: it lies outside of the file")
    # bytearray: torch takes no memory that it may not write to.
    raw = bytearray(numbers[start:end])
    return torch.frombuffer(raw, dtype=kind).reshape(shape) if raw else torch.empty(shape)
