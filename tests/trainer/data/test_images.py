"""Data sets: the digits' own facts, real loaders on small files in the sets' own format."""

import hashlib
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tests.own_pictures import write_pictures
from trainer.config.lookup import UsageError
from trainer.config.own_images import OwnImages, Reading
from trainer.data import images as data
from trainer.data import pictures
from trainer.data.preparation import prepare

ROOT = Path(__file__).parents[3]


def rng():
    return torch.Generator().manual_seed(0)


def test_digit_pools_are_a_stratified_partition():
    train, labels, held_out, held_out_labels = data.digit_pools()
    assert (len(train), len(held_out)) == (1437, 360)
    assert (torch.bincount(labels) / 4 - torch.bincount(held_out_labels)).abs().max() <= 1
    values = (train.float() * 16 / 255).round()
    assert torch.equal(values.unique(), torch.arange(17).float()), "scikit-learn's 0..16 come back"


def test_digit_pools_are_those_that_scikit_learn_splits():
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=0)
    train, held_out, train_labels, held_out_labels = map(torch.as_tensor, parts)
    expected = [
        (x * (255 / 16)).round().to(torch.uint8).reshape(-1, 1, 8, 8) for x in (train, held_out)
    ]
    found = data.digit_pools()
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], train_labels)
    assert torch.equal(found[2], expected[1])
    assert torch.equal(found[3], held_out_labels)


def test_digits_are_read_without_importing_scikit_learn():
    read = "from trainer.data import images; images.digit_pools()"
    code = f"import sys; {read}; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("resolution", [8, 16])
def test_stacked_digits_have_three_independent_channels(resolution):
    images = data.load(f"digits{resolution}", "cpu")
    drawn = images.draw_uint8(4000, rng())
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
    x = pictures.dequantise(images, rng())
    assert x.min() >= -1
    assert x.max() <= 1
    noise = (x + 1) * 128 - images.float()
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert noise.std() == pytest.approx(12**-0.5, rel=0.1)


def test_quantisation_clips():
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert data.quantise(x).tolist() == [0, 0, 127, 255, 255]


@pytest.mark.parametrize("held_out", [False, True])
def test_a_draw_takes_three_indices_each_and_then_the_noise_from_one_generator(held_out):
    digits = data.load("digits8", "cpu")
    pool = digits.held_out if held_out else digits.train
    g = rng()
    index = torch.randint(len(pool), (50, 3), generator=g)
    stored = torch.stack([pool[index[:, channel], 0] for channel in range(3)], 1)
    expected = (stored + torch.rand((50, 3, 8, 8), generator=g)) / 128 - 1
    drawn, labels = digits.draw(50, rng(), held_out=held_out)
    assert labels is None
    assert drawn.dtype == torch.float32
    assert torch.equal(drawn, expected)
    assert torch.equal(digits.draw_uint8(50, rng(), held_out=held_out), stored)
    assert torch.equal(digits.draw_fixed(50, rng(), held_out=held_out)[0], expected)


def test_stacked_digits_are_no_list_of_images():
    digits = data.load("digits8", "cpu")
    with pytest.raises(ValueError, match="there is no list of them"):
        digits.real_dataset()
    with pytest.raises(ValueError, match="there is no list of them"):
        _ = digits.fingerprint


def cifar10_row(image):
    """One row of a CIFAR-10 file for uint8 [3, 32, 32]: all red, all green, all blue, by rows."""
    return image.reshape(3072).numpy()


