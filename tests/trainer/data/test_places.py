"""Folders of pictures, and what is no place for any."""

import os

import pytest

from tests.own_pictures import png, write_pictures
from trainer.config.lookup import UsageError
from trainer.data.decoding import DamagedPicture
from trainer.data.places import listing


def names(found):
    return [entry.name for entry in found.entries]


def test_a_folder_in_order_with_what_else_is_there(tmp_path):
    write_pictures(tmp_path, 4, ("b", "a"))
    for other in ("README.txt", "a/._000.txt", ".DS_Store", ".hidden/x.png"):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).write_bytes(png(9))
    found = listing(tmp_path)
    assert names(found) == ["a/001.png", "a/003.png", "b/000.png", "b/002.png"]
    assert found.n == 4
    assert found.others == ["README.txt", "a/._000.txt"]
    assert [entry.label for entry in listing(tmp_path).entries] == ["a", "a", "b", "b"]
    assert next(iter(found.entries)).read() == png(1)


def test_links_are_followed_but_not_in_circles(tmp_path):
    write_pictures(tmp_path / "elsewhere", 1)
    root = tmp_path / "root"
    root.mkdir()
    (root / "cat").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "gone.png").symlink_to(tmp_path / "nothing")
    found = listing(root)
    assert names(found) == ["gone.png", "cat/000.png"]
    with pytest.raises(DamagedPicture, match="No such file"):
        next(iter(found.entries)).read()


def test_the_fingerprint_is_of_names_sizes_and_times(tmp_path):
    write_pictures(tmp_path, 3)
    before = listing(tmp_path).fingerprint
    assert listing(tmp_path).fingerprint == before
    os.utime(tmp_path / "000.png", ns=(1, 1))
    changed = listing(tmp_path).fingerprint
    (tmp_path / "000.png").rename(tmp_path / "b.png")
    assert len({before, changed, listing(tmp_path).fingerprint}) == 3


def test_no_place_for_pictures(tmp_path):
    with pytest.raises(UsageError, match=r"no pictures at .*: there is nothing"):
        listing(tmp_path / "nothing")
    (tmp_path / "a.txt").touch()
    with pytest.raises(UsageError, match="that is no folder, zip, tar, npz or npy"):
        listing(tmp_path / "a.txt")
    for name in ("a.zip", "a.tar", "a.tgz", "a.npz", "a.npy"):
        (tmp_path / name).write_bytes(b"not one of these")
        with pytest.raises(UsageError, match=r"a\.(zip|tar|tgz|npz|npy)"):
            listing(tmp_path / name)
