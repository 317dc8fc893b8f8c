"""One iteration: steps against formulas, their order, and what each method does to D."""

import copy
import dataclasses
import itertools
import math

import pytest
import torch
from torch import nn

from trainer import augmentation, compensation, ema, penalties, projection, toys, updates
from trainer.config.methods import METHODS
from trainer.config.trial import trial_config
from trainer.data.images import Images, load
from trainer.layers import effective_weight
from trainer.losses import LOSSES
from trainer.projection import project, stable_ranks
from trainer.randomness import generator
from trainer.spectral import lifted_count, power_iteration, spectrum
from trainer.state import initial_state
from trainer.updates import (
    discriminator_loss,
    train_iteration,
    update_discriminator,
    update_generator,
)

torch.set_num_threads(1)
F = nn.functional

# These leave D's weights as its optimiser left them, whatever the penalty or the forward pass.
UNPROJECTED = [name for name, m in METHODS.items() if m.form != "project"]
PROJECTED = [name for name, m in METHODS.items() if m.form == "project"]
REPARAM = [name for name, m in METHODS.items() if m.reparametrised]
SIMULTANEOUS = [name for name, m in METHODS.items() if m.simultaneous]


def small(method="sn", seed=0, **changes):
    sizes = {"channels": 4, "generator_channels": 4}
    return trial_config("digits", "C_8-32", method, seed, iterations=20, **(sizes | changes))


def paper(method="sn", dataset=None, **changes):
    """The networks of the paper's CIFAR-10 runs, but 8 channels wide: n_critic 5, batch 8."""
    sizes = {"channels": 8, "generator_channels": 8, "device": "cpu"}
    return trial_config("paper", "B_8-64", method, 0, dataset=dataset, **(sizes | changes))


def ring(method="jare", **changes):
    sizes = {"channels": 8, "generator_channels": 8, "latent_size": 4}
    sizes |= {"batch_size": 16, "micro_batch": 16}
    return trial_config("toy", "ring8", method, 0, **(sizes | changes))


@pytest.fixture(scope="module")
def digits():
    return load("digits8", "cpu")