def write_cifar10(root, monkeypatch):
    """25 and 5 random images in CIFAR-10's own pickled batches; returns them and their labels.

    torchvision knows the checksums of the real files; here it is told those of the small ones,
    so that its check runs and a damaged file is found.
    """
    from torchvision.datasets import CIFAR10

    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    images = torch.randint(256, (30, 3, 32, 32), dtype=torch.uint8, generator=rng())
    labels = [(7 * k) % 10 for k in range(30)]
    sums = {}
    names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    for k, name in enumerate(names):
        five = slice(5 * k, 5 * k + 5)
        rows = np.stack([cifar10_row(image) for image in images[five]])
        (folder / name).write_bytes(pickle.dumps({"data": rows, "labels": labels[five]}))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    meta = folder / "batches.meta"
    meta.write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    digest = hashlib.md5(meta.read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[n, sums[n]] for n in names[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(
        CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": digest}
    )
    return images, torch.tensor(labels)


def test_cifar10_from_its_own_format(tmp_path, monkeypatch):
    images, _ = write_cifar10(tmp_path, monkeypatch)
    cifar10 = data.load("cifar10", "cpu", tmp_path)
    assert torch.equal(cifar10.train, images[:25])
    assert torch.equal(cifar10.held_out, images[25:])
    drawn, labels = cifar10.draw(7, rng())
    assert labels is None
    assert drawn.shape == (7, 3, 32, 32)


def test_conditional_cifar10_is_the_same_files_with_labels(tmp_path, monkeypatch):
    images, labels = write_cifar10(tmp_path, monkeypatch)
    cifar10 = data.load("cifar10-conditional", "cpu", tmp_path)
    plain = data.load("cifar10", "cpu", tmp_path)
    for held_out, begin in ((False, 0), (True, 25)):
        drawn, drawn_labels = cifar10.draw(64, rng(), held_out=held_out)
        assert torch.equal(drawn, plain.draw(64, rng(), held_out=held_out)[0])
        assert drawn_labels.dtype == torch.int64
        part = slice(begin, begin + 25)
        distance = torch.cdist(((drawn + 1) * 128).flatten(1), images[part].float().flatten(1))
        assert torch.equal(drawn_labels, labels[part][distance.argmin(1)])


def test_the_list_for_statistics_is_the_training_images_and_has_a_fingerprint(
    tmp_path, monkeypatch
):
    images, _ = write_cifar10(tmp_path, monkeypatch)
    cifar10 = data.load("cifar10", "cpu", tmp_path)
    listed = cifar10.real_dataset()
    assert len(listed) == 25
    assert torch.equal(torch.stack([listed[k] for k in range(25)]), images[:25])
    assert cifar10.fingerprint == hashlib.sha256(images[:25].numpy().tobytes()).hexdigest()
    changed = data.Images(train=images[1:26], held_out=images[:1], stacked=False)
    assert changed.fingerprint != cifar10.fingerprint


def test_a_damaged_cifar10_is_one_line(tmp_path, monkeypatch):
    write_cifar10(tmp_path, monkeypatch)
    with open(tmp_path / "cifar-10-batches-py" / "data_batch_3", "ab") as file:
        file.write(b"x")
    with pytest.raises(
        UsageError, match=r"cifar10 cannot be read from .*another checksum; put cifar-10-"
    ):
        data.load("cifar10", "cpu", tmp_path)


def write_stl10(root, monkeypatch, unlabelled, test):
    """Random images uint8 [N, 3, 96, 96] as STL-10's binary files: column by column, no header.

    torchvision's check of the checksums is turned off: the real ones are of 2.6 GB.
    """
    from torchvision.datasets import STL10

    folder = root / "stl10_binary"
    folder.mkdir()
    for name, images in (("unlabeled_X.bin", unlabelled), ("test_X.bin", test)):
        images.transpose(2, 3).numpy().tofile(folder / name)
    np.arange(1, len(test) + 1, dtype=np.uint8).tofile(folder / "test_y.bin")
    (folder / "class_names.txt").write_text("plane\n")
    monkeypatch.setattr(STL10, "_check_integrity", lambda self: True)


def test_stl10_is_resized_by_averaging(tmp_path, monkeypatch):
    unlabelled, test = (
        torch.randint(256, (n, 3, 96, 96), dtype=torch.uint8, generator=rng()) for n in (4, 2)
    )
    write_stl10(tmp_path, monkeypatch, unlabelled, test)
    images = data.load("stl10", "cpu", tmp_path)
    assert images.train_labels is None
    for got, large in ((images.train, unlabelled), (images.held_out, test)):
        means = large.double().unflatten(3, (32, 3)).unflatten(2, (32, 3)).mean((3, 5))
        assert torch.equal(got, means.round().to(torch.uint8))


def test_stl10_without_a_file_is_one_line(tmp_path, monkeypatch):
    images = torch.zeros(1, 3, 96, 96, dtype=torch.uint8)
    write_stl10(tmp_path, monkeypatch, images, images)
    (tmp_path / "stl10_binary" / "test_X.bin").unlink()
    with pytest.raises(UsageError, match=r"stl10 cannot be read from .*test_X.bin"):
        data.load("stl10", "cpu", tmp_path)


@pytest.mark.parametrize(
    ("dataset", "root", "said"),
    [
        ("cifar10", None, "--data-root, which must hold cifar-10-batches-py/"),
        ("stl10", "here", "no stl10 under .*: put stl10_binary/ .* or give --download"),
        ("imagenet", "here", "no imagenet under .*: put imagenet/train/ .* cannot be downloaded"),
        ("ring8", "here", "no set of images is called 'ring8'"),
    ],
)
def test_missing_data_says_what_to_do(tmp_path, dataset, root, said):
    with pytest.raises(UsageError, match=said):
        data.load(dataset, "cpu", tmp_path if root else None)


# Own pictures.


def prepared(root, *, conditional=False):
    return prepare(root, 32, conditional=conditional, reading=Reading())


def test_own_pictures_are_drawn_with_their_labels(tmp_path):
    collection = prepared(write_pictures(tmp_path, 40, ("a", "b", "c")), conditional=True)
    images = data.own_images(collection.identity, "cpu", None)
    assert len(images.train) == collection.identity.images
    assert len(images.held_out) == collection.held_out
    label_of = {
        row.tobytes(): int(label)
        for row, label in zip(collection.pixels(), collection.labels(), strict=True)
    }
    for held_out in (False, True):
        drawn, labels = images.draw(50, rng(), held_out=held_out)
        same = images.draw_uint8(50, rng(), held_out=held_out)
        assert [label_of[x.numpy().tobytes()] for x in same] == labels.tolist()
        noise = (drawn + 1) * 128 - same.float()
        assert -1e-4 < noise.min() < noise.max() < 1 + 1e-4
    assert torch.equal(images.real_dataset()[3], images.train[3])


def test_own_pictures_without_classes_have_no_labels(tmp_path):
    own = prepared(write_pictures(tmp_path, 12, ("a", "b"))).identity
    assert data.own_images(own, "cpu", None).draw(4, rng())[1] is None


def test_a_node_whose_cache_lacks_them_reads_them_itself(tmp_path, own_cache):
    own = prepared(write_pictures(tmp_path, 12)).identity
    before = data.own_images(own, "cpu", None).train.clone()
    shutil.rmtree(own_cache)
    with pytest.raises(UsageError, match="images are read from --data-root"):
        data.own_images(own, "cpu", None)
    assert torch.equal(data.own_images(own, "cpu", tmp_path).train, before)


def test_pictures_that_have_changed_are_refused(tmp_path):
    own = prepared(write_pictures(tmp_path / "a", 12)).identity
    other = OwnImages(resolution=32, sha256="0" * 64, images=own.images)
    with pytest.raises(UsageError, match=r"are images32-.* but the trial is of images32-00000000"):
        data.own_images(other, "cpu", tmp_path / "a")


def test_a_set_beside_the_device_is_drawn_like_one_on_it(tmp_path, monkeypatch):
    own = prepared(write_pictures(tmp_path, 40)).identity
    read = data.own_images(own, "cpu", None)
    monkeypatch.setattr(data, "fits", lambda n_bytes, device: True)
    resident = data.own_images(own, "cpu", None)
    assert torch.equal(read.draw(30, rng())[0], resident.draw(30, rng())[0])


def test_what_fits_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (16 * 2**30, 80 * 2**30))
    assert data.fits(2**31, "cuda")
    assert not data.fits(2**31 + 1, "cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4 * 2**20, 80 * 2**30))
    assert data.fits(2**20, "cuda:1")
    assert not data.fits(2**20 + 1, "cuda")
    assert not data.fits(1, "cpu"), "the file's pages are shared between trials"
