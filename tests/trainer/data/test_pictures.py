"""Crop and resize against arithmetic written out; file formats, labels, and what is no picture."""

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.config.lookup import UsageError
from trainer.data.pictures import image_files, read_square


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def shrink(pixels, size):
    """Bilinear, written out: weight 1 - |distance| / scale of every pixel nearer than `scale`."""
    scale = len(pixels) / size
    centre = (np.arange(size)[:, None] + 0.5) * scale
    distance = abs(np.arange(len(pixels)) + 0.5 - centre) / max(scale, 1)
    weights = np.clip(1 - distance, 0, None)
    weights /= weights.sum(1, keepdims=True)
    return np.einsum("ij,jkc,lk->cil", weights, pixels.astype(float), weights)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 41), (30, 16), (17, 16)])
def test_the_centre_of_a_picture_of_the_right_size_is_copied(tmp_path, height, width):
    pixels = noise(height, width)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    top, left = (height - 16) // 2, (width - 16) // 2
    expected = pixels[top : top + 16, left : left + 16].transpose(2, 0, 1)
    got = read_square(tmp_path / "a.png", 16)
    assert got.dtype == torch.uint8
    assert np.array_equal(got.numpy(), expected)


@pytest.mark.parametrize(("height", "width"), [(32, 50), (75, 48), (23, 31), (9, 12)])
def test_any_other_size_is_resized_bilinearly(tmp_path, height, width):
    pixels = noise(height, width)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    expected = shrink(pixels[top : top + side, left : left + side], 16)
    got = read_square(tmp_path / "a.png", 16).numpy()
    # Pillow rounds to bytes after the columns and again after the rows.
    assert abs(got - expected).max() <= 1.01


def test_what_is_cut_off_has_no_influence(tmp_path):
    pixels = noise(40, 90)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    other = noise(40, 90, seed=1)
    other[:, 25:65] = pixels[:, 25:65]
    Image.fromarray(other).save(tmp_path / "b.png")
    assert torch.equal(read_square(tmp_path / "a.png", 16), read_square(tmp_path / "b.png", 16))


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA"])
def test_every_colour_mode_is_read_as_rgb(tmp_path, mode):
    red = Image.new("RGB", (20, 30), (200, 0, 0)).convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    red.save(path)
    got = read_square(path, 8)
    expected = torch.tensor([60, 60, 60] if mode == "L" else [200, 0, 0])
    assert got.shape == (3, 8, 8)
    assert (got[:, 4, 4].int() - expected).abs().max() <= 3


@pytest.fixture
def folder(tmp_path):
    """Two classes, one of them with a folder of its own inside, and a file that is no picture."""
    for name, size in (("n02/b.JPEG", 20), ("n02/a.png", 24), ("n01/deep/c.jpg", 30)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(size, size + 7)).save(path)
    (tmp_path / "n02" / "notes.txt").write_text("not a picture")
    return tmp_path


def test_labels_count_the_class_folders_in_sorted_order(folder):
    files = image_files(folder, 16)
    assert files.classes == ("n01", "n02")
    assert [files.path(k).relative_to(folder).as_posix() for k in range(len(files))] == [
        "n01/deep/c.jpg",
        "n02/a.png",
        "n02/b.JPEG",
    ]
    assert files.labels.tolist() == [0, 1, 1]
    assert files.labels.dtype == torch.int64
    assert torch.equal(files[1], read_square(folder / "n02" / "a.png", 16))


def test_the_fingerprint_is_of_names_sizes_and_resolution(folder, tmp_path_factory):
    fingerprint = image_files(folder, 16).fingerprint
    moved = folder.rename(tmp_path_factory.mktemp("elsewhere") / "same")
    assert image_files(moved, 16).fingerprint == fingerprint
    assert image_files(moved, 8).fingerprint != fingerprint
    with open(moved / "n02" / "b.JPEG", "ab") as file:
        file.write(b"x")
    longer = image_files(moved, 16).fingerprint
    assert longer != fingerprint
    (moved / "n02" / "b.JPEG").rename(moved / "n02" / "c.JPEG")
    assert image_files(moved, 16).fingerprint not in (fingerprint, longer)


@pytest.mark.parametrize("content", [b"", b"GIF89a?", b"cut"])
def test_a_file_that_cannot_be_read_is_named(folder, content):
    path = folder / "n02" / "b.JPEG"
    path.write_bytes(path.read_bytes()[:700] if content == b"cut" else content)
    with pytest.raises(UsageError, match=r"^cannot read the image .*n02/b\.JPEG: .+$"):
        image_files(folder, 16)[2]


def test_folders_that_are_not_class_folders(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(UsageError, match=r"a folder of pictures per class: .*any class folder"):
        image_files(empty, 16)
    (folder / "n03").mkdir()
    with pytest.raises(UsageError, match=r"a folder of pictures per class: .* classes n03"):
        image_files(folder, 16)
