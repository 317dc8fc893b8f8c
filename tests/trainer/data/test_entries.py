"""What is a picture by its name, and what a place is known by."""

import os

from trainer.data.entries import digest_of, file_stamp, is_picture


def test_pictures_by_name():
    assert all(is_picture(name) for name in ("a.jpg", "b/c.PNG", "d.e.webp", "._f.jpeg"))
    assert not any(is_picture(name) for name in ("a.txt", "jpg", "b.png.gz", "c.cls"))


def test_a_place_is_known_by_its_path_and_what_is_listed(tmp_path):
    known = digest_of(tmp_path, ["a 1", "b 2"])
    assert known == digest_of(tmp_path / "x/..", ["a 1", "b 2"])
    others = [digest_of(tmp_path / "x", ["a 1", "b 2"]), digest_of(tmp_path, ["a 1b 2"])]
    others.append(digest_of(tmp_path, ["a 1"]))
    assert len({known, *others}) == 4


def test_a_file_that_changed_has_another_stamp(tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    stamp = file_stamp(path)
    os.utime(path, ns=(1, 1))
    assert file_stamp(path) != stamp
