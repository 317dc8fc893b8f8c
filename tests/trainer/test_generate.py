"""`python -m trainer.generate`: the same images in any number, in a folder, an npz and a zip."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer import generate
from trainer.config.trial import TrialConfig, trial_config
from trainer.data.images import quantise
from trainer.randomness import generator
from trainer.state import initial_state, to_bytes

CONFIG = trial_config("digits", "C_8-32", "sn", 0, iterations=10)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(to_bytes(CONFIG, initial_state(CONFIG)))
    return path


def conditional(tmp_path: Path) -> Path:
    config = trial_config("paper", "C_32-32", "sn", 0, dataset="cifar10-conditional", device="cpu")
    config = dataclasses.replace(config, generator_channels=8)
    path = tmp_path / "conditional.pt"
    path.write_bytes(to_bytes(config, initial_state(config)))
    return path


def run(checkpoint: Path, out: Path, *flags: str) -> Path:
    assert generate.main([str(checkpoint), "--out", str(out), *flags]) == 0
    return out


def expected(config: TrialConfig, n: int, seed: int = 0) -> np.ndarray:
    """The first images, drawn by the network itself."""
    network = initial_state(config).generator.eval()
    z = torch.randn(
        250, config.latent_size, generator=generator("cpu", seed, 0, "generated images")
    )
    with torch.no_grad():
        return quantise(network(z))[:n].permute(0, 2, 3, 1).numpy()


def test_three_kinds_hold_the_same(checkpoint: Path, tmp_path: Path) -> None:
    images = expected(CONFIG, 12)
    npz = np.load(run(checkpoint, tmp_path / "a.npz", "--n", "12"))
    assert npz.files == ["arr_0"]
    assert npz["arr_0"].dtype == np.uint8
    assert np.array_equal(npz["arr_0"], images)
    folder = run(checkpoint, tmp_path / "pictures", "--n", "12")
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"{k:05}.png" for k in range(12)]
    with zipfile.ZipFile(run(checkpoint, tmp_path / "a.zip", "--n", "12")) as archive:
        assert archive.namelist() == names
        for k, name in enumerate(names):
            assert np.array_equal(np.asarray(Image.open(folder / name)), images[k])
            stored = Image.open(io.BytesIO(archive.read(name)))
            assert np.array_equal(np.asarray(stored), images[k])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.npz", "a.zip", "checkpoint.pt", "pictures",
    ]  # fmt: skip


def test_an_image_does_not_depend_on_how_many_there_are(checkpoint: Path, tmp_path: Path) -> None:
    many = np.load(run(checkpoint, tmp_path / "many.npz", "--n", "600"))["arr_0"]
    few = np.load(run(checkpoint, tmp_path / "few.npz", "--n", "260"))["arr_0"]
    other = np.load(run(checkpoint, tmp_path / "other.npz", "--n", "260", "--seed", "1"))["arr_0"]
    assert many.shape == (600, 8, 8, 3)
    assert np.array_equal(many[:260], few)
    assert not np.array_equal(few, other)
    assert len(np.unique(many.reshape(600, -1), axis=0)) == 600


def test_labels_are_written_and_can_be_chosen(tmp_path: Path) -> None:
    path = conditional(tmp_path)
    drawn = np.load(run(path, tmp_path / "a.npz", "--n", "20"))
    assert set(drawn["arr_1"]) <= set(range(10))
    assert len(set(drawn["arr_1"])) > 3
    chosen = np.load(run(path, tmp_path / "b.npz", "--n", "3", "--label", "7"))
    assert list(chosen["arr_1"]) == [7, 7, 7]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--n", "0"], "--n is 1 to 10000000, not 0"),
        (["--seed", "-1"], "--seed is 0 or more"),
        (["--label", "3"], "its training had no labels"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_bad_input_is_one_line(
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    words: str,
) -> None:
    assert generate.main([str(checkpoint), "--out", str(tmp_path / "x"), *flags]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_place_that_is_taken_is_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (tmp_path, checkpoint, tmp_path / "no" / "folder"):
        assert generate.main([str(checkpoint), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.count("is there already") == 2
    assert "there is no folder" in error


def test_points_are_no_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = trial_config("toy", "ring8", "sn", 0, iterations=10)
    path = tmp_path / "toy.pt"
    path.write_bytes(to_bytes(config, initial_state(config)))
    assert generate.main([str(path), "--out", str(tmp_path / "x")]) == 2
    assert "points in the plane" in capsys.readouterr().err


def test_nothing_half_written_is_left(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "quantise", stopped)
    for name in ("x", "x.npz", "x.zip"):
        assert generate.main([str(checkpoint), "--out", str(tmp_path / name)]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
