"""Unrolled updates against a game of two parameters by hand, finite differences, real updates."""

import copy
import math

import pytest
import torch
from torch import nn

from trainer.config.trial import trial_config
from trainer.data.images import load
from trainer.losses import LOSSES
from trainer.randomness import generator
from trainer.state import initial_state
from trainer.unrolling import looked_ahead
from trainer.updates import train_iteration, unrolled_loss, update_discriminator, update_generator

torch.set_num_threads(1)
REAL, PHI, THETA, RATE = 0.7, -0.4, 0.9, 0.3
LOSS = LOSSES["non-saturating"]


class Line(nn.Module):
    """D(x) = theta x, and nothing else; G(z) = phi."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(THETA, dtype=torch.float64))


def sigmoid(t):
    return 1 / (1 + math.exp(-t))


def by_hand(k):
    """(L_G, its derivative in phi) after k steps of descent, from formulas alone.

    L_D = log(1 + exp(-theta x)) + log(1 + exp(theta phi)), of which `slope` is the derivative in
    theta; theta and its derivative in phi are carried along.
    """
    theta, by_phi = THETA, 0.0
    for _ in range(k):
        a, b = sigmoid(-theta * REAL), sigmoid(theta * PHI)
        slope = -REAL * a + PHI * b
        in_theta = REAL**2 * a * (1 - a) + PHI**2 * b * (1 - b)
        in_phi = b + PHI * theta * b * (1 - b)
        theta, by_phi = theta - RATE * slope, by_phi - RATE * (in_phi + in_theta * by_phi)
    loss = math.log(1 + math.exp(-theta * PHI))
    return loss, -sigmoid(-theta * PHI) * (theta + PHI * by_phi)


def unrolled(d, optimiser, phi, k):
    real = torch.tensor([REAL], dtype=torch.float64)

    def d_loss(theta):
        return LOSS.discriminator(theta["theta"] * real, theta["theta"] * phi[None])

    return LOSS.generator(looked_ahead(d, optimiser, d_loss, k)["theta"] * phi[None])


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_game_of_two_parameters_by_hand(k):
    d, phi = Line(), torch.tensor(PHI, dtype=torch.float64, requires_grad=True)
    loss = unrolled(d, torch.optim.SGD(d.parameters(), lr=RATE), phi, k)
    (gradient,) = torch.autograd.grad(loss, phi)
    assert (loss.item(), gradient.item()) == pytest.approx(by_hand(k), rel=1e-12)
    assert gradient.item() != pytest.approx(by_hand(0)[1], rel=1e-2)
    assert d.theta.item() == THETA


OPTIMISERS = {
    "adam": lambda p: initial_adam(p),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-10),
}


def initial_adam(parameters):
    from trainer.adam import Adam

    return Adam(parameters, lr=0.01, betas=(0.5, 0.9))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_gradient_goes_through_the_optimisers_own_steps(name):
    """From the moments of three real steps, against central differences."""
    d = Line()
    optimiser = OPTIMISERS[name](d.parameters())
    for slope in (0.3, -0.2, 0.5):
        d.theta.grad = torch.tensor(slope, dtype=torch.float64)
        optimiser.step()
    phi = torch.tensor(PHI, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(unrolled(d, optimiser, phi, 3), phi)
    h = 1e-6
    sides = [unrolled(d, optimiser, (phi + s * h).detach(), 3).item() for s in (1, -1)]
    assert gradient.item() == pytest.approx((sides[0] - sides[1]) / (2 * h), rel=1e-6)


@pytest.fixture(scope="module")
def digits():
    return load("digits8", "cpu")


def small(**changes):
    sizes = {"channels": 4, "generator_channels": 4}
    return trial_config("digits", "C_8-32", "unrolled", 0, iterations=20, **(sizes | changes))


@pytest.mark.parametrize("k", [1, 3])
def test_what_is_foreseen_is_what_ds_updates_would_do(digits, k):
    """D's parameters after k steps of its own optimiser on the images and fakes of G's update."""
    config = small(unrolled_steps=k)
    state = initial_state(config)
    for _ in range(2):
        train_iteration(config, state, digits)
    real, _ = digits.draw(16, generator("cpu", 1, 0, "images"))
    twin = copy.deepcopy(state)
    z = torch.randn(16, 128, generator=generator("cpu", 2, 0, "fakes"))
    fake = twin.generator(z).detach()
    for _ in range(k):
        twin.discriminator_optimiser.zero_grad()
        LOSS.discriminator(twin.discriminator(real), twin.discriminator(fake)).backward()
        twin.discriminator_optimiser.step()
    truth = LOSS.generator(twin.discriminator(fake)).item()
    ours = unrolled_loss(config, state, 16, generator("cpu", 2, 0, "fakes"), real, None)
    assert ours.item() == pytest.approx(truth, rel=1e-4)
    (first, *_) = torch.autograd.grad(ours, list(state.generator.parameters()))
    assert first.isfinite().all()


def test_d_and_its_optimiser_are_left_as_they_are(digits):
    config = small()
    state, seen = initial_state(config), []
    update_discriminator(config, state, digits, 0, seen)
    before = copy.deepcopy(state)
    update_generator(config, state, seen)
    d, then = state.discriminator, before.discriminator
    assert all(torch.equal(a, b) for a, b in zip(d.parameters(), then.parameters(), strict=True))
    assert all(p.requires_grad for p in d.parameters())
    ours, truth = (s.discriminator_optimiser.state_dict()["state"] for s in (state, before))
    for number, kept in ours.items():
        assert all(torch.equal(kept[name], truth[number][name]) for name in kept)
    assert not all(
        torch.equal(a, b)
        for a, b in zip(state.generator.parameters(), before.generator.parameters(), strict=True)
    )


def test_a_gradient_of_0_is_no_nan():
    """Of a second moment that is still 0 the root has no derivative."""
    d = Line()
    phi = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)

    def d_loss(theta):
        return theta["theta"] * phi

    theta = looked_ahead(d, initial_adam(d.parameters()), d_loss, 2)["theta"]
    (gradient,) = torch.autograd.grad(theta, phi)
    assert gradient.isfinite()
