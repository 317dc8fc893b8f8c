"""The loop: one step against the formulas, pairs, evaluation without side effects, resumption."""

import copy
import dataclasses
import math

import pytest
import torch

from trainer import data, digits, loop
from trainer.config import trial_config
from trainer.loop import (
    final_scores,
    samples,
    train,
    train_iteration,
    update_discriminator,
    update_generator,
)
from trainer.models import Discriminator
from trainer.randomness import generator
from trainer.settings import METHODS, UsageError
from trainer.spectral import compensate, lifted_count, spectrum
from trainer.state import from_bytes, initial_state, to_bytes

torch.set_num_threads(1)


def small(method="sn", seed=0, **changes):
    config = trial_config("digits", "C_8-32", method, seed, iterations=20)
    return dataclasses.replace(config, channels=4, generator_channels=4, **changes)


@pytest.fixture(scope="module")
def images():
    return data.load("digits8", "cpu")


@pytest.fixture(scope="module")
def scorer():
    return digits.load_scorer("cpu")


def weights(state):
    networks = (state.generator, state.discriminator)
    return [v.clone() for net in networks for v in net.state_dict().values()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def plain_discriminator(d, x, norms):
    """D written out with the weights of `d` over given norms: no module of ours in it."""
    F = torch.nn.functional

    def conv(layer, h):
        w = layer.weight / norms[layer]
        return F.conv2d(h, w, layer.bias, padding=w.shape[-1] // 2)

    b = d.block1
    h = F.avg_pool2d(conv(b.c2, F.relu(conv(b.c1, x))), 2) + conv(b.c_sc, F.avg_pool2d(x, 2))
    b = d.block2
    main = conv(b.c2, F.relu(conv(b.c1, F.relu(h))))
    h = F.avg_pool2d(main, 2) + F.avg_pool2d(conv(b.c_sc, h), 2)
    for b in (d.block3, d.block4):
        h = h + conv(b.c2, F.relu(conv(b.c1, F.relu(h))))
    return F.relu(h).sum((2, 3)) @ (d.l5.weight / norms[d.l5]).flatten()


@pytest.mark.parametrize("setting", ["C_8-32", "A_16-128"])
def test_one_update_of_d_is_adam_on_the_hinge_loss(images, setting):
    config = trial_config("digits", setting, "sn", 0)
    state = initial_state(config)
    d = copy.deepcopy(state.discriminator)
    rng = generator("cpu", config.seed, 0, "D update 0")
    n = config.batch_size
    index = torch.randint(1437, (n, 3), generator=rng)
    byte = images.train[index].squeeze(2)
    real = (byte + torch.rand(byte.shape, generator=rng)) / 128 - 1
    fake = copy.deepcopy(state.generator)(torch.randn(n, 128, generator=rng)).detach()
    norms = {}
    for layer in d.normalised_layers():
        w = layer.weight.flatten(1)
        v = w.T @ layer.u
        v = (v / v.norm()).detach()
        u = w @ v
        u = (u / u.norm()).detach()
        norms[layer] = u @ w @ v
    loss = torch.clamp(1 - plain_discriminator(d, real, norms), min=0).mean()
    loss = loss + torch.clamp(1 + plain_discriminator(d, fake, norms), min=0).mean()
    gradients = torch.autograd.grad(loss, list(d.parameters()))

    stated = update_discriminator(config, state, images, 0)

    assert float(stated) == pytest.approx(loss.item(), rel=1e-5)
    moved = state.discriminator.named_parameters()
    for (name, after), before, g in zip(moved, d.parameters(), gradients, strict=True):
        # Adam's first step with beta_1 = 0: lr g / (|g| + eps); no sign where g is rounding.
        step = (after - before) / config.learning_rate
        clear = g.abs() > 1e-5
        torch.testing.assert_close(step[clear], -g.sign()[clear], atol=2e-3, rtol=0, msg=name)


def test_update_of_g_leaves_d_alone(images):
    state = initial_state(small())
    before = [p.clone() for p in state.discriminator.parameters()]
    g = [p.clone() for p in state.generator.parameters()]
    update_generator(small(), state)
    assert same(before, state.discriminator.parameters())
    assert not same(g, state.generator.parameters())
    assert all(p.requires_grad for p in state.discriminator.parameters())


def test_learning_rate_falls_linearly_to_zero(images):
    config, state = small(), initial_state(small())
    for _ in range(config.iterations):
        train_iteration(config, state, images)
        rate = state.discriminator_optimiser.param_groups[0]["lr"]
        left = 1 - (state.iteration - 1) / config.iterations
        assert rate == pytest.approx(config.learning_rate * left)


def test_order_of_updates_is_the_released_one(images, monkeypatch):
    """n_critic updates of D; each is followed by a projection in every fifth iteration; G once,
    after the first."""
    config, state, order = small("sr-static", n_critic=3), initial_state(small()), []

    def noted(name):
        real = getattr(loop, name)

        def call(*arguments):
            order.append((state.iteration, name, *arguments[3:]))
            return real(*arguments)

        monkeypatch.setattr(loop, name, call)

    for name in ("update_discriminator", "project", "update_generator"):
        noted(name)
    for _ in range(11):
        train_iteration(config, state, images)

    d, g, p = ("update_discriminator",), ("update_generator",), ("project",)
    projected = [(*d, 0), p, g, (*d, 1), p, (*d, 2), p]
    plain = [(*d, 0), g, (*d, 1), (*d, 2)]
    assert order == [
        (k, *step) for k in range(11) for step in (projected if k % 5 == 0 else plain)
    ]


@pytest.mark.parametrize("method", METHODS)
def test_what_each_method_leaves_of_the_spectrum(images, method):
    config, state = small(method), initial_state(small(method))
    sn = initial_state(small())
    update_discriminator(small(), sn, images, 0)
    train_iteration(config, state, images)
    m = METHODS[method]
    layers = zip(state.discriminator.convolutions(), sn.discriminator.convolutions(), strict=True)
    for layer, plain in layers:
        i = lifted_count(0.5, plain.weight) if m.lifts else 1
        sigma, before = spectrum(layer.weight), spectrum(plain.weight)
        truth = before.clone()
        truth[:i] = before[0]
        truth = truth / before[0] if m.renormalises else truth
        torch.testing.assert_close(sigma, truth, rtol=1e-5, atol=1e-6)


def test_linear_layer_is_never_projected(images):
    config, state, sn = small("sr-static"), initial_state(small()), initial_state(small())
    train_iteration(config, state, images)
    train_iteration(small(), sn, images)
    assert torch.equal(state.discriminator.l5.weight, sn.discriminator.l5.weight)


def test_methods_of_one_seed_start_alike_and_see_the_same(images):
    states = [initial_state(small(method)) for method in METHODS]
    assert all(same(weights(states[0]), weights(s)) for s in states[1:])
    losses = [
        update_discriminator(small(m), s, images, 0) for m, s in zip(METHODS, states, strict=True)
    ]
    assert len({float(loss) for loss in losses}) == 1
    assert not same(weights(states[0]), weights(initial_state(small(seed=1))))


def test_evaluations_do_not_disturb_the_training(images, scorer):
    often, seldom = small(evaluate_every=3), small(evaluate_every=20)
    states = []
    for config in (often, seldom):
        state = initial_state(config)
        for _ in train(config, state, images, scorer):
            continue
        states.append(state)
    assert same(weights(states[0]), weights(states[1]))


@pytest.mark.parametrize("method", METHODS)
def test_resumed_run_is_the_same_run(images, scorer, method):
    config = small(method, evaluate_every=4)
    whole = initial_state(config)
    records = [e.record for e in train(config, whole, images, scorer)]

    state = initial_state(config)
    for evaluation in train(config, state, images, scorer):
        if evaluation.iteration == 8:
            break
    state = from_bytes(config, to_bytes(config, state))
    for _ in train(config, state, images, scorer):
        continue

    assert same(weights(whole), weights(state))
    timeless = [[{**r, "seconds": 0} for r in rows] for rows in (records, state.history)]
    assert repr(timeless[0]) == repr(timeless[1])


def test_what_an_evaluation_holds(images, scorer):
    config = small(evaluate_every=10)
    evaluations = list(train(config, initial_state(config), images, scorer))
    assert [e.iteration for e in evaluations] == [0, 10, 20]
    first, last = evaluations[0], evaluations[-1]
    assert math.isnan(first.record["d_loss"])
    assert last.record["d_loss"] > 0
    assert last.record["n_samples"] == config.curve_samples
    assert [len(sigma) for sigma in last.spectra] == [4, 4, 3, 4, 4, 4, 4, 4, 4, 4]
    assert all(sigma == sorted(sigma, reverse=True) for sigma in last.spectra)
    assert last.samples.startswith(b"\x89PNG")
    assert first.record["seconds"] < last.record["seconds"]


def test_final_scores_rest_on_the_full_count(images, scorer):
    config = small(final_samples=1500)
    assert final_scores(config, initial_state(config), scorer)["n_samples"] == 1500
    assert final_scores(config, initial_state(config), None) == {}


def test_samples_come_from_fixed_latent_vectors():
    config, state = small(), initial_state(small())
    assert torch.equal(samples(config, state, 64), samples(config, state, 64))


@pytest.mark.parametrize("method", ["sn", "sr-static"])
def test_nan_ends_the_run_and_is_on_record(images, scorer, method):
    config = small(method, evaluate_every=5)
    state = initial_state(config)
    evaluations = []
    for evaluation in train(config, state, images, scorer):
        evaluations.append(evaluation)
        if evaluation.iteration == 5:
            with torch.no_grad():
                state.discriminator.block3.c1.weight[0, 0, 0, 0] = math.nan
    assert [e.iteration for e in evaluations] == [0, 5, 10]
    assert evaluations[-1].verdict.diverged_at == 10
    assert math.isnan(evaluations[-1].record["gap"])
    assert "modes" in evaluations[0].record
    assert "modes" not in evaluations[-1].record, "images that are not finite have no score"
    assert final_scores(config, state, scorer) == {}


def test_nan_in_the_generator_alone_is_divergence_too(images, scorer):
    config = small(evaluate_every=5)
    state = initial_state(config)
    for evaluation in train(config, state, images, scorer):
        if evaluation.iteration == 0:
            with torch.no_grad():
                state.generator.c.weight.fill_(math.nan)
    assert evaluation.verdict.stop == "diverged"


def test_checkpoint_of_another_configuration_is_refused():
    config = small()
    content = to_bytes(config, initial_state(config))
    with pytest.raises(UsageError, match=r"belongs to digits\.C_8-32\.sn"):
        from_bytes(small(seed=1), content)


def test_compensation_of_the_initial_weights_lifts_half():
    d = Discriminator(16)
    torch.nn.init.normal_(d.block3.c1.weight)
    sigma = spectrum(compensate(d.block3.c1.weight, 8, renormalise=True))
    assert sigma[7] == pytest.approx(1, abs=1e-5)
    assert sigma[8] < 0.99
