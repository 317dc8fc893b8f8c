"""The safetensors format: kinds, tensors without numbers, and content that is none."""

import json

import pytest
import torch

from trainer.weights.safetensors_format import parse_safetensors


def content(entries, numbers=b""):
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header + numbers


HALVES = torch.tensor([0.5, -1.0], dtype=torch.float16)


def test_metadata_and_tensors():
    entry = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}
    stored = content({"__metadata__": {"a": "b"}, "w": entry}, HALVES.numpy().tobytes())
    metadata, tensors = parse_safetensors(stored)
    assert metadata == {"a": "b"}
    assert torch.equal(tensors["w"], HALVES)
    assert tensors["w"].dtype == torch.float16


def test_a_tensor_without_numbers_has_its_shape():
    stored = content({"w": {"dtype": "F32", "shape": [0, 3], "data_offsets": [0, 0]}})
    assert parse_safetensors(stored)[1]["w"].shape == (0, 3)


def test_other_kinds_are_left_out_or_refused():
    stored = content({"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}, b"\0\0")
    assert parse_safetensors(stored, skip_unknown=True) == ({}, {})
    with pytest.raises(ValueError, match=r"a damaged safetensors header \('F8_E4M3'\)"):
        parse_safetensors(stored)


@pytest.mark.parametrize("offsets", [[0, 8], [4, 0], [-4, 0], [2, 6]])
def test_a_tensor_outside_of_the_file_is_named(offsets):
    entry = {"dtype": "F16", "shape": [2], "data_offsets": offsets}
    with pytest.raises(ValueError, match="w is cut off: it lies outside of the file"):
        parse_safetensors(content({"w": entry}, HALVES.numpy().tobytes()))


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (b"", "a safetensors header of 0 bytes, longer than the file"),
        (b"\xff" * 40, "longer than the file"),
        (content([1]), "a damaged safetensors header"),
        (content({"w": 3}), "a damaged safetensors header"),
    ],
)
def test_what_is_no_such_file(stored, message):
    with pytest.raises(ValueError, match=message):
        parse_safetensors(stored)