@pytest.fixture(scope="module")
def pictures():
    """Random 32x32 images with labels of ten classes, as CIFAR-10 is held."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (60, 3, 32, 32), generator=rng, dtype=torch.uint8)
    labels = torch.randint(10, (60,), generator=rng)
    return {
        classes: Images(
            train=images[:50],
            held_out=images[50:],
            stacked=False,
            train_labels=labels[:50] if classes else None,
            held_out_labels=labels[50:] if classes else None,
        )
        for classes in (None, 10)
    }


@pytest.fixture
def few_images(monkeypatch):
    """A Hessian of less work than the 256 images that are behind it."""
    monkeypatch.setattr(updates, "HESSIAN_BATCH", 16)


def weights(state):
    networks = (state.generator, state.discriminator)
    return [v.clone() for net in networks for v in net.state_dict().values()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def features_of(d, x, norms):
    """What D's last layer sees, [B, channels], written out."""

    def conv(layer, h):
        w = layer.weight / norms[layer]
        return F.conv2d(h, w, layer.bias, padding=w.shape[-1] // 2)

    first, second, *rest = d.blocks
    h = F.avg_pool2d(conv(first.c2, F.relu(conv(first.c1, x))), 2)
    h = h + conv(first.c_sc, F.avg_pool2d(x, 2))
    main = conv(second.c2, F.relu(conv(second.c1, F.relu(h))))
    h = F.avg_pool2d(main, 2) + F.avg_pool2d(conv(second.c_sc, h), 2)
    for block in rest:
        h = h + conv(block.c2, F.relu(conv(block.c1, F.relu(h))))
    h = F.relu(h).sum((2, 3))
    return h


def plain_discriminator(d, x, norms, labels):
    """D written out with the weights of `d` over given norms: no module of ours in it."""
    h = features_of(d, x, norms)
    out = h @ (d.last.weight / norms[d.last]).flatten()
    if labels is None:
        return out
    rows = (d.embedding.weight / norms[d.embedding])[labels]
    return out + (rows * h).sum(1)


def drawn(config, source, k):
    """(real, labels, z, labels of the fakes) of D's k-th update, drawn step by step."""
    rng = generator("cpu", config.seed, 0, f"D update {k}")
    n, pool = config.batch_size, source.train
    index = torch.randint(len(pool), (n, 3) if source.stacked else (n,), generator=rng)
    byte = pool[index].squeeze(2) if source.stacked else pool[index]
    real = (byte + torch.rand(byte.shape, generator=rng)) / 128 - 1
    z = torch.randn(n, 128, generator=rng)
    if source.train_labels is None:
        return real, None, z, None
    return real, source.train_labels[index], z, torch.randint(10, (n,), generator=rng)


def by_formula(state, real, labels, z, fake_labels):
    """(L_D, its gradients) from the hinge loss and one power iteration, in float64."""
    fake = copy.deepcopy(state.generator)(z, fake_labels).detach().double()
    d = copy.deepcopy(state.discriminator).double()
    norms = {}
    for layer in d.normalised_layers():
        w = layer.weight.flatten(1)
        v = w.T @ layer.u
        v = (v / v.norm()).detach()
        u = w @ v
        u = (u / u.norm()).detach()
        norms[layer] = u @ w @ v
    real_out = plain_discriminator(d, real.double(), norms, labels)
    fake_out = plain_discriminator(d, fake, norms, fake_labels)
    loss = torch.clamp(1 - real_out, min=0).mean() + torch.clamp(1 + fake_out, min=0).mean()
    return loss, torch.autograd.grad(loss, list(d.parameters()))


@pytest.mark.parametrize(
    ("config", "classes"),
    [
        (trial_config("digits", "C_8-32", "sn", 0), None),
        (trial_config("digits", "A_16-128", "sn", 0), None),
        (paper(), None),
        (paper(dataset="cifar10-conditional"), 10),
    ],
    ids=["digits C", "digits A", "paper", "conditional"],
)
def test_updates_of_d_are_adam_on_the_hinge_loss(digits, pictures, config, classes):
    """Two updates: the second rests on Adam's memory and on the singular vectors of the first."""
    source = digits if config.profile == "digits" else pictures[classes]
    state = initial_state(config)
    second_moment = [torch.zeros_like(p) for p in state.discriminator.parameters()]
    for k in range(2):
        loss, gradients = by_formula(state, *drawn(config, source, k))
        before = [p.detach().clone() for p in state.discriminator.parameters()]

        stated = update_discriminator(config, state, source, k)

        assert float(stated) == pytest.approx(loss.item(), rel=1e-5)
        for j, (name, after) in enumerate(state.discriminator.named_parameters()):
            g = gradients[j].float()
            second_moment[j] = 0.9 * second_moment[j] + 0.1 * g.square()
            deviation = (second_moment[j] / (1 - 0.9 ** (k + 1))).sqrt()
            step = (after - before[j]) / config.learning_rate
            # Where g is rounding, so is its sign. A weight of 1 moves by 2e-4 in steps of 6e-8.
            clear = g.abs() > 1e-3 * g.abs().max()
            expected = -(g / (deviation + 1e-8))[clear]
            torch.testing.assert_close(step[clear], expected, atol=5e-3, rtol=0, msg=name)


def first_step(config, before, after, gradients):
    """Adam's first step, lr g / (|g| + eps), of what is not rounding: batch norm undoes biases."""
    largest = max(float(g.abs().max()) for g in gradients)
    checked = 0
    for p, q, g in zip(before.parameters(), after.parameters(), gradients, strict=True):
        clear = g.abs() > 1e-4 * largest
        step = (q - p)[clear] / config.learning_rate
        torch.testing.assert_close(step, -g.sign()[clear], atol=5e-3, rtol=0)
        checked += int(clear.sum())
    assert checked > 0.5 * sum(g.numel() for g in gradients)


def test_update_of_g_is_adam_on_its_own_loss_over_twice_the_batch(pictures):
    config = paper()
    state = initial_state(config)
    twin = copy.deepcopy(state)
    for layer in twin.discriminator.normalised_layers():
        layer.u, layer.v = (x.detach() for x in power_iteration(layer.weight, layer.u))
    z = torch.randn(16, 128, generator=generator("cpu", 0, 0, "G update"))
    loss = -twin.discriminator(twin.generator(z)).mean()
    gradients = torch.autograd.grad(loss, list(twin.generator.parameters()))

    stated = update_generator(config, state)

    assert float(stated) == pytest.approx(loss.item(), rel=1e-6)
    first_step(config, twin.generator, state.generator, gradients)
    d, before = state.discriminator, twin.discriminator
    assert same(d.parameters(), before.parameters())
    assert all(p.requires_grad for p in d.parameters())
    assert same(d.buffers(), before.buffers()), "u and v move once for G too"


def test_learning_rate_falls_linearly_to_zero_where_it_decays(digits):
    for decays in (True, False):
        config = small(decays=decays, discriminator_learning_rate=5e-3)
        state = initial_state(config)
        for k in range(6):
            train_iteration(config, state, digits)
            left = 1 - k / config.iterations if decays else 1
            rates = [
                optimiser.param_groups[0]["lr"]
                for optimiser in (state.generator_optimiser, state.discriminator_optimiser)
            ]
            assert rates == pytest.approx([2e-3 * left, 5e-3 * left])


def test_ttur_is_sn_with_another_rate_of_d_and_nothing_else(digits):
    """Bit for bit the run of SN whose profile has that rate, and G's rate stays what it is."""
    ttur, sn = small("sn-ttur"), small(discriminator_learning_rate=4 * 2e-3)
    states = [initial_state(config) for config in (ttur, sn)]
    for config, state in zip((ttur, sn), states, strict=True):
        for _ in range(3):
            train_iteration(config, state, digits)
    assert same(*map(weights, states))
    left = 1 - 2 / ttur.iterations
    optimisers = (states[0].generator_optimiser, states[0].discriminator_optimiser)
    rates = [optimiser.param_groups[0]["lr"] for optimiser in optimisers]
    assert rates == pytest.approx([2e-3 * left, 8e-3 * left])


# Packs


def packs_of(x, m):
    """The channels of m images in a row, pack by pack."""
    return torch.stack([torch.cat([*x[k : k + m]]) for k in range(0, len(x) - m + 1, m)])


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("conditional", [False, True])
def test_pacgan_is_sn_with_m_times_the_channels(digits, pictures, m, conditional):
    """On packs made by hand, in float64: L_D and its gradients, and G's. A batch of 16 leaves one
    image over where m is 3."""
    if conditional:
        config = paper("pacgan", "cifar10-conditional", packing=m, batch_size=16, micro_batch=16)
    else:
        config = small("pacgan", packing=m)
    source = pictures[10] if conditional else digits
    state = initial_state(config)
    assert state.discriminator.blocks[0].c1.in_channels == 3 * m
    real, labels, z, fake_labels, order = drawn_in_packs(config, source)
    twin, norms = copy.deepcopy(state.discriminator).double(), {}
    for layer in twin.normalised_layers():
        u, v = power_iteration(layer.weight.detach(), layer.u)
        norms[layer] = u @ layer.weight.flatten(1) @ v

    def judge(x, y):
        h = plain_discriminator(twin, packs_of(x.double(), m), norms, None)
        if y is None:
            return h
        return h + places(twin, packs_of(x.double(), m), norms, y, m)

    fake = copy.deepcopy(state.generator)(z, fake_labels).detach()
    real_out = judge(real[order], None if labels is None else labels[order])
    fake_out = judge(fake, fake_labels)
    assert len(real_out) == len(fake_out) == 16 // m
    truth = F.relu(1 - real_out).mean() + F.relu(1 + fake_out).mean()
    gradients = torch.autograd.grad(truth, list(twin.parameters()))

    stated = update_discriminator(config, state, source, 0)

    assert float(stated) == pytest.approx(truth.item(), rel=1e-5)
    for p, g in zip(state.discriminator.parameters(), gradients, strict=True):
        torch.testing.assert_close(p.grad.double(), g, rtol=1e-3, atol=1e-5 * float(g.abs().max()))


def drawn_in_packs(config, source):
    """What D's first update draws: images, latent vectors, and the order of the images."""
    rng = generator("cpu", config.seed, 0, "D update 0")
    real, labels = source.draw(config.batch_size, rng)
    z = torch.randn(config.batch_size, 128, generator=rng)
    fake_labels = None if labels is None else torch.randint(10, (len(z),), generator=rng)
    return real, labels, z, fake_labels, torch.randperm(len(real), generator=rng)


def places(d, packs, norms, labels, m):
    """sum over the places j of a pack of <e_{j, y_j}, h>, place by place."""
    table = d.embedding.weight / norms[d.embedding]
    h = features_of(d, packs, norms)
    total = torch.zeros(len(packs), dtype=torch.float64)
    for k in range(len(packs)):
        for j in range(m):
            total[k] = total[k] + table[10 * j + labels[m * k + j]] @ h[k]
    return total


def test_g_descends_the_mean_over_packs(digits):
    config = small("pacgan", packing=3)
    state = initial_state(config)
    twin = copy.deepcopy(state)
    for layer in twin.discriminator.normalised_layers():
        layer.u, layer.v = (x.detach() for x in power_iteration(layer.weight, layer.u))
    norms = {c: c.u @ c.weight.flatten(1) @ c.v for c in twin.discriminator.normalised_layers()}
    fake = twin.generator(torch.randn(16, 128, generator=generator("cpu", 0, 0, "G update")))
    loss = -plain_discriminator(twin.discriminator, packs_of(fake, 3), norms, None).mean()
    gradients = torch.autograd.grad(loss, list(twin.generator.parameters()))
    assert float(update_generator(config, state)) == pytest.approx(loss.item(), rel=1e-5)
    first_step(config, twin.generator, state.generator, gradients)


def test_packs_of_the_ring_are_of_modes_at_random(monkeypatch):
    """A batch holds the modes in turn: packs in that order would give every real one away."""
    config = ring("pacgan", packing=2)
    source, state, seen = toys.ring8("cpu"), initial_state(config), set()
    real = updates._judged

    def watched(config, d, x, *rest):
        angle = torch.atan2(x[:, 1], x[:, 0]) / (math.pi / 4)
        seen.update(map(tuple, (angle.round().long() % 8).view(-1, 2).tolist()))
        return real(config, d, x, *rest)

    monkeypatch.setattr(updates, "_judged", watched)
    for _ in range(12):
        train_iteration(config, state, source)
    assert len(seen) > 30, "of 64 pairs, and not the four of the order"


# Pairs


@pytest.mark.parametrize("weight", [None, 0.7])
def test_pairs_in_the_update_of_d(digits, weight):
    """L_D and its gradients in float64, every sample's own gradient by a pass of its own."""
    method = "rpgan" if weight is None else "rpgan-r1r2"
    config = small(method, penalty_weight=weight)
    state = initial_state(config)
    real, _, z, _ = drawn(config, digits, 0)
    fake = copy.deepcopy(state.generator)(z).detach().double()
    twin = copy.deepcopy(state.discriminator).double()
    norms = dict.fromkeys(twin.normalised_layers(), 1.0)

    def judge(x):
        return plain_discriminator(twin, x, norms, None)

    real = real.double()
    truth = torch.log(1 + torch.exp(judge(fake) - judge(real))).mean()
    for x in (real, fake):
        for one in x:
            point = one[None].clone().requires_grad_()
            (gradient,) = torch.autograd.grad(judge(point).sum(), point, create_graph=True)
            truth = truth + (weight or 0.0) / 2 * gradient.square().sum() / len(x)
    gradients = torch.autograd.grad(truth, list(twin.parameters()), allow_unused=True)

    stated = update_discriminator(config, state, digits, 0)

    assert float(stated) == pytest.approx(truth.item(), rel=1e-5)
    for p, g in zip(state.discriminator.parameters(), gradients, strict=True):
        torch.testing.assert_close(p.grad.double(), g, rtol=1e-3, atol=1e-5 * float(g.abs().max()))


def test_g_steps_on_pairs_with_the_images_of_ds_update(digits):
    """Twice as many fakes as reals, so that each real has two, and nothing more is drawn."""
    config = small("rpgan", generator_batch_size=32)
    state, seen = initial_state(config), []
    update_discriminator(config, state, digits, 0, seen)
    (kept,) = seen
    real, *_ = drawn(config, digits, 0)
    assert torch.equal(kept[0], real)
    assert kept[1] is None
    twin = copy.deepcopy(state)
    norms = dict.fromkeys(twin.discriminator.normalised_layers(), 1.0)
    fake = twin.generator(torch.randn(32, 128, generator=generator("cpu", 0, 0, "G update")))
    fake_out = plain_discriminator(twin.discriminator, fake, norms, None)
    real_out = plain_discriminator(twin.discriminator, torch.cat([real, real]), norms, None)
    loss = torch.log(1 + torch.exp(real_out.detach() - fake_out)).mean()
    gradients = torch.autograd.grad(loss, list(twin.generator.parameters()))
    assert float(update_generator(config, state, seen)) == pytest.approx(loss.item(), rel=1e-5)
    first_step(config, twin.generator, state.generator, gradients)


def test_an_iteration_hands_the_images_of_the_first_update_on(digits, monkeypatch):
    config = small("rpgan-r1r2", n_critic=3, micro_batch=4)
    state, handed, real_loss = initial_state(config), [], updates.generator_loss

    def call(*arguments):
        handed.append(arguments[4][0])
        return real_loss(*arguments)

    monkeypatch.setattr(updates, "generator_loss", call)
    train_iteration(config, state, digits)
    first = [
        digits.draw(4, generator("cpu", 0, 0, "D update 0" + (f".{part}" if part else "")))[0]
        for part in range(4)
    ]
    assert same(handed, first)


# LeCam


def in_parts(state, config, source, k):
    """(D's outputs on real images, on fakes) of each part of its k-th update, before its step."""
    twin = copy.deepcopy(state)
    for layer in twin.discriminator.normalised_layers():
        layer.u, layer.v = (x.detach() for x in power_iteration(layer.weight, layer.u))
    found = []
    for part in range(config.batch_size // config.micro_batch):
        rng = generator("cpu", 0, 0, f"D update {k}" + (f".{part}" if part else ""))
        real, _ = source.draw(config.micro_batch, rng)
        with torch.no_grad():
            fake = twin.generator(torch.randn(config.micro_batch, 128, generator=rng))
            found.append((twin.discriminator(real), twin.discriminator(fake)))
    return found


@pytest.mark.parametrize("micro_batch", [16, 4])
def test_lecam_rests_on_the_averages_of_the_updates_before(digits, micro_batch):
    """The first update is SN's, and leaves the mean outputs of the whole batch for the second."""
    config, sn = small("lecam", micro_batch=micro_batch), small(micro_batch=micro_batch)
    state, plain = initial_state(config), initial_state(sn)
    outputs = in_parts(state, config, digits, 0)
    for c, s in ((config, state), (sn, plain)):
        update_discriminator(c, s, digits, 0)
    assert same(weights(state), weights(plain))
    means = [torch.cat(kind).mean() for kind in zip(*outputs, strict=True)]
    torch.testing.assert_close(state.directions[:2] / state.directions[2], torch.stack(means))

    state.directions = torch.tensor([0.02, -0.01, 0.01])
    penalty = 0.0
    for real_out, fake_out in in_parts(plain, config, digits, 1):
        squares = (real_out + 1).clamp(min=0) ** 2 + (2 - fake_out).clamp(min=0) ** 2
        penalty += 0.3 * float(squares.mean()) * micro_batch / 16
    stated = float(update_discriminator(config, state, digits, 1))
    bare = float(update_discriminator(sn, plain, digits, 1))
    assert stated - bare == pytest.approx(penalty, rel=1e-4)
    assert penalty > 1
    assert float(state.directions[2]) == pytest.approx(0.99 * 0.01 + 0.01)


# Augmentation


def two_kinds(config, source):
    """(D over exact norms, images, fakes) in float64, and the generator that augments next."""
    state = initial_state(config)
    rng = generator("cpu", config.seed, 0, "D update 0")
    real, _ = source.draw(config.batch_size, rng)
    z = torch.randn(config.batch_size, 128, generator=rng)
    fake = copy.deepcopy(state.generator)(z).detach()
    twin, norms = copy.deepcopy(state.discriminator).double(), {}
    for layer in twin.normalised_layers():
        u, v = power_iteration(layer.weight.detach(), layer.u)
        norms[layer] = u @ layer.weight.flatten(1) @ v
    return (
        state,
        twin,
        lambda x: plain_discriminator(twin, x.double(), norms, None),
        real,
        fake,
        rng,
    )


def check_update(state, twin, truth, config, source):
    gradients = torch.autograd.grad(truth, list(twin.parameters()))
    stated = update_discriminator(config, state, source, 0)
    assert float(stated) == pytest.approx(truth.item(), rel=1e-5)
    for p, g in zip(state.discriminator.parameters(), gradients, strict=True):
        torch.testing.assert_close(p.grad.double(), g, rtol=1e-3, atol=1e-5 * float(g.abs().max()))


def test_bcr_is_sn_and_the_squared_change_under_a_shift_of_both_kinds(digits):
    config = small("bcr")
    state, twin, judge, real, fake, rng = two_kinds(config, digits)
    truth = F.relu(1 - judge(real)).mean() + F.relu(1 + judge(fake)).mean()
    for x in (real, fake):
        truth = truth + 10 * (judge(x) - judge(augmentation.shifted(x, rng))).square().mean()
    check_update(state, twin, truth, config, digits)


def test_diffaug_shows_d_nothing_but_augmented_images(digits):
    config = small("diffaug")
    state, twin, judge, real, fake, rng = two_kinds(config, digits)
    real, fake = augmentation.augmented(real, rng), augmentation.augmented(fake, rng)
    truth = F.relu(1 - judge(real)).mean() + F.relu(1 + judge(fake)).mean()
    check_update(state, twin, truth, config, digits)


def test_g_descends_through_the_augmentation(digits):
    config = small("diffaug")
    state = initial_state(config)
    twin = copy.deepcopy(state)
    for layer in twin.discriminator.normalised_layers():
        layer.u, layer.v = (x.detach() for x in power_iteration(layer.weight, layer.u))
    norms = {c: c.u @ c.weight.flatten(1) @ c.v for c in twin.discriminator.normalised_layers()}
    rng = generator("cpu", 0, 0, "G update")
    fake = twin.generator(torch.randn(16, 128, generator=rng))
    fake = augmentation.augmented(fake, rng)
    loss = -plain_discriminator(twin.discriminator, fake, norms, None).mean()
    gradients = torch.autograd.grad(loss, list(twin.generator.parameters()))
    assert float(update_generator(config, state)) == pytest.approx(loss.item(), rel=1e-5)
    first_step(config, twin.generator, state.generator, gradients)


# Gradient accumulation


class Given:
    """Fixed reals, fakes, labels and random numbers, handed out in the order of the images."""

    def __init__(self, monkeypatch, shape, classes):
        rng = torch.Generator().manual_seed(1)
        noise = [torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(2)]
        self.real, self.fake = (x.clamp(-2, 2) for x in noise)
        self.labels = [None, None]
        if classes:
            self.labels = list(torch.randint(classes, (2, shape[0]), generator=rng))
        self.eps = torch.rand(shape[0], 1, 1, 1, generator=rng, dtype=torch.float64)
        self.at = {"real": 0, "fake": 0, "eps": 0}
        monkeypatch.setattr(updates, "latent", lambda _, n, rng: self.latent(n))
        monkeypatch.setattr(penalties.torch, "rand", lambda s, **_: self.eps[self.slice("eps", s)])

    def slice(self, what, n):
        n = n[0] if isinstance(n, tuple) else n
        start = self.at[what]
        self.at[what] += n
        return slice(start, start + n)

    def draw(self, n, rng, *, held_out=False):
        part = self.slice("real", n)
        return self.real[part], None if self.labels[0] is None else self.labels[0][part]

    def latent(self, n):
        part = self.slice("fake", n)
        return self.fake[part], None if self.labels[1] is None else self.labels[1][part]


class Identity(nn.Module):
    """A generator whose latent vectors are the fakes."""

    def forward(self, z, labels=None):
        return z

    def normalised_layers(self):
        return []


def gradients_of_d(config, k, monkeypatch):
    """(D's gradient, u and v, stated loss) of one float64 update on the given images."""
    with monkeypatch.context() as patch:
        source = Given(patch, (8, 3, 8, 8), config.classes)
        # Packs are made of a part's images; here they are the same ones, however it is divided.
        patch.setattr(updates, "shuffled", lambda x, labels, rng: (x, labels))
        state = initial_state(config)
        state.discriminator.double()
        state.generator = Identity()
        before = {
            layer: power_iteration(layer.weight, layer.u)
            for layer in state.discriminator.normalised_layers()
        }
        loss = update_discriminator(config, state, source, k)
        assert source.at["real"] == source.at["fake"] == 8
    for layer, (u, v) in before.items():
        # They moved once, from the weights before the step.
        torch.testing.assert_close((layer.u, layer.v), (u, v), rtol=1e-6, atol=1e-7)
    return [p.grad for p in state.discriminator.parameters()], float(loss)


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("sn", {}),
        ("wn", {}),
        ("none", {}),
        ("sr-static-reparam", {}),
        ("r1", {}),
        ("wgan-gp", {}),
        ("orthonormal", {"penalty_weight": 0.3}),
        ("srip", {"penalty_weight": 0.3}),
        ("pacgan", {}),
        ("rpgan", {}),
        ("lecam", {}),
        ("rpgan-r1r2", {"penalty_weight": 3.0}),
    ],
)
@pytest.mark.parametrize("conditional", [False, True])
def test_parts_of_a_batch_add_up_to_its_gradient(monkeypatch, method, changes, conditional):
    dataset = "cifar10-conditional" if conditional else None
    whole = dataclasses.replace(paper(method, dataset, **changes), resolution=8)
    parts = dataclasses.replace(whole, micro_batch=2)
    k = whole.n_critic - 1
    expected, loss = gradients_of_d(whole, k, monkeypatch)
    found, in_parts = gradients_of_d(parts, k, monkeypatch)
    assert in_parts == pytest.approx(loss, rel=1e-6)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12 * float(b.abs().max()) + 1e-18)


