"""Penalties against loops over samples, finite differences and independent algebra, in float64."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from trainer.losses import LOSSES
from trainer.penalties import (
    averaged,
    consistency,
    gradient_penalty,
    jacobian_gradients,
    lecam,
    orthonormal,
    r1,
    r1_and_r2,
    srip,
)


class Critic(nn.Module):
    """images[B, 3, 4, 4], labels[B] -> [B]; smooth, so that finite differences converge."""

    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 4, 3, padding=1)
        self.labels = nn.Embedding(2, 4)
        self.out = nn.Linear(4, 1)

    def forward(self, x, labels=None):
        h = torch.tanh(self.c(x)).sum((2, 3))
        y = self.out(h).squeeze(1)
        return y if labels is None else y + (h * self.labels(labels)).sum(1)


@pytest.fixture
def critic():
    torch.manual_seed(0)
    return Critic().double()


@pytest.fixture
def images():
    """(real, fake)[5, 3, 4, 4] and labels[5]."""
    rng = torch.Generator().manual_seed(1)
    real, fake = torch.randn(2, 5, 3, 4, 4, generator=rng, dtype=torch.float64)
    return real, fake, torch.tensor([0, 1, 1, 0, 1])


def squared_norms(critic, x, labels):
    """||grad D(x_b)||^2 of each sample, one graph per sample."""
    squares = []
    for k in range(len(x)):
        one = x[k : k + 1].clone().requires_grad_()
        out = critic(one, None if labels is None else labels[k : k + 1])
        (gradient,) = torch.autograd.grad(out, one, create_graph=True)
        squares.append(gradient.square().sum())
    return torch.stack(squares)


def assert_same_value_and_gradient(ours, truth, network):
    torch.testing.assert_close(ours, truth)
    parameters = list(network.parameters())
    pairs = [torch.autograd.grad(y, parameters, allow_unused=True) for y in (ours, truth)]
    torch.testing.assert_close(*pairs)
    assert sum(g is not None and bool(g.any()) for g in pairs[0]) >= 3


@pytest.mark.parametrize("labelled", [True, False])
def test_r1_is_half_the_weight_times_the_mean_squared_norm(critic, images, labelled):
    real, _, labels = images
    labels = labels if labelled else None
    truth = 10 / 2 * squared_norms(critic, real, labels).mean()
    assert_same_value_and_gradient(r1(critic, real, labels, 10), truth, critic)


@pytest.mark.parametrize("labelled", [True, False])
def test_r1_and_r2_are_the_two_of_one_pass(critic, images, labelled):
    real, fake, labels = images
    labels = labels if labelled else None
    both = sum(squared_norms(critic, x, labels).mean() for x in (real, fake))
    x = torch.cat([real, fake]).requires_grad_()
    outputs = critic(x, None if labels is None else torch.cat([labels, labels]))
    assert_same_value_and_gradient(r1_and_r2(x, outputs, 0.7), 0.7 / 2 * both, critic)


def test_lecam_keeps_outputs_near_the_averages_of_the_other_kind():
    """Value and gradient, output by output; on the near side nothing pulls."""
    rng = torch.Generator().manual_seed(2)
    real, fake = (
        x.requires_grad_() for x in torch.randn(2, 7, generator=rng, dtype=torch.float64)
    )
    a_real, a_fake = 0.4, -0.3
    averages = 0.2 * torch.tensor([a_real, a_fake, 1.0], dtype=torch.float64)
    truth = sum(max(0.0, x - a_fake) ** 2 for x in real.tolist()) / 7
    truth += sum(max(0.0, a_real - x) ** 2 for x in fake.tolist()) / 7
    ours = lecam(real, fake, averages, 0.3)
    assert ours.item() == pytest.approx(0.3 * truth, rel=1e-12)
    found = torch.autograd.grad(ours, [real, fake])
    pulls = (
        [0.3 * 2 * max(0.0, x - a_fake) / 7 for x in real.tolist()],
        [-0.3 * 2 * max(0.0, a_real - x) / 7 for x in fake.tolist()],
    )
    for gradient, expected in zip(found, pulls, strict=True):
        assert gradient.tolist() == pytest.approx(expected, rel=1e-12)
    assert lecam(real, fake, None, 0.3).item() == 0
    assert lecam(real.detach() * float("nan"), fake, averages, 0.3).isnan()


def test_averages_do_not_remember_that_they_began_at_0():
    means = torch.tensor([[1.0, -2.0], [3.0, 0.0], [2.0, 5.0]], dtype=torch.float64)
    averages = None
    for n, mean in enumerate(means, start=1):
        averages = averaged(averages, mean)
        shares = 0.99 ** torch.arange(n - 1, -1, -1, dtype=torch.float64)
        truth = (shares[:, None] * means[:n]).sum(0) / shares.sum()
        torch.testing.assert_close(averages[:2] / averages[2], truth, rtol=1e-12, atol=0)


def test_consistency_is_the_mean_squared_change():
    a = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0.5, 4.0, -1.0], dtype=torch.float64, requires_grad=True)
    loss = consistency(a, b, 10)
    assert loss.item() == pytest.approx(10 * (0.25 + 4 + 0) / 3)
    ours, other = torch.autograd.grad(loss, [a, b])
    assert ours.tolist() == pytest.approx([10 * 2 * 0.5 / 3, -10 * 2 * 2 / 3, 0])
    assert torch.equal(other, -ours)


@pytest.mark.parametrize("labelled", [True, False])
def test_gradient_penalty_sees_each_sample_between_real_and_fake(critic, images, labelled):
    real, fake, labels = images
    labels = labels if labelled else None
    rng = torch.Generator().manual_seed(7)
    eps = torch.rand(5, 1, 1, 1, generator=rng, dtype=torch.float64)
    norms = squared_norms(critic, eps * real + (1 - eps) * fake, labels).sqrt()
    truth = 10 * (norms - 1).square().mean()
    ours = gradient_penalty(critic, real, fake, labels, 10, torch.Generator().manual_seed(7))
    assert_same_value_and_gradient(ours, truth, critic)


def test_a_flat_discriminator_has_finite_penalties_with_finite_gradients(critic, images):
    real, fake, _ = images
    for parameter in critic.parameters():
        parameter.data.zero_()
    penalty = gradient_penalty(critic, real, fake, None, 10, torch.Generator())
    assert penalty.item() == 10
    for value in (penalty, r1(critic, real, None, 10)):
        gradients = torch.autograd.grad(value, list(critic.parameters()), allow_unused=True)
        assert all(g is None or g.isfinite().all() for g in gradients)


def test_penalties_leave_no_gradient_on_the_samples(critic, images):
    real, fake, _ = images
    fake.requires_grad_()
    penalty = r1(critic, real, None, 1)
    penalty = penalty + gradient_penalty(critic, real, fake, None, 1, torch.Generator())
    penalty.backward()
    assert fake.grad is None
    assert not real.requires_grad


def test_r1_adds_up_over_micro_batches(critic, images):
    real, _, labels = images
    parts = [
        r1(critic, real[k], labels[k], 10) * n / 5 for k, n in ((slice(2), 2), (slice(2, 5), 3))
    ]
    assert_same_value_and_gradient(sum(parts), r1(critic, real, labels, 10), critic)


def test_gradient_penalty_refuses_unequal_batches(critic, images):
    real, fake, _ = images
    with pytest.raises(ValueError, match=r"real\[5, 3, 4, 4\] and fake\[4, 3, 4, 4\]"):
        gradient_penalty(critic, real, fake[:4], None, 10, torch.Generator())


def test_orthonormal_differs_from_the_full_product_by_a_constant():
    torch.manual_seed(0)
    shapes = [(6, 3, 3, 3), (8, 5), (4, 4, 1, 1)]
    weights = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    full = torch.zeros((), dtype=torch.float64)
    for w in weights:
        m = w.reshape(len(w), -1)
        full = full + (m.T @ m - torch.eye(m.shape[1], dtype=torch.float64)).square().sum()
    ours = orthonormal(weights, 1e-4)
    # Only the wide one, 6 x 27, has columns that can never be orthonormal.
    torch.testing.assert_close(ours, 1e-4 * (full - (27 - 6)))
    pairs = [torch.autograd.grad(y, weights) for y in (ours, 1e-4 * full)]
    torch.testing.assert_close(*pairs)


def test_orthonormal_rows_or_columns_cost_nothing():
    q = torch.linalg.qr(torch.randn(9, 4, dtype=torch.float64))[0]
    assert orthonormal([q, q.T], 1.0).item() < 1e-28


def srip_weights():
    torch.manual_seed(1)
    shapes = [(6, 3, 3, 3), (8, 5), (4, 4, 1, 1), (1, 7)]
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def test_srip_is_two_steps_of_power_iteration_on_the_smaller_gram_matrix():
    """Value and gradient against the dense A = M M^T - I, from the same random vectors."""
    weights = srip_weights()
    drawn = torch.randn(16, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    expected = torch.zeros((), dtype=torch.float64)
    for w, v in zip(weights, drawn.split([6, 5, 4, 1]), strict=True):
        m = w.reshape(len(w), -1)
        m = m.T if m.shape[0] > m.shape[1] else m
        a = m @ m.T - torch.eye(len(m), dtype=torch.float64)
        u = a @ v
        expected = expected + (a @ u).norm() / u.norm()
    ours = srip(weights, 0.01, torch.Generator().manual_seed(3))
    torch.testing.assert_close(ours, 0.01 * expected)
    pairs = [torch.autograd.grad(y, weights) for y in (ours, 0.01 * expected)]
    torch.testing.assert_close(*pairs)


def test_srip_stays_below_the_spectral_norm_and_nears_it():
    weights = srip_weights()
    exact = sum(
        (torch.linalg.svdvals(w.detach().flatten(1)) ** 2 - 1).abs().max() for w in weights
    )
    rng = torch.Generator().manual_seed(0)
    estimates = torch.stack([srip(weights, 1.0, rng).detach() for _ in range(50)])
    assert estimates.max() <= exact * (1 + 1e-12)
    assert estimates.mean() > 0.7 * exact
    assert len(estimates.unique()) == 50, "vectors of its own at every call"


def test_srip_of_orthonormal_rows_is_nothing_and_its_gradient_finite():
    q = torch.eye(4, 9, dtype=torch.float64, requires_grad=True)
    value = srip([q], 1.0, torch.Generator().manual_seed(0))
    assert value.item() == 0
    assert torch.autograd.grad(value, q)[0].isfinite().all()


class Game:
    """Two small smooth players and the losses that belong to one (z, x), in float64."""

    def __init__(self, loss):
        torch.manual_seed(0)
        self.g = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        self.d = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()
        self.z, self.x = torch.randn(2, 7, 2, dtype=torch.float64)
        self.loss = LOSSES[loss]

    def losses(self, *, detach=False):
        fake = self.g(self.z)
        real_out, fake_out = self.d(self.x).squeeze(1), self.d(fake).squeeze(1)
        d_fake_out = self.d(fake.detach()).squeeze(1) if detach else fake_out
        return self.loss.discriminator(real_out, d_fake_out), self.loss.generator(fake_out)

    def first(self):
        """(g_D, g_G) as vectors, each of a graph of its own."""
        pairs = zip(self.losses(), (self.d, self.g), strict=True)
        return [
            parameters_to_vector(torch.autograd.grad(y, list(net.parameters()), retain_graph=True))
            for y, net in pairs
        ]

    def numeric(self, network, function):
        """Central differences of function() in the network's parameters."""
        start = parameters_to_vector(network.parameters()).detach()
        slopes = []
        for h in 1e-5 * torch.eye(len(start), dtype=torch.float64):
            sides = []
            for point in (start + h, start - h):
                vector_to_parameters(point, network.parameters())
                sides.append(function())
            slopes.append((sides[0] - sides[1]) / 2e-5)
        vector_to_parameters(start, network.parameters())
        return torch.stack(slopes)

    def ours(self, weight, *, own, detach=False):
        d, g = self.d.parameters(), self.g.parameters()
        return jacobian_gradients(*self.losses(detach=detach), d, g, weight, own=own)


