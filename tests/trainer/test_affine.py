"""The affine GAN's update field against its closed form and against published-code values."""

import cmath

import pytest
import torch

from trainer.affine import (
    MEAN,
    STD,
    AffineDiscriminator,
    AffineGenerator,
    AffineScorer,
    equilibrium_distance,
    update_field,
)
from trainer.layers import initialise
from trainer.losses import LOSSES
from trainer.penalties import jacobian_gradients


def closed_form(weight, own):
    """lambda^2 + B lambda + C = 0 for each eigenvalue s of sigma^2 I + v v^T."""
    roots = []
    for s in (STD**2, STD**2 + 2.0**2):
        b = s / 2 + weight / 2 + own * weight * s**2 / 4
        c = 1 / 4 + weight**2 / 16 + own * weight * s / 8
        root = cmath.sqrt(b**2 - 4 * c)
        roots += [(-b + root) / 2, (-b - root) / 2]
    return roots


def ordered(eigenvalues):
    return sorted((complex(x) for x in eigenvalues), key=lambda x: (round(x.real, 6), x.imag))


@pytest.mark.parametrize("weight", [0, 0.1, 1, 10, 100])
@pytest.mark.parametrize("own", [False, True], ids=["jare", "conopt"])
def test_eigenvalues_are_those_of_the_closed_form(weight, own):
    ours = ordered(update_field(weight, own=own).eigenvalues)
    truth = ordered(closed_form(weight, own))
    assert ours == pytest.approx(truth, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize(
    ("weight", "own", "phase_factor", "conditioning"),
    [
        (0, False, 3.957, 18.10),
        (0.1, False, 3.243, 18.96),
        (1, False, 1.119, 22.07),
        (10, False, 0, 5.906),
        (100, False, 0, 1.814),
        (1, True, 1.143, 67.35),
        (10, True, 0, 272.3),
        (100, True, 0, 452.1),
    ],
)
def test_phase_factor_and_conditioning_to_four_digits(weight, own, phase_factor, conditioning):
    field = update_field(weight, own=own)
    assert field.phase_factor == pytest.approx(phase_factor, rel=3e-4)
    assert field.conditioning == pytest.approx(conditioning, rel=3e-4)


@pytest.mark.parametrize(
    ("weight", "eigenvalues"),
    [(10, [-6.1959, -3.2369, -2.0081, -1.0491]), (100, [-33.681, -27.549, -22.696, -18.564])],
)
def test_jares_eigenvalues_to_four_digits(weight, eigenvalues):
    ours = update_field(weight, own=False).eigenvalues
    assert ours.imag.abs().max() == 0
    assert sorted(ours.real.tolist()) == pytest.approx(eigenvalues, rel=5e-5)


def test_networks_are_the_formulas_and_keep_their_start():
    g, d = AffineGenerator(), AffineDiscriminator()
    for network in (g, d):
        initialise(network, torch.Generator().manual_seed(0))
    z = torch.tensor([[1.0, -1.0], [0.0, 2.0]])
    torch.testing.assert_close(g(z), torch.tensor([[0.75, 1.35], [0.05, 3.45]]))
    torch.testing.assert_close(d(z), torch.tensor([0.0, 0.1]))
    assert d.regularised_layers() == d.normalised_layers() == []


def test_distance_from_the_equilibrium():
    g, d = AffineGenerator(), AffineDiscriminator()
    assert equilibrium_distance(g, d) == pytest.approx(0.1)
    scorer = AffineScorer(g, d)
    g.phi.data, d.theta.data = torch.tensor(MEAN), torch.zeros(2)
    assert scorer.scores(torch.zeros(7, 2), None) == {"n_samples": 7, "equilibrium_distance": 0.0}
    d.theta.data[0] = torch.nan
    assert scorer.scores(torch.zeros(7, 2), None)["equilibrium_distance"] != 0.0
    assert torch.isnan(torch.tensor(equilibrium_distance(g, d)))


def test_jare_approaches_the_equilibrium_much_faster_than_simultaneous_descent():
    """600 exact steps of rate 0.01, t = 6: the slowest decays are exp(-1.05 t), exp(-0.12 t)."""
    r = 2**0.5
    z = torch.tensor([[r, 0], [-r, 0], [0, r], [0, -r]])
    x = STD * z + torch.tensor(MEAN)
    loss, distance = LOSSES["zero-sum"], {}
    for weight in (0.0, 10.0):
        g, d = AffineGenerator(), AffineDiscriminator()
        for _ in range(600):
            real_out, fake_out = d(x), d(g(z))
            losses = loss.discriminator(real_out, fake_out), loss.generator(fake_out)
            steps = jacobian_gradients(*losses, d.parameters(), g.parameters(), weight, own=False)
            d.theta.data -= 0.01 * steps.discriminator[0]
            g.phi.data -= 0.01 * steps.generator[0]
        distance[weight] = equilibrium_distance(g, d)
    assert distance[10.0] < 1e-3
    assert distance[0.0] > 10 * distance[10.0]
