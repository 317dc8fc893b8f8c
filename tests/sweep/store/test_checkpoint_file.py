"""The generator of a checkpoint, read without torch: the very tensors, and nothing that runs."""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import zipfile
from array import array
from typing import Any

import pytest
import torch
from torch import Tensor

from sweep.store.checkpoint_file import (
    StoredTensor,
    in_order,
    open_generator,
    safetensors_header,
    safetensors_parts,
)
from trainer.config.trial import trial_config
from trainer.state import initial_state, to_bytes


def saved(generator: dict[str, Tensor], **others: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save({"generator": generator, "trial_id": "t", "iteration": 3, **others}, buffer)
    buffer.seek(0)
    return buffer


def read(file: io.BytesIO) -> dict[str, Tensor]:
    """Tensors as any reader of safetensors has them, by the format's own description."""
    generator = open_generator(file)
    header = safetensors_header(generator, {"trial_id": generator.trial_id})
    content = b"".join(safetensors_parts(generator, header))
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    entries, numbers = json.loads(content[8 : 8 + length]), content[8 + length :]
    assert entries.pop("__metadata__") == {"trial_id": "t"}
    kinds = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16,
             "BF16": torch.bfloat16, "I64": torch.int64, "U8": torch.uint8,
             "BOOL": torch.bool}  # fmt: skip
    places = sorted(entry["data_offsets"] for entry in entries.values())
    assert all(before[1] == after[0] for before, after in itertools.pairwise(places))
    assert places[-1][1] == len(numbers)
    found = {}
    for name, entry in entries.items():
        start, end = entry["data_offsets"]
        flat = torch.frombuffer(bytearray(numbers[start:end]), dtype=kinds[entry["dtype"]])
        found[name] = flat.reshape(entry["shape"])
    return found


def test_every_type_and_layout_comes_back() -> None:
    rng = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, 4, 2, generator=rng)
    tensors = {
        "contiguous": weight,
        "channels_last": weight.to(memory_format=torch.channels_last),
        "transposed": torch.randn(6, 7, generator=rng).T,
        "part": torch.randn(10, 4, generator=rng)[3:8, 1:3],
        "every other": torch.arange(10.0)[::2],
        "repeated": torch.randn(3, 1, generator=rng).expand(3, 4),
        "narrow": torch.randn(4, 6, 1, 1, generator=rng).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(7),
        "one": torch.tensor([1.5], dtype=torch.float64),
        "half": torch.randn(3, generator=rng).half(),
        "brain": torch.randn(3, generator=rng).bfloat16(),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "flags": torch.tensor([True, False]),
        "not finite": torch.tensor([float("nan"), float("inf"), -0.0]),
    }
    found = read(saved(tensors))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name].nan_to_num(nan=9), tensor.nan_to_num(nan=9)), name


def test_a_trainers_checkpoint_is_read() -> None:
    config = trial_config("digits", "C_8-32", "sr-static", 0)
    state = initial_state(config)
    generator = open_generator(io.BytesIO(to_bytes(config, state)))
    assert (generator.trial_id, generator.iteration) == (config.trial_id, 0)
    weights = state.generator.state_dict()
    assert generator.tensors.keys() == weights.keys()
    for name, tensor in weights.items():
        values = bytes(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
        assert generator.values(name) == values, name


def test_a_pickle_that_would_run_code_is_refused() -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.system, ("touch /tmp/should-not-be-there",)

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"generator": Evil()}))
        archive.writestr("archive/byteorder", "little")
    with pytest.raises(ValueError, match=r"it names posix\.system"):
        open_generator(buffer)


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip", b"PK\x03\x04", saved({}).getvalue()[:200]],
)
def test_what_is_no_checkpoint_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no checkpoint of this trainer"):
        open_generator(io.BytesIO(content))


def test_a_file_of_another_kind_is_refused() -> None:
    buffer = io.BytesIO()
    torch.save({"weights": torch.zeros(2)}, buffer)
    with pytest.raises(ValueError, match="no checkpoint of this trainer"):
        open_generator(buffer)
    with pytest.raises(ValueError, match="more than tensors"):
        open_generator(saved({"a": "text"}))  # pyright: ignore[reportArgumentType] - what is refused


def test_nothing_is_in_order() -> None:
    empty = StoredTensor("0", "F32", "f", 0, (0, 3), (3, 1))
    assert in_order(array("f"), empty) == array("f")