GAMES = ["zero-sum", "non-saturating", "wasserstein"]


@pytest.mark.parametrize("loss", GAMES)
def test_jare_penalises_the_norm_of_the_opponents_gradient(loss):
    game = Game(loss)
    first_d, first_g = game.first()
    r_d = game.numeric(game.d, lambda: game.first()[1].square().sum() / 2)
    r_g = game.numeric(game.g, lambda: game.first()[0].square().sum() / 2)
    ours = game.ours(3.0, own=False)
    assert_close = torch.testing.assert_close
    assert_close(parameters_to_vector(ours.discriminator), first_d + 3 * r_d, rtol=1e-6, atol=1e-8)
    assert_close(parameters_to_vector(ours.generator), first_g + 3 * r_g, rtol=1e-6, atol=1e-8)
    ratios = 3 * torch.stack([r_d.norm() / first_d.norm(), r_g.norm() / first_g.norm()])
    assert_close(ours.ratios, ratios, rtol=1e-6, atol=0)


@pytest.mark.parametrize("loss", GAMES)
def test_conopt_penalises_the_norm_of_both_gradients(loss):
    game = Game(loss)

    def whole():
        return sum(g.square().sum() for g in game.first()) / 2

    first_d, first_g = game.first()
    r_d, r_g = game.numeric(game.d, whole), game.numeric(game.g, whole)
    ours = game.ours(3.0, own=True)
    assert_close = torch.testing.assert_close
    assert_close(parameters_to_vector(ours.discriminator), first_d + 3 * r_d, rtol=1e-6, atol=1e-8)
    assert_close(parameters_to_vector(ours.generator), first_g + 3 * r_g, rtol=1e-6, atol=1e-8)
    ratios = 3 * torch.stack([r_d.norm() / first_d.norm(), r_g.norm() / first_g.norm()])
    assert_close(ours.ratios, ratios, rtol=1e-6, atol=0)


