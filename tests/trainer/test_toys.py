"""Toy data against its definition, scores on samples whose scores are known, and the networks."""

import math

import pytest
import torch

from trainer.layers import advance, initialise
from trainer.toys import POINTS, ModeScorer, PointDiscriminator, PointGenerator, scatter


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def scorer(toy):
    source = POINTS[toy]("cpu")
    return ModeScorer(source.centres, source.std)


def test_ring_and_grid_stand_where_they_should():
    ring, grid = POINTS["ring8"]("cpu").centres, POINTS["grid25"]("cpu").centres
    torch.testing.assert_close(ring.norm(dim=1), torch.full((8,), 2.0))
    neighbours = (ring - ring.roll(1, 0)).norm(dim=1)
    torch.testing.assert_close(neighbours, torch.full((8,), 4 * math.sin(math.pi / 8)))
    ticks = (-4, -2, 0, 2, 4)
    assert {tuple(c) for c in grid.tolist()} == {(x, y) for x in ticks for y in ticks}


@pytest.mark.parametrize(("toy", "modes", "std"), [("ring8", 8, 0.06), ("grid25", 25, 0.05)])
def test_statistics_of_a_draw(toy, modes, std):
    source = POINTS[toy]("cpu")
    x, labels = source.draw(40_000, rng())
    assert labels is None
    assert x.dtype == torch.float32
    distance = torch.cdist(x, source.centres)
    mode = distance.argmin(1)
    offset = x - source.centres[mode]
    assert offset.std(0).tolist() == pytest.approx([std, std], rel=0.02)
    assert offset.mean(0).abs().max() < 4 * std / 200
    shares = torch.bincount(mode, minlength=modes) / len(x)
    assert shares.tolist() == pytest.approx(modes * [1 / modes], rel=0.12)


def test_the_gaussian_of_the_affine_gan():
    x, _ = POINTS["affine"]("cpu").draw(40_000, rng())
    assert x.mean(0).tolist() == pytest.approx([0, 2], abs=0.015)
    torch.testing.assert_close(torch.cov(x.T), 0.49 * torch.eye(2), atol=0.015, rtol=0)


def test_the_ring_is_stratified_and_the_grid_is_not():
    ring, grid = POINTS["ring8"]("cpu"), POINTS["grid25"]("cpu")
    x, _ = ring.draw(128, rng())
    nearest = torch.cdist(x, ring.centres).argmin(1)
    assert torch.equal(nearest, torch.arange(128) % 8)
    y, _ = grid.draw(2500, rng())
    counts = torch.bincount(torch.cdist(y, grid.centres).argmin(1), minlength=25)
    assert counts.float().std() > 5


@pytest.mark.parametrize("toy", POINTS)
def test_a_draw_depends_on_its_generator_alone(toy):
    source = POINTS[toy]("cpu")
    x, _ = source.draw(64, rng(3))
    source.draw(64, rng(4))
    source.follow(0, 10, 1, 64, 64)
    again, _ = source.draw(64, rng(3))
    fixed, _ = source.draw_fixed(64, rng(3), held_out=True)
    assert torch.equal(x, again)
    assert torch.equal(x, fixed)


@pytest.mark.parametrize(("toy", "modes"), [("ring8", 8), ("grid25", 25)])
def test_the_mixture_itself_scores_best(toy, modes):
    x, _ = POINTS[toy]("cpu").draw(2560, rng())
    scores = scorer(toy).scores(x, None)
    assert scores["n_samples"] == 2560
    assert scores["modes"] == modes
    assert scores["valid_share"] == pytest.approx(1 - math.exp(-4.5), abs=0.006)
    assert 0 <= scores["reverse_kl"] < 0.02
    assert scores["mode_distance"] < (0.02 if toy == "ring8" else 0.06)


def test_samples_on_the_centres_score_exactly():
    centres = POINTS["ring8"]("cpu").centres
    scores = scorer("ring8").scores(centres.repeat(320, 1), None)
    perfect = {"modes": 8, "valid_share": 1.0, "reverse_kl": 0.0, "mode_distance": 0.0}
    assert scores == {"n_samples": 2560, **perfect}


def test_one_mode_of_eight():
    centres = POINTS["ring8"]("cpu").centres
    scores = scorer("ring8").scores(centres[3].repeat(2560, 1), None)
    assert scores["modes"] == 1
    assert scores["valid_share"] == 1
    assert scores["reverse_kl"] == pytest.approx(math.log(8))
    assert scores["mode_distance"] == pytest.approx(7 / 8)


