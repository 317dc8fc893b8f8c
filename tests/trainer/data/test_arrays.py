"""Arrays of pictures in NumPy's files, and arrays that are none."""

import numpy as np
import pytest

from tests.own_pictures import random_pixels
from trainer.config.lookup import UsageError
from trainer.data import arrays
from trainer.data.places import listing

PICTURES = np.stack([random_pixels(k) for k in range(5)])


def squares(found):
    return [np.asarray(entry.decode(entry.read(), 12)) for entry in found.entries]


@pytest.mark.parametrize(
    "array", [PICTURES, PICTURES.transpose(0, 3, 1, 2)], ids=["channels last", "channels first"]
)
def test_an_array_of_pictures(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", array)
    for name in ("a.npy", "a.npz"):
        found = listing(tmp_path / name)
        assert found.n == 5
        assert (np.stack(squares(found)) == PICTURES).all()


def test_grey_and_transparent_arrays(tmp_path):
    np.save(tmp_path / "a.npy", PICTURES[..., 0])
    assert (np.stack(squares(listing(tmp_path / "a.npy"))) == PICTURES[..., 0]).all()
    np.save(tmp_path / "b.npy", np.concatenate([PICTURES, PICTURES[..., :1]], axis=3))
    assert squares(listing(tmp_path / "b.npy"))[0].shape == (12, 12, 4)


@pytest.mark.parametrize("labels", [np.arange(5), np.arange(5)[:, None], np.array(list("abcde"))])
def test_labels_beside_the_pictures(tmp_path, labels):
    np.savez(tmp_path / "a.npz", images=PICTURES, labels=labels)
    found = [entry.label for entry in listing(tmp_path / "a.npz").entries]
    assert found == [str(label) for label in labels.reshape(-1)]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"a": PICTURES.astype(np.float32)}, "holds float32 .* pictures are uint8"),
        ({"a": PICTURES, "b": PICTURES[:, :6]}, "must hold one array of pictures of one size"),
        ({"a": np.array([PICTURES[0], PICTURES[0][:6]], object)}, "pictures of several sizes"),
        ({"a": np.arange(5)}, r"holds 1 arrays: a \[5\]"),
        ({"a": PICTURES, "labels": np.arange(4)}, "has 5 pictures, and its labels"),
        ({"a": PICTURES, "labels": np.arange(5) / 2}, "one whole number or name for each"),
        ({"a": np.zeros((5, 7, 8, 9), np.uint8)}, r"holds uint8 \[5, 7, 8, 9\]"),
    ],
)
def test_arrays_that_are_no_pictures(tmp_path, content, text):
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(UsageError, match=text):
        listing(tmp_path / "a.npz")


def test_an_array_that_no_memory_holds(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", a=PICTURES)
    monkeypatch.setattr(arrays.os, "sysconf", lambda name: 10)
    with pytest.raises(UsageError, match=r"unpacks to .* this machine has 100"):
        listing(tmp_path / "a.npz")
