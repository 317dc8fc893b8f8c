"""Features learnt from pictures: their scale, their view of larger and of flat pictures."""

import pytest
import torch

from tests.own_pictures import KINDS, stripes
from trainer.scores.picture_features import Extractor, k_means, learn

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return learn(stripes(400, 0))


def test_real_features_have_a_total_variance_of_100(extractor):
    features = extractor.features(stripes(400, 0)).double()
    assert float(features.var(0).sum()) == pytest.approx(100, rel=1e-4)
    assert float(features.mean(0).abs().max()) < 1e-3


def test_kinds_lie_apart(extractor):
    """The nearest of other pictures, by these features, is of the same kind."""
    features = extractor.features(stripes(400, 0))
    others = extractor.features(stripes(160, 1))
    kinds = torch.cdist(others, features).argmin(1) % KINDS
    assert float((kinds == torch.arange(160) % KINDS).double().mean()) > 0.95


def test_larger_pictures_are_seen_as_their_averages(extractor):
    images = stripes(60, 1)
    large = images.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(
        extractor.features(large), extractor.features(images), rtol=1e-3, atol=1e-3
    )


def test_flat_pictures_have_features_too():
    """A set without any texture must not be divided by its variance, which is 0."""
    greys = torch.randint(256, (300, 1, 1, 1), generator=torch.Generator().manual_seed(0))
    flat = greys.to(torch.uint8).expand(300, 3, 32, 32).contiguous()
    assert learn(flat).features(flat).isfinite().all()


def test_k_means_finds_clusters_that_lie_apart():
    rng = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    points = (centres[:, None] + torch.randn(3, 100, 2, generator=rng)).flatten(0, 1)
    # Nine begin, so that each cluster has one: it is Lloyd's steps that are looked at.
    found = k_means(points, 9, rng)
    nearest = torch.cdist(points, found).amin(1)
    assert float(nearest.max()) < 4
