"""Files as libraries write them, byte for byte, and files that are none."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from trainer.config.lookup import UsageError
from trainer.weights.checkpoints import read_tensors

W = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


def safetensors(entries, metadata=None):
    """The format's own description: length, header in JSON, tensors."""
    header, body = {} if metadata is None else {"__metadata__": metadata}, b""
    for name, (dtype, array) in entries.items():
        data = array.tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        body += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize("old", [False, True])
def test_nested_checkpoints_of_torch(tmp_path, old):
    path = tmp_path / "model.pth"
    nested = {
        "D": {"c": {"weight": W}, "steps": torch.tensor(3)},
        "optimizer_D": {"state": {0: {"exp_avg": W}}},
        "epoch": 3,
        "parts": [W + 1],
    }
    torch.save(nested, path, _use_new_zipfile_serialization=not old)
    tensors = read_tensors(path)
    assert list(tensors) == ["D.c.weight", "parts.0"]
    assert torch.equal(tensors["D.c.weight"], W)


def test_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    half = W.bfloat16().view(torch.int16).numpy()
    path.write_bytes(safetensors({"a": ("F32", W.numpy()), "b": ("BF16", half)}, {"format": "pt"}))
    tensors = read_tensors(path)
    assert torch.equal(tensors["a"], W)
    assert torch.equal(tensors["b"], W.bfloat16())


def test_a_snapshot_of_chainer_needs_no_suffix(tmp_path):
    path = tmp_path / "snapshot_iter_40000"
    arrays = {
        "updater/model:dis/b1/c1/W": W.numpy(),
        "updater/optimizer:opt_dis/b1/c1/W/m": W.numpy(),
        "updater/iteration": np.array(3),
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
    assert list(read_tensors(path)) == ["updater/model:dis/b1/c1/W"]


class Foreign:
    pass


def archive(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return buffer.getvalue()


def torch_bytes(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


GOOD = safetensors({"a": ("F32", W.numpy())})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"hello, this is text", "no checkpoint that torch can read"),
        (pickle.dumps({"D": Foreign()}, 2), "objects of .*Foreign.*torch.save"),
        (torch_bytes({"epoch": 3}), "no tensors in it"),
        (torch_bytes({"D": W})[:400], "damaged archive"),
        (archive(readme="hello"), "without tensors; it holds readme"),
        (GOOD[:-4], "a is cut off"),
        (struct.pack("<Q", 10**9) + b"{}", "a safetensors header of 1000000000 bytes"),
        (struct.pack("<Q", 4) + b"{no}", "a damaged safetensors header"),
    ],
    ids=["empty", "text", "pickle", "numbers", "cut", "archive", "cut off", "long", "no header"],
)
def test_what_is_no_checkpoint_is_said_in_one_line(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as raised:
        read_tensors(path)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"{path}: ")


def test_arrays_of_objects_are_not_loaded(tmp_path):
    path = tmp_path / "file.npz"
    np.savez(path, a=np.array([Foreign()], dtype=object))
    with pytest.raises(UsageError, match="no plain numbers"):
        read_tensors(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_tensors(tmp_path / "none.pt")
    with pytest.raises(UsageError, match="directory"):
        read_tensors(tmp_path)