def test_simultaneous_descent_adds_up_too(monkeypatch):
    found = []
    for size in (16, 4):
        config, rng = ring("simgd", micro_batch=size), torch.Generator().manual_seed(2)
        state = initial_state(config)
        state.generator.double()
        state.discriminator.double()
        state.ema = ema.weights_of(state.generator)
        real, z = (torch.randn(16, n, generator=rng, dtype=torch.float64) for n in (2, 4))
        reals, latents = iter(real.split(size)), iter(z.split(size))
        monkeypatch.setattr(updates, "latent", lambda _, n, rng, z=latents: (next(z), None))
        source = toys.ring8("cpu")
        monkeypatch.setattr(
            type(source), "draw", lambda self, n, rng, real=reals: (next(real), None)
        )
        train_iteration(config, state, source)
        assert list(reals) == list(latents) == []
        networks = (state.generator, state.discriminator)
        found.append([p.grad for net in networks for p in net.parameters()])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-16)


def test_batch_norm_sees_a_part_of_the_batch(digits):
    whole, parts = small(), small(micro_batch=4)
    states = [initial_state(whole), initial_state(parts)]
    g = copy.deepcopy(states[1].generator)
    for config, state in zip((whole, parts), states, strict=True):
        update_generator(config, state)
    for part in range(4):
        rng = generator("cpu", 0, 0, f"G update.{part}" if part else "G update")
        g(torch.randn(4, 128, generator=rng))
    assert same(states[1].generator.buffers(), g.buffers())
    counts = [int(state.generator.bn.num_batches_tracked) for state in states]
    assert counts == [1, 4]
    assert not torch.equal(states[0].generator.bn.running_var, g.bn.running_var)


