"""What is known of real images is theirs alone, and is whole or not used."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from trainer.config.lookup import UsageError
from trainer.scores import metrics
from trainer.scores.reference import fingerprint_of, streamed_statistics


def test_streamed_statistics_are_those_of_all_at_once():
    x = 3 + torch.randn(500, 7, generator=torch.Generator().manual_seed(0))
    found, expected = streamed_statistics(x.split(64)), metrics.statistics(x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_other_images_of_the_same_number_are_not_taken_for_these(tiny_scorer, draw):
    found = []
    for high in (100, 200):
        real = draw(30, 1, high=high)
        scorer = tiny_scorer(real, fingerprint=fingerprint_of(real))
        found.append(scorer.scores(draw(20), "modern-20"))
    assert found[0]["fid"] != pytest.approx(found[1]["fid"], rel=0.1)
    assert found[0]["kid_mean"] != pytest.approx(found[1]["kid_mean"], rel=0.1)


def test_known_images_are_not_read_again(tiny_scorer, draw, listed, tmp_path):
    images = draw(30, 1)
    first = tiny_scorer(images).scores(draw(20), "modern-20")
    again = listed(images)
    assert tiny_scorer(again).scores(draw(20), "modern-20") == first
    assert again.reads < 10, "only looked at for their shape"
    other_network = listed(images)
    tiny_scorer(other_network, weights_sha256="v")
    assert other_network.reads >= len(images)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_same_images_stand_for_a_larger_set(tiny_scorer, draw, listed, tmp_path):
    real = draw(200, 1)
    resident, read = tiny_scorer(real), tiny_scorer(listed(real), tmp_path / "read")
    assert resident.scores(draw(20), "modern-20") == read.scores(draw(20), "modern-20")
    features = resident.reference.features(20)
    assert features.shape == (20, 12)
    assert torch.equal(features, read.reference.features(20))
    assert len(features.unique(dim=0)) == 20, "no image stands twice"


class Code:
    """Unpickled without care, it makes the file `path`."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("damage", ["cut", "junk", "code", "renamed"])
def test_an_unsound_file_is_written_anew(tiny_scorer, draw, tmp_path, damage):
    cache, images, fake = tmp_path / "cache", draw(30, 1), draw(20)
    first = tiny_scorer(images, cache).scores(fake, "paper-20")
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    if damage == "renamed":
        tiny_scorer(draw(30, 5), tmp_path / "other", fingerprint="g")
        next((tmp_path / "other").iterdir()).replace(path)
    else:
        content = {
            "cut": whole[: len(whole) // 2],
            "junk": b"junk",
            "code": pickle.dumps(Code(tmp_path / "ran")),
        }
        path.write_bytes(content[damage])
    assert tiny_scorer(images, cache).scores(fake, "paper-20") == first
    assert torch.load(path, weights_only=True)["name"] == path.stem
    assert list(cache.iterdir()) == [path]
    assert not (tmp_path / "ran").exists()


def test_a_full_disk_costs_the_cache_only(tiny_scorer, draw, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match="is not kept: No space left"):
        scorer = tiny_scorer(draw(30))
    assert scorer.scores(draw(20), "paper-20")["fid"] > 0
    assert list(tmp_path.iterdir()) == []


def test_fingerprint_is_of_content_shape_and_type(draw):
    images = draw(20)
    changed = images.clone()
    changed[-1, -1, -1, -1] ^= 1
    others = [changed, images[:-1], images.view(20, 3, 4, 16), images.view(torch.int8)]
    assert len({fingerprint_of(x) for x in [images, *others]}) == 5
    assert fingerprint_of(images) == fingerprint_of(images.to(memory_format=torch.channels_last))


def test_real_images_of_another_kind_are_refused(tiny_scorer, draw):
    for images in (draw(30).float(), draw(30)[:, :1], draw(30)[0]):
        with pytest.raises(ValueError, match=r"must be uint8 \[3, H, H\]|at least 4"):
            tiny_scorer(images)
    with pytest.raises(UsageError, match="at least 4 real images"):
        tiny_scorer(draw(3))


@pytest.mark.parametrize("fingerprint", ["", "../../elsewhere", "a" * 101])
def test_a_fingerprint_is_part_of_a_file_name(tiny_scorer, draw, fingerprint):
    with pytest.raises(ValueError, match="part of a file name"):
        tiny_scorer(draw(30), fingerprint=fingerprint)
