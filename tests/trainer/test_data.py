"""Data sets: the digits' own facts, real loaders on small files in the sets' own format."""

import hashlib
import pickle

import numpy as np
import pytest
import torch

from trainer import data
from trainer.randomness import generator
from trainer.settings import UsageError


def rng():
    return torch.Generator().manual_seed(0)


def test_digit_pools_are_a_stratified_partition():
    train, labels, held_out, held_out_labels = data.digit_pools()
    assert (len(train), len(held_out)) == (1437, 360)
    assert (torch.bincount(labels) / 4 - torch.bincount(held_out_labels)).abs().max() <= 1
    values = (train.float() * 16 / 255).round()
    assert torch.equal(values.unique(), torch.arange(17).float()), "scikit-learn's 0..16 come back"


@pytest.mark.parametrize("resolution", [8, 16])
def test_stacked_digits_have_three_independent_channels(resolution):
    images = data.load(f"digits{resolution}", "cpu")
    drawn = images.draw(4000, rng())
    assert drawn.shape == (4000, 3, resolution, resolution)
    assert drawn.dtype == torch.uint8
    ink = drawn.float().mean((2, 3))
    assert torch.corrcoef(ink.T).fill_diagonal_(0).abs().max() < 0.06


def test_larger_digits_are_repeated_pixels():
    small, large = data.load("digits8", "cpu").train, data.load("digits16", "cpu").train
    assert torch.equal(large[:, :, ::2, ::2], small)
    assert torch.equal(large[:, :, 1::2, 1::2], small)


def test_dequantisation_is_the_released_one_and_can_be_undone():
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    x = data.dequantise(images, rng())
    assert x.min() >= -1
    assert x.max() <= 1
    noise = (x + 1) * 128 - images.float()
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert noise.std() == pytest.approx(12**-0.5, rel=0.1)


def test_quantisation_clips():
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert data.quantise(x).tolist() == [0, 0, 127, 255, 255]


def test_draws_repeat_for_the_same_seed_iteration_and_purpose():
    images = data.load("digits8", "cpu")
    a, b, c = (images.draw(8, generator("cpu", 0, k, "D update 0")) for k in (7, 7, 8))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def write_cifar10(root, monkeypatch):
    """Batches of five images in CIFAR-10's own pickled format, with their checksums."""
    from torchvision.datasets import CIFAR10

    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    sums = {}
    names = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch", "batches.meta"]
    for k, name in enumerate(names):
        pixels = np.full((5, 3072), k, dtype=np.uint8)
        pixels[:, :1024] += 100
        content = {"data": pixels, "labels": [0] * 5, "label_names": ["plane"]}
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[n, sums[n]] for n in names[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    monkeypatch.setattr(CIFAR10, "meta", meta)


def test_cifar10_from_its_own_format(tmp_path, monkeypatch):
    write_cifar10(tmp_path, monkeypatch)
    images = data.load("cifar10", "cpu", tmp_path)
    assert images.train.shape == (25, 3, 32, 32)
    assert images.held_out.shape == (5, 3, 32, 32)
    assert images.train[:, 0].unique().tolist() == [100, 101, 102, 103, 104]
    assert images.train[:, 1].unique().tolist() == [0, 1, 2, 3, 4]
    assert images.draw(7, rng()).shape == (7, 3, 32, 32)


def test_stl10_is_resized_by_averaging(tmp_path, monkeypatch):
    from torchvision.datasets import STL10

    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    pixels = np.arange(96, dtype=np.uint8)[None, None, None, :].repeat(96, 2).repeat(3, 1)
    for name in ("unlabeled_X.bin", "test_X.bin"):
        # The file holds columns first; torchvision turns them back.
        pixels.repeat(4, 0).transpose(0, 1, 3, 2).tofile(folder / name)
    np.ones(4, dtype=np.uint8).tofile(folder / "test_y.bin")
    (folder / "class_names.txt").write_text("plane\n")
    monkeypatch.setattr(STL10, "_check_integrity", lambda self: True)
    images = data.load("stl10", "cpu", tmp_path)
    assert images.train.shape == images.held_out.shape == (4, 3, 32, 32)
    assert images.train[0, 0, 0].tolist() == [3 * k + 1 for k in range(32)]


@pytest.mark.parametrize(
    ("dataset", "root", "said"),
    [
        ("cifar10", None, "--data-root, which must hold cifar-10-batches-py/"),
        ("stl10", "here", "no stl10 under .*: put stl10_binary/ .* or give --download"),
        ("imagenet", "here", "conditional 128x128 networks, which this version lacks"),
    ],
)
def test_missing_data_says_what_to_do(tmp_path, dataset, root, said):
    with pytest.raises(UsageError, match=said):
        data.load(dataset, "cpu", tmp_path if root else None)