# The order of updates


def noted(monkeypatch, config, state):
    order = []

    def wrap(name):
        real = getattr(updates, name)

        def call(*arguments):
            draw = arguments[3:4] if name == "update_discriminator" else ()
            order.append((state.iteration, name, *draw))
            return real(*arguments)

        monkeypatch.setattr(updates, name, call)

    for name in ("update_discriminator", "project", "update_generator"):
        wrap(name)
    return order


def test_order_of_updates_is_the_released_one(digits, monkeypatch):
    """n_critic updates of D; each is followed by a projection in every fifth iteration; G once,
    after the first."""
    config = small("sr-static", n_critic=3)
    state = initial_state(config)
    order = noted(monkeypatch, config, state)
    for _ in range(11):
        train_iteration(config, state, digits)

    d, g, p = ("update_discriminator",), ("update_generator",), ("project",)
    projected = [(*d, 0), p, g, (*d, 1), p, (*d, 2), p]
    plain = [(*d, 0), g, (*d, 1), (*d, 2)]
    assert order == [
        (k, *step) for k in range(11) for step in (projected if k % 5 == 0 else plain)
    ]


@pytest.mark.parametrize(("n_critic", "period"), [(3, 5), (1, 2), (5, 5), (2, 3)])
def test_spread_schedule_projects_after_every_nth_update_of_d(
    digits, monkeypatch, n_critic, period
):
    config = small(
        "sr-static", n_critic=n_critic, projection_period=period, projection_burst=False
    )
    state = initial_state(config)
    order = noted(monkeypatch, config, state)
    for _ in range(7):
        train_iteration(config, state, digits)
    d_updates = -1
    projected = []
    for _, name, *_ in order:
        d_updates += name == "update_discriminator"
        if name == "project":
            projected.append(d_updates)
    assert projected == list(range(0, 7 * n_critic, period))


