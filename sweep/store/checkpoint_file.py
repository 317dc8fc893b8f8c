"""Reads the generator out of a trainer's checkpoint, and writes it as safetensors, without torch.

A checkpoint is what `torch.save` writes: a ZIP file with a pickle of everything but the numbers,
`data.pkl`, and the bytes of each tensor's storage, `data/<key>`. The pickle is read by names that
are on a list; none of them runs code. The other format: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import collections
import itertools
import json
import math
import pickle
import zipfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

# Of torch's storages: safetensors' name of the type, and the array type of as many bytes.
STORAGES = {
    "FloatStorage": ("F32", "f"), "DoubleStorage": ("F64", "d"), "HalfStorage": ("F16", "H"),
    "BFloat16Storage": ("BF16", "H"), "LongStorage": ("I64", "q"), "IntStorage": ("I32", "i"),
    "ByteStorage": ("U8", "B"), "BoolStorage": ("BOOL", "B"),
}  # fmt: skip
GENERATOR = "generator"


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in the file: the key of its storage, and how its values lie there."""

    key: str
    kind: str
    typecode: str
    offset: int
    shape: Sequence[int]
    strides: Sequence[int]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * array(self.typecode).itemsize


@dataclass(frozen=True, slots=True)
class GeneratorFile:
    """The generator in a checkpoint: whose it is, at which iteration, and its tensors by name."""

    trial_id: str
    iteration: int
    tensors: Mapping[str, StoredTensor]
    archive: zipfile.ZipFile
    folder: str

    def values(self, name: str) -> bytes:
        """The tensor's values in the order of its indices, the last one fastest."""
        tensor = self.tensors[name]
        raw = array(tensor.typecode, self.archive.read(f"{self.folder}data/{tensor.key}"))
        return in_order(raw, tensor).tobytes()


def open_generator(file: IO[bytes]) -> GeneratorFile:
    """Reads what is in a checkpoint, of its numbers none yet; the file has to stay open.

    Raises ValueError if it is no checkpoint of the trainer.
    """
    try:
        archive = zipfile.ZipFile(file)
        (path,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        folder = path.removesuffix("data.pkl")
        if archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("its bytes are in the order of another kind of machine")
        with archive.open(path) as pickled:
            stored = _Unpickler(pickled).load()
        tensors = dict(stored[GENERATOR])
        if not all(isinstance(tensor, StoredTensor) for tensor in tensors.values()):
            raise ValueError("its generator holds more than tensors")
        return GeneratorFile(stored["trial_id"], stored["iteration"], tensors, archive, folder)
    except (zipfile.BadZipFile, pickle.UnpicklingError, LookupError, TypeError, EOFError) as error:
        raise ValueError(f"it is no checkpoint of this trainer: {error}") from error


class _Unpickler(pickle.Unpickler):
    """Unpickles plain values, dictionaries and tensors; refuses every other name."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module_name, global_name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module_name == "torch" and global_name in STORAGES:
            return STORAGES[global_name]
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> tuple[str, str, str]:
        _, (kind, typecode), key, _, _ = pid
        return key, kind, typecode


def _tensor(
    storage: tuple[str, str, str],
    offset: int,
    shape: Sequence[int],
    strides: Sequence[int],
    *_: Any,
) -> StoredTensor:
    key, kind, typecode = storage
    return StoredTensor(key, kind, typecode, offset, tuple(shape), tuple(strides))


def in_order(raw: array[Any], tensor: StoredTensor) -> array[Any]:
    """Puts values of any strides into the order of their indices, the last one fastest."""
    shape, strides = tensor.shape, tensor.strides
    places = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    ordered = array(tensor.typecode, bytes(tensor.size))
    if not len(ordered):
        return ordered
    # A run of values along the dimension that lies closest together is moved at once.
    runs = [k for k in range(len(shape)) if strides[k] > 0]
    inner = min(runs, key=lambda k: (shape[k] == 1, strides[k]), default=None)
    if inner is None:  # no dimension, or one value for all
        return raw[tensor.offset : tensor.offset + 1] * len(ordered)
    outer = [k for k in range(len(shape)) if k != inner]
    n, step, place = shape[inner], strides[inner], places[inner]
    for indices in itertools.product(*(range(shape[k]) for k in outer)):
        source = tensor.offset + sum(i * strides[k] for i, k in zip(indices, outer, strict=True))
        target = sum(i * places[k] for i, k in zip(indices, outer, strict=True))
        ordered[target : target + n * place : place] = raw[source : source + n * step : step]
    return ordered


def safetensors_header(generator: GeneratorFile, metadata: Mapping[str, str]) -> bytes:
    """Everything before the numbers: the length, and JSON with each tensor's place."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in generator.tensors.items():
        start, end = end, end + tensor.size
        shape = list(tensor.shape)
        header[name] = {"dtype": tensor.kind, "shape": shape, "data_offsets": [start, end]}
    content = json.dumps(header, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    return len(content).to_bytes(8, "little") + content


def safetensors_parts(generator: GeneratorFile, header: bytes) -> Iterator[bytes]:
    """The file in parts, one tensor in memory at a time."""
    yield header
    for name in generator.tensors:
        yield generator.values(name)
