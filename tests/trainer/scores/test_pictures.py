"""FD-pictures and its companions on pictures whose truth is known: stripes of eight kinds."""

from __future__ import annotations

import math

import pytest
import torch

from tests.own_pictures import KINDS, own_config, stripes
from trainer.config.own_images import OwnImages
from trainer.config.picture_gauge import MODES, gauge_hash
from trainer.data.images import Images
from trainer.scores import pictures, scorers
from trainer.scores.pictures import PictureScorer
from trainer.state import initial_state

torch.set_num_threads(1)

OWN = OwnImages(resolution=32, sha256="ab" * 32, images=800)


@pytest.fixture(scope="module")
def images() -> Images:
    return Images(train=stripes(800, 0), held_out=stripes(400, 1), stacked=False)


@pytest.fixture(scope="module")
def scorer(images: Images, tmp_path_factory: pytest.TempPathFactory) -> PictureScorer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return pictures.load_scorer(images, OWN, "cpu")


def test_real_pictures_are_near_and_what_is_none_is_far(images, scorer):
    real = scorer.held_out
    assert real["fd_pictures"] < 3
    assert real["modes"] > 0.9 * MODES
    assert real["density"] == pytest.approx(1, abs=0.15)
    rng = torch.Generator().manual_seed(0)
    noise = torch.randint(256, (400, 3, 32, 32), generator=rng, dtype=torch.uint8)
    for junk in (noise, torch.full_like(noise, 127)):
        found = scorer.scores(junk)
        assert found["fd_pictures"] > 30 * real["fd_pictures"]
        assert (found["modes"], found["valid_share"], found["coverage"]) == (0, 0, 0)
        assert math.isnan(found["reverse_kl"])


def test_the_fewer_kinds_the_worse(scorer):
    rows = [scorer.scores(stripes(400, 2, kinds)) for kinds in (8, 4, 2, 1)]
    for name, sign in (("fd_pictures", 1), ("reverse_kl", 1), ("modes", -1), ("coverage", -1)):
        values = [sign * row[name] for row in rows]
        assert values == sorted(values), name
        assert values[0] < values[-1], name
    # One kind of eight covers no more than its own pictures.
    assert rows[-1]["coverage"] < 1.5 / KINDS
    assert rows[-1]["valid_share"] > 0.7, "few kinds, but good ones"


def test_the_fewer_different_pictures_the_worse(images, scorer):
    rows = [scorer.scores(images.train[torch.arange(400) % n]) for n in (400, 40, 4)]
    distances = [row["fd_pictures"] for row in rows]
    assert distances == sorted(distances)
    assert rows[-1]["modes"] <= 4
    assert rows[-1]["coverage"] < 0.1


def test_density_and_coverage_are_those_of_the_definition(images, scorer):
    """Naeem et al., eqs. 2 and 3, by loops over all pairs."""
    fake = stripes(60, 3, 3)
    x, y = scorer.extractor.features(fake).double(), scorer.real.double()
    inside = [
        [float((a - b).norm()) <= float(r) for b, r in zip(y, scorer.radii, strict=True)]
        for a in x
    ]
    density = sum(map(sum, inside)) / (pictures.NEIGHBOURS * len(x))
    coverage = sum(map(any, zip(*inside, strict=True))) / len(y)
    found = scorer.scores(fake)
    assert found["density"] == pytest.approx(density, abs=1e-3)
    assert found["coverage"] == pytest.approx(coverage, abs=2e-3)
    among = torch.cdist(y, y).sort(1).values
    assert torch.allclose(among[:, pictures.NEIGHBOURS], scorer.radii.double(), atol=1e-3)


def test_it_is_learnt_once_and_again_if_its_file_is_damaged(images, scorer, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    learnt = []

    def counted(*arguments):
        learnt.append(arguments)
        return scorer.extractor

    monkeypatch.setattr(pictures, "learn", counted)
    first = pictures.load_scorer(images, OWN, "cpu")
    again = pictures.load_scorer(images, OWN, "cpu")
    assert len(learnt) == 1
    assert again.sha256 == first.sha256 == scorer.sha256
    (file,) = tmp_path.rglob("*.pt")
    file.write_bytes(file.read_bytes()[:1000])
    assert pictures.load_scorer(images, OWN, "cpu").sha256 == first.sha256
    assert len(learnt) == 2
    other = OwnImages(resolution=32, sha256="cd" * 32, images=800)
    pictures.load_scorer(images, other, "cpu")
    assert len(learnt) == 3, "of other pictures it is another"


def test_large_sets_are_stood_for_by_a_fixed_part(monkeypatch):
    monkeypatch.setattr(pictures, "MOST", 50)
    part = pictures._part(stripes(200, 0))
    assert len(part) == 50
    assert torch.equal(part, pictures._part(stripes(200, 0)))


def test_own_pictures_are_scored_by_it_unless_there_are_inception_weights(monkeypatch):
    config = own_config()
    assert (config.scorer, config.score_name) == (gauge_hash(), "fd_pictures")
    assert (config.curve_protocol, config.curve_samples) == (None, 1000)
    asked = []
    monkeypatch.setattr(pictures, "load_scorer", lambda *a: asked.append(a))
    source = Images(train=stripes(8, 0), held_out=stripes(8, 1), stacked=False)
    scorers.load_scorer(config, source, initial_state(config))
    assert asked == [(source, config.own_images, "cpu")]
    with_weights = own_config(scorer="f" * 64)
    assert (with_weights.score_name, with_weights.curve_protocol) == ("fid", "paper-1k")