@pytest.mark.parametrize("n_critic", [1, 3])
@pytest.mark.parametrize("method", REPARAM)
def test_reparametrised_is_the_last_update_of_d_alone(digits, monkeypatch, method, n_critic):
    config = small(method, n_critic=n_critic)
    state = initial_state(config)
    layers, seen = state.discriminator.regularised_layers(), []

    def watched(name):
        real = getattr(updates, name)

        def call(*arguments):
            on = {layer.compensation is not None for layer in layers}
            assert state.discriminator.last.compensation is None
            seen.append((name, *on))
            return real(*arguments)

        monkeypatch.setattr(updates, name, call)

    watched("discriminator_loss")
    watched("generator_loss")
    for _ in range(2):
        train_iteration(config, state, digits)
        assert all(layer.compensation is None for layer in layers)
    d, g = "discriminator_loss", "generator_loss"
    iteration = [(d, k == n_critic - 1) for k in range(n_critic)]
    iteration.insert(1, (g, False))
    assert seen == 2 * iteration


@pytest.mark.parametrize("method", REPARAM)
def test_no_compensation_outlives_an_exception(digits, monkeypatch, method):
    config = small(method)
    state = initial_state(config)

    def fail(*_):
        assert state.discriminator.regularised_layers()[0].compensation is not None
        raise RuntimeError("no memory")

    monkeypatch.setattr(updates, "discriminator_loss", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        update_discriminator(config, state, digits, 0)
    assert all(c.compensation is None for c in state.discriminator.regularised_layers())


def test_reparametrised_update_with_i_1_is_that_of_sn(digits):
    """i_ratio so small that nothing is lifted: Eq. (10) is then Eq. (4), up to u and v."""
    states = []
    for config in (small("sr-static-reparam", i_ratio=0.01), small()):
        states.append(initial_state(config))
        # Eq. (10) has the exact singular vectors.
        for layer in states[-1].discriminator.regularised_layers():
            for _ in range(300):
                layer.u.copy_(power_iteration(layer.weight.detach(), layer.u)[0])
        update_discriminator(config, states[-1], digits, 0)
    grads = [[p.grad for p in s.discriminator.parameters()] for s in states]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5 + 1e-4 * float(b.abs().max()))


