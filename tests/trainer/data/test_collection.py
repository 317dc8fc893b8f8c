"""A set is known by its pictures: decoded once, found again by content, split by hash."""

import tarfile

import numpy as np
import pytest

from tests.own_pictures import png, random_pixels, write_pictures
from trainer.config.lookup import UsageError
from trainer.config.own_images import OwnImages, Reading
from trainer.data import collection as module
from trainer.data.collection import collect, refuse_damaged, stored_collection


def collected(root, resolution=32, *, conditional=False, **reading):
    return collect(
        root,
        resolution,
        conditional=conditional,
        reading=Reading(**reading),
        progress=lambda done, n: None,
    )


def rows(collection):
    return [row.tobytes() for row in collection.pixels()]


def test_a_folder_under_another_name_or_packed_is_the_same_set(tmp_path):
    first = collected(write_pictures(tmp_path / "a", 20, ("x", "y")))
    (tmp_path / "b").mkdir()
    for k in range(20):
        (tmp_path / f"b/renamed {19 - k}.PNG").write_bytes(png(k))
    second = collected(tmp_path / "b")
    with tarfile.open(tmp_path / "c.tar", "w") as archive:
        archive.add(tmp_path / "b", "b")
    third = collected(tmp_path / "c.tar")
    assert first.identity == second.identity == third.identity
    assert first.identity == OwnImages(
        resolution=32, sha256=first.sha256, images=20 - first.held_out
    )
    assert rows(first) == rows(second)
    changed = collected(write_pictures(tmp_path / "d", 21))
    assert changed.sha256 != first.sha256


def test_more_pictures_move_none_between_the_parts(tmp_path):
    root = write_pictures(tmp_path, 60)
    few = collected(root)
    write_pictures(tmp_path, 200)
    many = collected(root)
    assert set(rows(few)[: few.held_out]) <= set(rows(many)[: many.held_out])
    assert set(rows(few)[few.held_out :]) <= set(rows(many)[many.held_out :])
    assert 0 < few.held_out < many.held_out < 50


def test_pixels_are_decoded_once(tmp_path, monkeypatch, own_cache):
    root = write_pictures(tmp_path, 12)
    first = collected(root)
    monkeypatch.setattr(module, "decode_all", None)
    again = collected(root)
    assert again == first
    assert stored_collection(first.sha256).identity == first.identity
    assert stored_collection("0" * 64) is None
    names = {path.name for path in (own_cache / first.sha256).iterdir()}
    assert names == {"pixels.npy", "facts.json"}
    assert not list(own_cache.glob(".reading-*"))


def test_a_damaged_cache_is_written_anew(tmp_path, own_cache):
    root = write_pictures(tmp_path, 12)
    first = collected(root)
    before = rows(first)
    for name, content in (("pixels.npy", b"short"), ("facts.json", b"{}")):
        (own_cache / first.sha256 / name).write_bytes(content)
        assert stored_collection(first.sha256) is None
        assert rows(collected(root)) == before


def test_labels_go_with_their_pictures(tmp_path):
    root = write_pictures(tmp_path, 20, ("b", "a", "10"))
    found = collected(root, conditional=True)
    assert found.classes == ["10", "a", "b"]
    assert found.identity.classes == 3
    of_picture = {module_bytes(k): [2, 1, 0][k % 3] for k in range(20)}
    assert [of_picture[row] for row in rows(found)] == found.labels().tolist()
    assert collected(root).labels() is None
    assert collected(root).sha256 != found.sha256


def module_bytes(k):
    """The picture k, enlarged as the set has it."""
    from PIL import Image

    image = Image.fromarray(random_pixels(k)).resize((32, 32), Image.Resampling.LANCZOS)
    return np.asarray(image).transpose(2, 0, 1).tobytes()


def test_all_damaged_ones_are_named_and_then_left_out(tmp_path):
    root = write_pictures(tmp_path, 12)
    (root / "003.png").write_bytes(b"text")
    (root / "005.png").write_bytes(png(5)[:200])
    (root / "._001.png").write_bytes(b"\0\5\26\7")
    found = collected(root)
    with pytest.raises(UsageError) as refused:
        refuse_damaged(found, root)
    text = str(refused.value)
    assert "\n" not in text
    assert text.startswith("3 of 13 pictures in")
    assert all(name in text for name in ("003.png (no picture", "005.png (", "._001.png (macOS"))
    assert text.endswith("--skip-damaged")
    assert collected(root) == found, "known damaged ones are named again, from the cache"
    for name in ("003.png", "005.png", "._001.png"):
        (root / name).unlink()
    assert collected(root).identity == found.identity
    refuse_damaged(collected(root), root)


def test_what_is_no_set(tmp_path):
    empty, text, one = (tmp_path / name for name in ("empty", "text", "one"))
    empty.mkdir()
    with pytest.raises(UsageError, match=r"no pictures in .*: it is empty"):
        collected(empty)
    text.mkdir()
    (text / "a.txt").touch()
    with pytest.raises(UsageError, match="its 1 files are no pictures by their names, such as a"):
        collected(text)
    with pytest.raises(UsageError, match="has 1 readable pictures, and 2 are the least"):
        collected(write_pictures(one, 1))
    with pytest.raises(UsageError, match="needs a class for every picture"):
        collected(write_pictures(tmp_path / "flat", 5), conditional=True)


def test_nothing_is_left_of_a_set_that_is_refused(tmp_path, own_cache):
    with pytest.raises(UsageError):
        collected(write_pictures(tmp_path, 5), conditional=True)
    assert [path.suffix for path in own_cache.iterdir()] == [".lock"]


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_pixels", full)
    with pytest.raises(UsageError, match=r"cannot write the decoded .*: No space left"):
        collected(write_pictures(tmp_path, 5))
