"""How a set comes from its pictures: order, hash, split, classes."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest

from tests.own_pictures import png, random_pixels, write_pictures
from trainer.config.lookup import UsageError
from trainer.config.own_images import Reading
from trainer.data.assembly import Tally, classes_of, content_hash, decode_all, held_out_count
from trainer.data.places import listing

ROOT = Path("pics")


def digest(number):
    return number.to_bytes(32, "big")


def test_the_lowest_tenth_of_all_hashes_is_held_out():
    tenth = 2**256 // 10
    digests = sorted(digest(k) for k in (0, tenth // 2, tenth - 2**200, tenth + 2**200, 2**255))
    assert held_out_count(digests) == 3
    real = sorted(hashlib.sha256(bytes([k % 256, k // 256])).digest() for k in range(5000))
    assert abs(held_out_count(real) - 500) < 70, "three standard deviations"


def test_one_is_held_out_and_one_trained_on_in_any_case():
    assert held_out_count([digest(2**255), digest(2**255 + 1)]) == 1
    assert held_out_count([digest(1), digest(2), digest(3)]) == 2


def test_all_are_decoded_in_their_order_and_progress_is_told(tmp_path):
    write_pictures(tmp_path, 20)
    (tmp_path / "007.png").write_bytes(b"broken")
    (tmp_path / "._008.png").write_bytes(png(8))
    file, told = io.BytesIO(), []
    tally = decode_all(
        listing(tmp_path), 12, Reading(), file, lambda done, n: told.append((done, n))
    )
    kept = [k for k in range(20) if k != 7]
    assert tally.names == [f"{k:03}.png" for k in kept]
    assert tally.digests == [hashlib.sha256(png(k)).digest() for k in kept]
    found = np.frombuffer(file.getvalue(), np.uint8).reshape(-1, 3, 12, 12)
    assert (found.transpose(0, 2, 3, 1) == [random_pixels(k) for k in kept]).all()
    assert [name for name, _ in tally.damaged] == ["._008.png", "007.png"]
    assert told == [(k, 21) for k in range(22)]


def tally(*labels):
    return Tally(names=[f"{k}.png" for k in range(len(labels))], labels=list(labels))


def test_classes_are_sorted_numbers_as_numbers():
    assert classes_of(ROOT, tally("b", "a", "b")) == ["a", "b"]
    assert classes_of(ROOT, tally("10", "9", "2")) == ["2", "9", "10"]
    with pytest.raises(UsageError, match=r"needs a class for every picture.* 1.png in pics"):
        classes_of(ROOT, tally("a", None))
    with pytest.raises(UsageError, match="at least two classes, and all of pics is of 'a'"):
        classes_of(ROOT, tally("a", "a"))


def test_the_hash_is_of_all_that_decides_about_the_numbers():
    made = Tally(digests=[digest(1), digest(2)], names=["a", "b"], labels=[None, None])

    def hashed(*, order=(0, 1), labels=(0, 0), classes=None, resolution=32, **reading):
        return content_hash(made, order, labels, classes, resolution, Reading(**reading))

    plain = hashed()
    assert hashed(skip_damaged=True) == plain, "what is left out is not there"
    assert hashed(background="black") == plain, "no picture shows it"
    assert hashed(labels=(0, 1)) == plain, "labels without --conditional are not used"
    fitted = hashed(fit=True)
    different = [
        plain, fitted, hashed(fit=True, background="black"), hashed(resolution=64),
        hashed(order=(1, 0)), hashed(classes=["x", "y"]),
        hashed(classes=["x", "y"], labels=(0, 1)),
    ]  # fmt: skip
    assert len(set(different)) == len(different)
    made.transparent = 1
    assert hashed(background="black") != hashed()