@pytest.mark.parametrize("own", [True, False])
def test_weight_zero_is_simultaneous_gradient_descent(own):
    game = Game("zero-sum")
    first_d, first_g = game.first()
    ours = game.ours(0.0, own=own)
    assert torch.equal(parameters_to_vector(ours.discriminator), first_d)
    assert torch.equal(parameters_to_vector(ours.generator), first_g)
    assert ours.ratios.tolist() == [0, 0]


def test_gradients_carry_no_graph_and_leave_the_parameters_alone():
    game = Game("zero-sum")
    before = copy.deepcopy([game.d.state_dict(), game.g.state_dict()])
    ours = game.ours(10.0, own=False)
    assert not any(g.requires_grad for g in (*ours.discriminator, *ours.generator, ours.ratios))
    assert all(p.grad is None for net in (game.d, game.g) for p in net.parameters())
    torch.testing.assert_close([game.d.state_dict(), game.g.state_dict()], before, rtol=0, atol=0)


def test_a_bias_that_drops_out_has_gradient_zero():
    """Under Wasserstein D's last bias is in neither second derivative: autograd gives None."""
    assert Game("wasserstein").ours(10.0, own=False).discriminator[-1].abs().item() < 1e-15


@pytest.mark.parametrize("own", [True, False])
def test_detached_fakes_are_refused(own):
    with pytest.raises(ValueError, match="L_D does not depend on G's parameters"):
        Game("zero-sum").ours(10.0, own=own, detach=True)


@pytest.mark.parametrize("weight", [0.0, 10.0])
def test_fakes_drawn_without_gradient_are_refused(weight):
    game = Game("zero-sum")
    game.g.requires_grad_(False)
    losses = game.losses()
    game.g.requires_grad_(True)
    with pytest.raises(ValueError, match="L_G does not depend on G's parameters"):
        jacobian_gradients(*losses, game.d.parameters(), game.g.parameters(), weight, own=False)


def test_nan_stays_visible():
    game = Game("zero-sum")
    game.z[0] = torch.nan
    ours = game.ours(10.0, own=False)
    assert ours.ratios.isnan().all()
    assert all(g.isnan().any() for g in ours.discriminator)


def test_jare_does_not_add_up_over_micro_batches():
    game = Game("zero-sum")
    game.z, game.x = game.z[:6], game.x[:6]
    whole = parameters_to_vector(game.ours(10.0, own=False).generator)
    z, x, halves = game.z, game.x, []
    for half in (slice(3), slice(3, 6)):
        game.z, game.x = z[half], x[half]
        halves.append(parameters_to_vector(game.ours(10.0, own=False).generator))
    assert (sum(halves) / 2 - whole).norm() > 1e-3 * whole.norm()