def test_a_known_mixture_of_two_modes_and_noise():
    """1,000 on one centre, 280 on another, 1,280 at the origin: by hand from the definitions."""
    centres = POINTS["ring8"]("cpu").centres
    parts = [centres[0].repeat(1000, 1), centres[1].repeat(280, 1), torch.zeros(1280, 2)]
    scores = scorer("ring8").scores(torch.cat(parts), None)
    p = (1000 / 1280, 280 / 1280)
    assert scores["modes"] == 2
    assert scores["valid_share"] == 0.5
    assert scores["reverse_kl"] == pytest.approx(sum(q * math.log(8 * q) for q in p))
    shares = (1000 / 2560, 280 / 2560)
    uneven = sum(abs(q - 1 / 8) for q in shares) + 6 / 8 + 0.5
    assert scores["mode_distance"] == pytest.approx(uneven / 2)


@pytest.mark.parametrize(("on_centre", "modes"), [(19, 1), (20, 2)])
def test_a_mode_needs_twenty_samples_of_2560(on_centre, modes):
    centres = POINTS["ring8"]("cpu").centres
    x = centres[[1] * on_centre + [0] * (2560 - on_centre)]
    assert scorer("ring8").scores(x, None)["modes"] == modes
    assert scorer("ring8").scores(x.repeat(4, 1), None)["modes"] == modes


def test_valid_is_within_three_standard_deviations():
    inside, outside = torch.tensor([[2 + 0.179, 0.0]]), torch.tensor([[2.0, 0.181]])
    assert scorer("ring8").scores(inside, None)["valid_share"] == 1
    assert scorer("ring8").scores(outside, None)["valid_share"] == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
def test_samples_that_reach_no_mode_score_worst_and_are_not_masked(value):
    scores = scorer("ring8").scores(torch.full((2560, 2), value), None)
    assert scores["modes"] == 0
    assert scores["valid_share"] == 0
    assert math.isnan(scores["reverse_kl"])
    assert scores["mode_distance"] == pytest.approx(1)


def test_half_the_samples_not_finite_is_half_outside():
    x = POINTS["ring8"]("cpu").centres.repeat(320, 1)
    x[::2, 1] = math.nan
    scores = scorer("ring8").scores(x, None)
    assert scores["valid_share"] == 0.5
    assert scores["modes"] == 4


def test_networks_have_the_released_shapes_and_start():
    g, d = PointGenerator(64, 256), PointDiscriminator(256, "none")
    for network in (g, d):
        initialise(network, rng())
    shapes = [tuple(layer.weight.shape) for layer in d.normalised_layers()]
    assert shapes == [(256, 2), (256, 256), (256, 256), (256, 256), (1, 256)]
    assert d.regularised_layers() == d.normalised_layers()[:-1]
    sizes = [sum(p.numel() for p in network.parameters()) for network in (g, d)]
    assert sizes == [65 * 256 + 3 * 257 * 256 + 257 * 2, 3 * 256 + 3 * 257 * 256 + 257]
    bound = math.sqrt(6 / 512)
    assert d.normalised_layers()[1].weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    z = torch.randn(5, 64, generator=rng(1))
    assert g(z).shape == (5, 2)
    assert d(g(z)).shape == (5,)


def test_the_generator_doubles_its_latent_vectors():
    g = PointGenerator(8, 16)
    initialise(g, rng())
    z = torch.randn(5, 8, generator=rng(1))
    h = 2 * z
    for layer in list(g.layers)[:-1]:
        h = (h @ layer.weight.T + layer.bias).relu()
    torch.testing.assert_close(g(z), h @ g.layers[-1].weight.T + g.layers[-1].bias)


def test_a_spectrally_normalised_discriminator_uses_w_over_sigma():
    d = PointDiscriminator(16, "sn")
    initialise(d, rng())
    for _ in range(300):
        advance(d.normalised_layers())
    h = x = torch.randn(5, 2, generator=rng(1))
    for k, layer in enumerate(d.normalised_layers()):
        sigma = torch.linalg.matrix_norm(layer.weight, 2)
        h = (h.relu() if k else h) @ (layer.weight / sigma).T
    torch.testing.assert_close(d(x), h.squeeze(1), rtol=1e-3, atol=1e-5)


def test_the_picture_shows_samples_and_centres_where_they_are():
    centres = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])  # the window reaches 3 to each side
    samples = torch.tensor([[0.1, 2.1], [0.1, 2.1], [-1.9, -1.9], [9.0, 0.0], [math.nan, 0.0]])
    picture = scatter(samples, centres, size=60)
    assert picture.shape == (60, 60, 3)
    assert picture.dtype == torch.uint8
    assert picture[8:10, 30:32].unique().tolist() == [63]  # a large y is near the top
    assert picture[48:50, 10:12].unique().tolist() == [127]
    assert picture[29, 13].tolist() == picture[22, 40].tolist() == [214, 39, 40]
    assert picture[29, 20].tolist() == 3 * [255]
    grey = (picture == picture[..., :1]).all(2) & (picture[..., 0] < 255)
    assert int(grey.sum()) == 8