# What each method does to D


def twin_before_projection(config, state, source):
    twin = copy.deepcopy(state)
    update_discriminator(config, twin, source, 0)
    return twin.discriminator.regularised_layers()


@pytest.mark.parametrize("method", PROJECTED)
def test_what_each_method_leaves_of_the_spectrum(digits, method):
    """At its first call and at its second, which for dynamic compensation are not alike."""
    config, m = small(method, projection_period=1, decays=False), METHODS[method]
    state = initial_state(config)
    gammas = [None] * 10
    for _ in range(2):
        before = twin_before_projection(config, state, digits)
        train_iteration(config, state, digits)
        for k, layer in enumerate(state.discriminator.regularised_layers()):
            truth = spectrum(before[k].weight)
            ratio = truth / truth[0]
            if m.compensation == "dynamic":
                first = gammas[k] is None
                gammas[k] = ratio if first else torch.maximum(gammas[k], ratio)
                torch.testing.assert_close(state.gamma[k], gammas[k], rtol=1e-5, atol=1e-7)
                lifted = truth if first else gammas[k] * truth[0]
                scale = truth[0] if m.renormalises and not first else 1
            elif m.compensation == "first":
                gammas[k] = truth if gammas[k] is None else gammas[k]
                lifted, scale = gammas[k], 1
            elif m.compensation == "floor":
                lifted, scale = truth.clamp(min=float(truth[0]) / 2), 1
            else:
                i = lifted_count(0.5, layer.weight) if m.lifts else 1
                lifted = torch.cat([truth[:1].expand(i), truth[i:]])
                scale = truth[0] if m.renormalises else 1
            torch.testing.assert_close(
                spectrum(layer.weight), lifted / scale, rtol=1e-5, atol=1e-6
            )


@pytest.mark.parametrize("method", UNPROJECTED)
def test_the_other_methods_overwrite_nothing(digits, monkeypatch, few_images, method):
    def never(*_):
        raise AssertionError("projected")

    monkeypatch.setattr(updates, "project", never)
    config = small(method, n_critic=1)
    state = initial_state(config)
    for _ in range(2):
        train_iteration(config, state, digits)


def test_last_layer_is_never_projected(digits, pictures):
    for sn, config, source in (
        (small(), small("sr-static"), digits),
        (
            paper(dataset="cifar10-conditional"),
            paper("sr-static", "cifar10-conditional"),
            pictures[10],
        ),
    ):
        plain, state = initial_state(sn), initial_state(config)
        update_discriminator(sn, plain, source, 0)
        update_discriminator(config, state, source, 0)
        project(config, state)
        d = state.discriminator
        assert torch.equal(d.last.weight, plain.discriminator.last.weight)
        if d.embedding is not None:
            assert torch.equal(d.embedding.weight, plain.discriminator.embedding.weight)
        assert not torch.equal(d.blocks[0].c1.weight, plain.discriminator.blocks[0].c1.weight)


