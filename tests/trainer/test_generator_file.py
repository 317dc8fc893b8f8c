"""A generator loaded from what holds it: the same network, or one line on what is wrong."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
import torch

from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config
from trainer.generator_file import load_generator, read_safetensors
from trainer.state import from_bytes, initial_state, to_bytes

CONFIG = trial_config("digits", "C_8-32", "sr-static", 3, iterations=10)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def safetensors(header: dict[str, object], numbers: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def test_a_checkpoint_holds_its_configuration(tmp_path: Path) -> None:
    state = initial_state(CONFIG)
    state.iteration = 7
    content = to_bytes(CONFIG, state)
    loaded = load_generator(write(tmp_path / "x.pt", content), "cpu")
    assert (loaded.config, loaded.trial_id, loaded.iteration) == (CONFIG, CONFIG.trial_id, 7)
    z = torch.randn(4, CONFIG.latent_size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.network(z), state.generator.eval()(z))
    assert not loaded.network.training
    assert from_bytes(CONFIG, content).iteration == 7


def older(content: bytes) -> bytes:
    stored = torch.load(io.BytesIO(content), weights_only=True)
    del stored["config"]
    buffer = io.BytesIO()
    torch.save(stored, buffer)
    return buffer.getvalue()


def test_an_older_checkpoint_has_it_beside(tmp_path: Path) -> None:
    path = write(tmp_path / "checkpoint.pt", older(to_bytes(CONFIG, initial_state(CONFIG))))
    with pytest.raises(UsageError, match="before checkpoints held their configuration"):
        load_generator(path, "cpu")
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.asdict(CONFIG)))
    assert load_generator(path, "cpu").config == CONFIG
    assert from_bytes(CONFIG, path.read_bytes()).iteration == 0


def test_weights_of_other_networks_are_refused(tmp_path: Path) -> None:
    state = initial_state(CONFIG)
    wide = dataclasses.replace(CONFIG, generator_channels=2 * CONFIG.generator_channels)
    stored = torch.load(io.BytesIO(to_bytes(CONFIG, state)), weights_only=True)
    buffer = io.BytesIO()
    torch.save(stored | {"config": dataclasses.asdict(wide)}, buffer)
    with pytest.raises(UsageError, match="do not fit"):
        load_generator(write(tmp_path / "x.pt", buffer.getvalue()), "cpu")
    torch.save(stored | {"config": {"method": "sn"}}, buffer)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "neither safetensors nor a checkpoint"),
        (b"\xff" * 40, "longer than the file"),
        (safetensors({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}), "outside"),
        (safetensors({"a": {"dtype": "X", "shape": [], "data_offsets": [0, 0]}}), "neither"),
        (safetensors({}), "its metadata lacks the trial's configuration"),
        (b"PK not a checkpoint", "no checkpoint of this trainer"),
        (
            safetensors({"__metadata__": {"config": "{}", "trial_id": "t", "iteration": "1"}}),
            "is none of this trainer",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_generator(write(tmp_path / "x", content), "cpu")
    with pytest.raises(UsageError, match="cannot read"):
        load_generator(tmp_path / "missing", "cpu")


def test_tensors_are_read_by_their_type() -> None:
    values = torch.tensor([[1.5, -2.0], [float("inf"), 0.0]])
    numbers = bytes(values.reshape(-1).view(torch.uint8).numpy()) + (7).to_bytes(8, "little")
    header = {
        "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "n": {"dtype": "I64", "shape": [], "data_offsets": [16, 24]},
    }
    metadata, tensors = read_safetensors(safetensors(header, numbers), Path("x"))
    assert metadata == {}
    assert torch.equal(tensors["a"], values)
    assert tensors["n"].item() == 7
