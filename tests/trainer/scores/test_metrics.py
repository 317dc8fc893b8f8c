"""Scores against closed forms, scipy's matrix square root and torch-fidelity's distance."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_statistics_to_metric

from trainer.scores.metrics import count_modes, frechet_distance, joint_class_score, statistics


def gaussian(d, seed):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((d, 2 * d))
    return torch.tensor(rng.standard_normal(d)), torch.tensor(a @ a.T / d)


def test_frechet_distance_is_that_of_the_matrix_square_root():
    (m1, s1), (m2, s2) = gaussian(12, 0), gaussian(12, 1)
    root = scipy.linalg.sqrtm(s1.numpy() @ s2.numpy()).real
    truth = float((m1 - m2).square().sum()) + np.trace(s1.numpy() + s2.numpy() - 2 * root)
    assert frechet_distance(m1, s1, m2, s2) == pytest.approx(truth, rel=1e-9)


def test_frechet_distance_of_isotropic_gaussians():
    d, eye, zero = 7, torch.eye(7).double(), torch.zeros(7).double()
    assert frechet_distance(zero, 4 * eye, zero + 3, 9 * eye) == pytest.approx(d * 9 + d)
    assert frechet_distance(zero, eye, zero, eye) == pytest.approx(0, abs=1e-9)


def test_statistics_are_numpys():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    mean, covariance = statistics(x)
    np.testing.assert_allclose(mean, x.double().numpy().mean(0))
    np.testing.assert_allclose(covariance, np.cov(x.double().numpy().T))


def test_modes_and_their_divergence():
    assert count_modes(torch.arange(1000)) == (1000, pytest.approx(0, abs=1e-12))
    assert count_modes(torch.arange(10).repeat(7)) == (10, pytest.approx(math.log(100)))
    assert count_modes(torch.tensor([5, 5])) == (1, pytest.approx(math.log(1000)))
    modes, kl = count_modes(torch.tensor([], dtype=torch.long))
    assert modes == 0
    assert math.isnan(kl)


def test_sampling_floor_of_an_ideal_generator():
    labels = torch.randint(1000, (10_000,), generator=torch.Generator().manual_seed(0))
    modes, kl = count_modes(labels)
    assert modes == 1000
    assert kl == pytest.approx(999 / 20_000, rel=0.1)


def test_joint_class_score_counts_certain_and_equal_classes():
    one_hot = torch.eye(10)
    index = torch.cartesian_prod(*3 * [torch.arange(10)])
    assert joint_class_score(one_hot[index]) == pytest.approx(1000)
    assert joint_class_score(one_hot[index[:, :1].expand(-1, 3)]) == pytest.approx(10)
    assert joint_class_score(torch.full((20, 3, 10), 0.1)) == pytest.approx(1)


@pytest.mark.parametrize("side", [0, 1])
def test_frechet_distance_of_nan_means_is_nan_and_not_the_best_score(side):
    sides = [gaussian(5, seed) for seed in (0, 1)]
    sides[side][0][0] = torch.nan
    assert math.isnan(frechet_distance(*sides[0], *sides[1]))


@pytest.mark.parametrize("side", [0, 1])
def test_frechet_distance_of_nan_features_is_nan(side):
    features = [torch.randn(20, 4, generator=torch.Generator().manual_seed(k)) for k in (0, 1)]
    features[side][3, 2] = torch.nan
    assert math.isnan(frechet_distance(*statistics(features[0]), *statistics(features[1])))


def test_frechet_distance_is_torch_fidelitys():
    (m1, s1), (m2, s2) = gaussian(256, 0), gaussian(256, 1)
    given = [{"mu": m.numpy(), "sigma": s.numpy()} for m, s in ((m1, s1), (m2, s2))]
    (truth,) = fid_statistics_to_metric(*given, False).values()
    assert frechet_distance(m1, s1, m2, s2) == pytest.approx(truth, rel=1e-6)


@pytest.mark.slow
def test_frechet_distance_of_inceptions_features_is_torch_fidelitys():
    # Fewer samples than features, as 2048 features are often taken from: a singular covariance.
    rng = torch.Generator().manual_seed(0)
    scale = torch.logspace(0, -3, 2048)
    (m1, s1), (m2, s2) = (
        statistics((torch.randn(1500, 2048, generator=rng) + 0.1 * k).relu() * scale)
        for k in range(2)
    )
    given = [{"mu": m.numpy(), "sigma": s.numpy()} for m, s in ((m1, s1), (m2, s2))]
    (truth,) = fid_statistics_to_metric(*given, False).values()
    assert frechet_distance(m1, s1, m2, s2) == pytest.approx(truth, rel=1e-6)