def first_weights(method):
    state = initial_state(small(method))
    networks = (state.generator, state.discriminator)
    # Weight normalization has gains, where the others have none.
    return [v for net in networks for k, v in net.state_dict().items() if not k.endswith(".gain")]


def test_methods_of_one_seed_start_alike_and_see_the_same(digits, monkeypatch, few_images):
    # A D of packs has a first layer of another shape.
    starts = [first_weights(name) for name, m in METHODS.items() if m.packing is None]
    assert all(same(starts[0], start) for start in starts[1:])
    assert not same(starts[0], weights(initial_state(small(seed=1))))

    drawn = []

    class Watched:
        def draw(self, n, rng):
            drawn.append([rng.get_state(), digits.draw(n, rng)[0]])
            return drawn[-1][1], None

    latents = []
    real_latent = updates.latent

    def latent(config, n, rng):
        latents.append(real_latent(config, n, rng))
        return latents[-1]

    monkeypatch.setattr(updates, "latent", latent)
    for method in METHODS:
        config = small(method)
        train_iteration(config, initial_state(config), Watched())
    assert len(drawn) == len(METHODS)
    assert all(same(drawn[0], other) for other in drawn[1:])
    alike = sum(
        z.shape == latents[0][0].shape and torch.equal(z, latents[0][0]) for z, _ in latents
    )
    assert alike == len(METHODS), "the fakes of D's update"


def test_stable_ranks_are_those_of_the_definition(digits):
    for method in ("sn", "none", "wn", "sr-static", "jare"):
        config = small(method)
        state = initial_state(config)
        for _ in range(3):
            train_iteration(config, state, digits)
        found = stable_ranks(state)
        layers = state.discriminator.regularised_layers()
        assert found.shape == (10,)
        for rank, layer in zip(found, layers, strict=True):
            w = layer.weight.detach().flatten(1)
            sigma = layer.u @ w @ layer.v
            assert float(rank) == pytest.approx(float(w.square().sum() / sigma**2), rel=1e-5)
            # u and v follow the weights from one update to the next: near the exact one.
            exact = float(w.square().sum()) / float(spectrum(w)[0]) ** 2
            assert exact * 0.999 <= float(rank) < 2 * exact
        for layer in layers:
            for _ in range(500):
                u, layer.v = power_iteration(layer.weight.detach(), layer.u)
                layer.u = u
        sigmas = [spectrum(layer.weight) for layer in layers]
        exact = [float(s.square().sum() / s[0] ** 2) for s in sigmas]
        assert stable_ranks(state).tolist() == pytest.approx(exact, rel=1e-3)


# Simultaneous methods


@pytest.mark.parametrize("method", SIMULTANEOUS)
def test_simultaneous_step_is_adam_on_the_jacobian_gradients(digits, method):
    config = small(method)
    state = initial_state(config)
    before = copy.deepcopy(state)
    d, g = before.discriminator, before.generator
    rng = generator("cpu", 0, 0, "D update 0")
    real, _ = digits.draw(config.batch_size, rng)
    z = torch.randn(config.batch_size, 128, generator=rng)
    real_out, fake_out = d(real), d(g(z))
    d_loss = F.softplus(-real_out).mean() + F.softplus(fake_out).mean()
    g_loss = F.softplus(-fake_out).mean()
    weight = {"simgd": 0.0, "jare": 100.0, "conopt": 10.0}[method]
    expected = penalties.jacobian_gradients(
        d_loss, g_loss, d.parameters(), g.parameters(), weight, own=method == "conopt"
    )

    measured = train_iteration(config, state, digits)

    assert measured[:2].tolist() == pytest.approx([d_loss.item(), g_loss.item()], rel=1e-5)
    assert measured[2:].tolist() == pytest.approx(expected.ratios.tolist(), rel=1e-2)
    first_step(config, d, state.discriminator, expected.discriminator)
    first_step(config, g, state.generator, expected.generator)


def test_jare_of_weight_0_is_simultaneous_descent(digits):
    states = []
    for config in (small("jare", penalty_weight=0.0), small("simgd")):
        states.append(initial_state(config))
        for _ in range(5):
            train_iteration(config, states[-1], digits)
    assert same(weights(states[0]), weights(states[1]))


def test_singular_vectors_of_a_normalised_generator_move_in_every_step(pictures):
    for method in ("sn", "simgd"):
        config = paper(method, generator_normalisation="sn", n_critic=1)
        state = initial_state(config)
        layer = state.generator.normalised_layers()[0]
        u = power_iteration(layer.weight, layer.u)[0]
        train_iteration(config, state, pictures[None])
        assert torch.equal(layer.u, u)


# NuGAN


def trained(config, source, n):
    state = initial_state(config)
    for _ in range(n):
        train_iteration(config, state, source)
    return state


def test_nugan_of_gamma_1_is_sn(digits, few_images):
    nugan = small("nugan", nudge_gamma=1.0, nudge_every=5, nudge_k=2)
    state = trained(nugan, digits, 10)
    assert same(weights(state), weights(trained(small(), digits, 10)))
    assert state.directions is not None, "the Hessian was looked at, and left no trace"


def test_directions_are_found_anew_every_few_iterations(digits, monkeypatch, few_images):
    config, calls = small("nugan", nudge_every=3, nudge_k=2), []
    state, real = initial_state(config), updates.sharpest
    monkeypatch.setattr(updates, "sharpest", lambda c, s, k: calls.append(k) or real(c, s, k))
    kept = []
    for _ in range(7):
        train_iteration(config, state, digits)
        kept.append((len(calls), state.directions))
    assert [n for n, _ in kept] == [1, 1, 1, 2, 2, 2, 3]
    assert calls == [2, 2, 2]
    assert kept[0][1] is kept[1][1] is kept[2][1]
    assert kept[3][1] is not kept[2][1]


