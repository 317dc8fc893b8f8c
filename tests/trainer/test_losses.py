"""The losses against their formulas, written out in float64."""

import pytest
import torch

from trainer.losses import LOSSES, PAIR_LOSSES

REAL = torch.tensor([-3.0, -1.0, 0.0, 0.5, 1.0, 2.5], dtype=torch.float64)
FAKE = torch.tensor([2.0, 1.5, -0.25, -1.0, -1.5, 0.75], dtype=torch.float64)


def log_sigmoid(x):
    return torch.log(1 / (1 + torch.exp(-x)))


def zero():
    return torch.zeros(6, dtype=torch.float64)


# Per image: D's term on real, D's term on generated, G's term on generated.
FORMULAS = {
    "hinge": (
        lambda x: torch.maximum(zero(), 1 - x),
        lambda x: torch.maximum(zero(), 1 + x),
        lambda x: -x,
    ),
    "non-saturating": (
        lambda x: -log_sigmoid(x),
        lambda x: -log_sigmoid(-x),
        lambda x: -log_sigmoid(x),
    ),
    # L_G is minus L_D's part that depends on G: + log(1 - sigmoid(D)).
    "zero-sum": (
        lambda x: -log_sigmoid(x),
        lambda x: -log_sigmoid(-x),
        lambda x: log_sigmoid(-x),
    ),
    "wasserstein": (lambda x: -x, lambda x: x, lambda x: -x),
}


def test_every_loss_has_its_formula_here():
    assert set(LOSSES) == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_values(name):
    loss, (real, fake, generator) = LOSSES[name], FORMULAS[name]
    torch.testing.assert_close(loss.real(REAL), real(REAL), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(loss.fake(FAKE), fake(FAKE), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(loss.generator(FAKE), generator(FAKE).mean(), rtol=1e-12, atol=0)
    both = real(REAL).mean() + fake(FAKE).mean()
    torch.testing.assert_close(loss.discriminator(REAL, FAKE), both, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients(name):
    """Away from the hinge's corner."""
    loss, (real, fake, generator) = LOSSES[name], FORMULAS[name]
    a = (REAL + 0.01).requires_grad_()
    b = (FAKE + 0.01).requires_grad_()
    ours = torch.autograd.grad(loss.discriminator(a, b), [a, b])
    truth = torch.autograd.grad(real(a).mean() + fake(b).mean(), [a, b])
    torch.testing.assert_close(ours, truth, rtol=1e-12, atol=1e-14)
    ours = torch.autograd.grad(loss.generator(b), b)
    truth = torch.autograd.grad(generator(b).mean(), b)
    torch.testing.assert_close(ours, truth, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_loss_of_a_batch_is_the_mean_of_its_parts(name):
    loss = LOSSES[name]
    parts = zip(REAL.split(2), FAKE.split(2), strict=True)
    d = torch.stack([loss.discriminator(real, fake) for real, fake in parts]).mean()
    torch.testing.assert_close(loss.discriminator(REAL, FAKE), d, rtol=1e-12, atol=0)
    g = torch.stack([loss.generator(fake) for fake in FAKE.split(2)]).mean()
    torch.testing.assert_close(loss.generator(FAKE), g, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["non-saturating", "zero-sum"])
def test_logarithms_of_extreme_outputs_stay_finite(name):
    far = torch.tensor([-1e4, 1e4])
    assert LOSSES[name].discriminator(far, far).isfinite()
    assert LOSSES[name].generator(far).isfinite()


def test_zero_sum_gradients_in_the_fakes_cancel():
    fake = FAKE.clone().requires_grad_()
    loss = LOSSES["zero-sum"]
    total = loss.discriminator(REAL, fake) + loss.generator(fake)
    (gradient,) = torch.autograd.grad(total, fake)
    torch.testing.assert_close(gradient, torch.zeros_like(fake), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", FORMULAS)
def test_nan_stays_nan(name):
    bad = torch.tensor([0.5, float("nan")])
    assert LOSSES[name].discriminator(bad, bad).isnan()
    assert LOSSES[name].generator(bad).isnan()


# Losses over pairs


def relativistic(a, b):
    return torch.log(1 + torch.exp(-(a - b)))


@pytest.mark.parametrize("n", [6, 12, 15])
def test_pairs_have_the_formula_and_its_gradient(n):
    """Of n fakes and 6 reals in G's update, which the reals take turns in."""
    loss = PAIR_LOSSES["relativistic"]
    real = REAL.clone().requires_grad_()
    fake = torch.cat([FAKE, 2 * FAKE, FAKE.flip(0)])[:n].clone().requires_grad_()
    truth = torch.stack([relativistic(real[k], fake[k]) for k in range(6)]).sum() / 6
    ours = loss.discriminator(real, fake[:6])
    torch.testing.assert_close(ours, truth, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(ours, [real, fake]),
        torch.autograd.grad(truth, [real, fake]),
        rtol=1e-12,
        atol=1e-15,
    )
    truth = torch.stack([relativistic(fake[k], real[k % 6]) for k in range(n)]).sum() / n
    ours = loss.generator(fake, real)
    torch.testing.assert_close(ours, truth, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(ours, fake), torch.autograd.grad(truth, fake), rtol=1e-12, atol=1e-15
    )


def test_pairs_add_up_stay_finite_and_hide_no_nan():
    loss = PAIR_LOSSES["relativistic"]
    parts = zip(REAL.split(2), FAKE.split(2), strict=True)
    mean = torch.stack([loss.discriminator(real, fake) for real, fake in parts]).mean()
    torch.testing.assert_close(loss.discriminator(REAL, FAKE), mean, rtol=1e-12, atol=0)
    far = torch.tensor([-1e4, 1e4])
    assert loss.discriminator(far, -far).isfinite()
    bad = torch.tensor([0.5, float("nan")])
    assert loss.discriminator(bad, far).isnan()
    assert loss.generator(bad, far).isnan()