def test_nudge_shrinks_the_gradient_along_the_sharpest_directions():
    """On the ring, where Lanczos converges: g - (1 - gamma) V^T V g in the optimiser's hands."""
    gradients = []
    for gamma in (1.0, 0.1):
        config = ring("nugan", nudge_gamma=gamma, nudge_k=3)
        state = initial_state(config)
        update_generator(config, state)
        gradients.append(torch.cat([p.grad.flatten() for p in state.generator.parameters()]))
    plain, nudged = gradients
    v = state.directions
    assert len(v) > 0
    torch.testing.assert_close(v @ v.T, torch.eye(len(v)), atol=1e-5, rtol=0)
    torch.testing.assert_close(nudged, plain - 0.9 * v.T @ (v @ plain))
    torch.testing.assert_close(v @ nudged, 0.1 * v @ plain, rtol=1e-3, atol=1e-6)
    assert not torch.equal(nudged, plain)


# Mixed precision


def tensors_of(state):
    for net in (state.generator, state.discriminator):
        yield from net.state_dict().items()
    for optimiser in (state.generator_optimiser, state.discriminator_optimiser):
        for kept in optimiser.state.values():
            yield from kept.items()


@pytest.mark.parametrize("method", ["sr-static", "sr-dynamic", "sr-dynamic-reparam", "nugan"])
def test_bf16_is_for_convolutions_and_products_alone(digits, monkeypatch, few_images, method):
    config = small(method, precision="bf16", projection_period=None)
    if METHODS[method].form == "project":
        config = dataclasses.replace(config, projection_period=1, projection_burst=True)
    state = initial_state(config)
    dtypes = set()
    conv = state.discriminator.blocks[1].c1
    conv.register_forward_hook(lambda *_: dtypes.add(_[2].dtype))
    used = []
    for module, name in (
        (compensation, "compensate"),
        (compensation, "compensate_dynamic"),
        (projection, "dynamic_compensation"),
    ):
        real = getattr(module, name)

        def call(weight, *rest, real=real, **named):
            assert weight.dtype == torch.float32
            result = real(weight, *rest, **named)
            used.append(result)
            return result

        monkeypatch.setattr(module, name, call)
    for _ in range(2):
        measured = train_iteration(config, state, digits)
    # nugan's Hessian goes through D in float32.
    assert dtypes == {torch.bfloat16} | ({torch.float32} if method == "nugan" else set())
    assert measured.dtype == torch.float32
    kept = dict(tensors_of(state))
    assert {v.dtype for v in kept.values()} <= {torch.float32, torch.int64}
    assert {"exp_avg", "exp_avg_sq"} <= set(kept)
    assert all(gamma is None or gamma.dtype == torch.float64 for gamma in state.gamma)
    assert bool(used) == (method != "nugan")
    assert stable_ranks(state).dtype == torch.float32
    if method == "nugan":
        assert state.directions.dtype == torch.float32


def test_bf16_losses_differ_little_from_float32(digits):
    found = []
    for precision in ("float32", "bf16"):
        config = small("sn", precision=precision)
        state = initial_state(config)
        rows = [train_iteration(config, state, digits)[:2] for _ in range(5)]
        found.append(torch.stack(rows))
    assert not torch.equal(*found)
    torch.testing.assert_close(found[0], found[1], rtol=0.05, atol=0.05)


@pytest.mark.parametrize(("method", "name"), [("r1", "r1"), ("wgan-gp", "gradient_penalty")])
def test_penalties_are_taken_outside_of_mixed_precision(digits, monkeypatch, method, name):
    config, seen, real = small(method, precision="bf16"), [], getattr(penalties, name)

    def call(d, *rest):
        def watched(x, labels):
            out = d(x, labels)
            seen.append((x.dtype, out.dtype, torch.is_autocast_enabled("cpu")))
            return out

        return real(watched, *rest)

    monkeypatch.setattr(penalties, name, call)
    train_iteration(config, initial_state(config), digits)
    assert seen == [(torch.float32, torch.float32, False)]


def test_wgan_gp_has_the_critics_loss(digits):
    config = small("wgan-gp", penalty_weight=0.0)
    state = initial_state(config)
    rng = torch.Generator().manual_seed(0)
    real, _ = digits.draw(16, rng)
    state_of_rng = rng.get_state()
    loss = discriminator_loss(config, state, real, None, rng)
    rng.set_state(state_of_rng)
    fake = initial_state(config).generator(torch.randn(16, 128, generator=rng))
    d = state.discriminator
    expected = (d(fake).mean() - d(real).mean()).item()
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_every_loss_is_a_mean_over_images():
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 12, generator=rng, dtype=torch.float64)
    for loss in LOSSES.values():
        pairs = zip(real.split(3), fake.split(3), strict=True)
        parts = list(itertools.starmap(loss.discriminator, pairs))
        assert float(loss.discriminator(real, fake)) == pytest.approx(float(sum(parts)) / 4)
        parts = [loss.generator(part) for part in fake.split(3)]
        assert float(loss.generator(fake)) == pytest.approx(float(sum(parts)) / 4)


def test_d_sees_plain_spectral_normalisation_in_the_step_of_g(digits, monkeypatch):
    """W over the power iteration's sigma, also right after an update with W_SR."""
    config = small("sr-static-reparam", n_critic=1)
    state, real = initial_state(config), updates.generator_loss

    def call(*arguments):
        for layer in state.discriminator.regularised_layers():
            sigma = layer.u @ layer.weight.flatten(1) @ layer.v
            torch.testing.assert_close(effective_weight(layer), layer.weight / sigma)
        return real(*arguments)

    monkeypatch.setattr(updates, "generator_loss", call)
    assert math.isfinite(float(train_iteration(config, state, digits)[1]))
