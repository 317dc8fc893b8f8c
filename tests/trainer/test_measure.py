"""What an evaluation measures: histograms, spectra, Hessians, samples; and that it only looks."""

import copy
import io
import math

import pytest
import torch
from PIL import Image
from torch.autograd.functional import hessian
from torch.func import functional_call

from trainer import measure, toys, updates
from trainer.config.methods import METHODS
from trainer.config.trial import trial_config
from trainer.data.images import Images, load
from trainer.hessian import flatten, unflatten_like
from trainer.interruption import Interrupted
from trainer.layers import effective_weight
from trainer.losses import LOSSES
from trainer.measure import (
    discriminator_gradient,
    discriminator_outputs,
    hessian_record,
    histograms,
    output_record,
    picture,
    samples,
    spectra,
)
from trainer.randomness import generator
from trainer.state import initial_state
from trainer.updates import train_iteration

torch.set_num_threads(1)
F = torch.nn.functional


def small(method="sn", seed=0, **changes):
    sizes = {"channels": 4, "generator_channels": 4}
    return trial_config("digits", "C_8-32", method, seed, iterations=20, **(sizes | changes))


def tiny_ring(method, **changes):
    """A generator of 82 parameters and a discriminator of 77: dense Hessians at once."""
    sizes = {"channels": 4, "generator_channels": 4, "latent_size": 2}
    return trial_config("toy", "ring8", method, 0, **(sizes | changes))


@pytest.fixture(scope="module")
def digits():
    return load("digits8", "cpu")


@pytest.fixture
def few_images(monkeypatch):
    """A Hessian of less work than the 256 images that are behind it."""
    for module in (measure, updates):
        monkeypatch.setattr(module, "HESSIAN_BATCH", 16)


def tensors(state):
    found = [v.clone() for n in (state.generator, state.discriminator) for v in n.buffers()]
    for optimiser in (state.generator_optimiser, state.discriminator_optimiser):
        found += [v.clone() for kept in optimiser.state.values() for v in kept.values()]
    networks = (state.generator, state.discriminator)
    found += [p.detach().clone() for net in networks for p in net.parameters()]
    return found


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# D's gradient


@pytest.mark.parametrize("method", ["sn", "pacgan", "r1", "rpgan-r1r2"])
def test_the_gradient_of_d_is_that_of_finite_differences(method):
    """The mean norm of central differences of D in float64, pixel by pixel, on the same images."""
    config = small(method)
    state = initial_state(config)
    with torch.no_grad():  # without a bias some units lie just at the kink of ReLU
        for parameter in state.discriminator.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=torch.manual_seed(1))
    measured = discriminator_gradient(config, state)
    rng = generator(config.device, config.seed, 0, "gradient of D")
    # Two parts of the batch, of the 64 images that it is the mean of.
    z = torch.cat([updates.latent(config, n, rng)[0] for n in parts_of(config)])
    state.generator.eval()
    with torch.no_grad():
        images = state.generator(z, None).double()
    d = state.discriminator.double()
    norms = []
    with torch.no_grad():
        for place in (0, 1, 17, 62):
            slopes = []
            for k in range(images[0].numel()):
                step = torch.zeros_like(images[0]).flatten()
                step[k] = 1e-8
                ahead, behind = images.clone(), images.clone()
                ahead[place] += step.view_as(images[0])
                behind[place] -= step.view_as(images[0])
                pack = slice(place - place % 2, place - place % 2 + 2)
                difference = d(ahead[pack], None).sum() - d(behind[pack], None).sum()
                slopes.append(float(difference) / 2e-8)
            norms.append(math.dist(slopes, [0.0] * len(slopes)))
    leaf = images.clone().requires_grad_()
    d(leaf, None).sum().backward()
    each = leaf.grad.flatten(1).norm(dim=1)
    assert [float(each[k]) for k in (0, 1, 17, 62)] == pytest.approx(norms, rel=1e-5)
    assert measured == pytest.approx(float(each.mean()), rel=1e-4)


def parts_of(config):
    left, parts = measure.GRADIENT_SAMPLES, []
    while left:
        parts.append(min(config.micro_batch, left))
        left -= parts[-1]
    return parts


def test_a_constant_d_has_no_gradient_and_nan_stays():
    config = small("r1")
    state = initial_state(config)
    with torch.no_grad():
        for parameter in state.discriminator.parameters():
            parameter.zero_()
    assert discriminator_gradient(config, state) == 0
    with torch.no_grad():
        next(iter(state.discriminator.parameters())).fill_(math.nan)
    assert math.isnan(discriminator_gradient(config, state))


def test_measuring_the_gradient_changes_nothing():
    config = small()
    state = initial_state(config)
    before = tensors(state)
    discriminator_gradient(config, state)
    assert same(before, tensors(state))
    assert all(p.grad is None for p in state.discriminator.parameters())


# Histograms


@pytest.mark.parametrize("method", ["sn", "wgan-gp", "jare"])
def test_histograms_hold_512_images_of_each_kind(digits, method):
    config = small(method)
    outputs = discriminator_outputs(config, initial_state(config), digits)
    rows = histograms(config, outputs)
    assert [(row["images"], row["quantity"]) for row in rows] == [
        (images, quantity)
        for images in ("training", "generated", "test")
        for quantity in ("d", "d_loss")
    ]
    for row in rows:
        values = outputs[row["images"]].double()
        if row["quantity"] == "d_loss":
            sign = -1 if row["images"] == "generated" else 1
            values = {
                "sn": torch.clamp(1 - sign * values, min=0),
                "wgan-gp": -sign * values,
                "jare": torch.log1p(torch.exp(-sign * values)),
            }[method]
        assert row["low"] == pytest.approx(float(values.min()), rel=1e-6)
        assert row["high"] == pytest.approx(float(values.max()), rel=1e-6)
        assert len(row["counts"]) == 64
        assert sum(row["counts"]) == 512
        assert row["not_finite"] == 0
        edges = torch.linspace(row["low"], row["high"], 65, dtype=torch.float64)
        below = torch.tensor(row["counts"]).cumsum(0)[:-1]
        expected = (values[:, None] < edges[1:-1]).sum(0)
        # A value within float32's rounding of an edge may fall on either side of it.
        assert (below - expected).abs().max() <= 1


def test_edges_of_a_histogram():
    values = torch.tensor([0.0, 0.49, 0.51, 31.99, 63.0, 64.0])
    row = measure._histogram(values)
    assert (row["low"], row["high"]) == (0, 64)
    filled = {k: count for k, count in enumerate(row["counts"]) if count}
    assert filled == {0: 3, 31: 1, 63: 2}, "the highest value belongs to the last bin"


def test_outputs_that_are_all_alike_fill_one_bin():
    row = measure._histogram(torch.full((512,), 0.25))
    assert (row["low"], row["high"], row["not_finite"]) == (0.25, 0.25, 0)
    assert row["counts"] == [512] + 63 * [0]


def test_losses_of_pairs_are_those_with_the_other_image_of_the_pair():
    rng = torch.Generator().manual_seed(0)
    sets = ("training", "generated", "test")
    outputs = dict(zip(sets, torch.randn(3, 512, generator=rng), strict=True))
    rows = measure.histograms(small("rpgan"), outputs)
    for row in (row for row in rows if row["quantity"] == "d_loss"):
        real = outputs["test" if row["images"] == "test" else "training"]
        truth = torch.log(1 + torch.exp(outputs["generated"] - real))
        assert row["low"] == pytest.approx(float(truth.min()), rel=1e-5)
        assert row["high"] == pytest.approx(float(truth.max()), rel=1e-5)
        assert sum(row["counts"]) == 512


def test_what_is_not_finite_is_counted_apart():
    values = torch.tensor([math.nan, math.inf, -math.inf, 1.0, 2.0])
    row = measure._histogram(values)
    assert (row["low"], row["high"], row["not_finite"]) == (1, 2, 3)
    assert sum(row["counts"]) == 2
    row = measure._histogram(torch.full((512,), math.nan))
    assert (row["low"], row["high"], row["not_finite"]) == (0, 0, 512)
    assert sum(row["counts"]) == 0


def test_outputs_are_of_fixed_images_and_the_test_images_are_held_out():
    """Training images are black and held-out ones white: D tells which it was shown."""
    sets = [torch.full((20, 1, 8, 8), value, dtype=torch.uint8) for value in (0, 255)]
    source = Images(train=sets[0], held_out=sets[1], stacked=True)
    config = small()
    state = initial_state(config)
    state.discriminator.forward = lambda x, labels=None: x.mean((1, 2, 3))
    outputs = discriminator_outputs(config, state, source)
    assert {k: v.shape for k, v in outputs.items()} == dict.fromkeys(outputs, (512,))
    assert float(outputs["training"].max()) < -0.9
    assert float(outputs["test"].min()) > 0.9
    again = discriminator_outputs(config, state, source)
    assert all(torch.equal(outputs[k], again[k]) for k in outputs)
    record = output_record(outputs)
    real, fake = outputs["training"], outputs["generated"]
    assert record["d_real"] == pytest.approx(float(real.mean()))
    assert record["d_test"] == pytest.approx(float(outputs["test"].mean()))
    assert record["gap"] == pytest.approx(float(real.mean()) - float(fake.mean()))
    both = torch.cat([real, fake])
    assert record["d_spread"] == pytest.approx(
        float((both - both.mean()).square().sum() / 1023) ** 0.5
    )


def test_d_is_asked_about_an_image_with_its_own_label():
    images = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 3, 32, 32) * 10
    labels = torch.arange(10)
    source = Images(
        train=images,
        held_out=images,
        stacked=False,
        train_labels=labels,
        held_out_labels=labels,
    )
    config = trial_config(
        "paper",
        "B_8-64",
        "sn",
        0,
        dataset="cifar10-conditional",
        device="cpu",
        channels=4,
        generator_channels=4,
    )
    state, seen = initial_state(config), []

    def d(x, labels):
        seen.append((x.mean((1, 2, 3)), labels))
        return seen[-1][0]

    state.discriminator.forward = d
    discriminator_outputs(config, state, source)
    for brightness, label in (seen[0], seen[2]):
        torch.testing.assert_close(brightness, label / 12.8 - 1, atol=0.01, rtol=0)
    assert len(seen[1][1].unique()) == 10


# Spectra


@pytest.mark.parametrize("method", ["sn", "none", "wn", "sr-static"])
def test_spectra_are_of_the_weights_that_d_uses(digits, method):
    config = small(method)
    state = initial_state(config)
    for _ in range(3):
        train_iteration(config, state, digits)
    record, found = spectra(state, config)
    for k, layer in enumerate(state.discriminator.regularised_layers()):
        used = torch.linalg.svdvals(effective_weight(layer).detach().double().flatten(1))
        raw = torch.linalg.svdvals(layer.weight.detach().double().flatten(1))
        assert found[k] == pytest.approx(used.tolist(), rel=1e-4, abs=1e-6)
        assert record["sigma1"][k] == pytest.approx(float(raw[0]), rel=1e-6)
        assert record["sigma2_ratio"][k] == pytest.approx(float(used[1] / used[0]), rel=1e-5)
        assert record["low_share"][k] == float((used < used[0] / 2).double().mean())
        assert record["mean_ratio"][k] == pytest.approx(float(used.mean() / used[0]), rel=1e-5)
        stable = float(used.square().sum() / used[0] ** 2)
        assert record["stable_rank"][k] == pytest.approx(stable, rel=1e-5)
        p = used / used.sum()
        effective = math.exp(float(-(p * p.clamp(min=1e-300).log()).sum()))
        assert record["effective_rank"][k] == pytest.approx(effective, rel=1e-4)
    voting = [record["sigma2_ratio"][k] for k in range(10) if k not in (2, 5)]
    assert record["spectrum_left"] == pytest.approx(sum(voting) / 8)
    low = [record["low_share"][k] for k in range(10) if k not in (2, 5)]
    assert record["spectrum_low"] == pytest.approx(sum(low) / 8)


def test_a_network_without_layers_has_no_spectrum():
    config = trial_config("toy", "affine", "jare", 0)
    record, found = spectra(initial_state(config), config)
    assert found == []
    assert math.isnan(record.pop("spectrum_left"))
    assert math.isnan(record.pop("spectrum_low"))
    assert all(values == [] for values in record.values())


# Hessians


def dense(network, loss):
    """The Hessian of loss(function of the network) in its parameters, in float64."""
    names, shapes = zip(*network.named_parameters(), strict=True)

    def of_vector(vector):
        pieces = dict(zip(names, unflatten_like(vector, shapes), strict=True))
        return loss(lambda *inputs: functional_call(network, pieces, inputs))

    return hessian(of_vector, flatten(shapes).detach())


@pytest.mark.parametrize("method", ["sn", "none", "r1", "jare"])
def test_logged_eigenvalues_are_those_of_the_dense_hessians(method):
    config, source = tiny_ring(method, hessian_k=3), toys.ring8("cpu")
    state = initial_state(config)
    for _ in range(5):
        train_iteration(config, state, source)
    record = hessian_record(config, state, source)
    g, d = copy.deepcopy(state.generator).double(), copy.deepcopy(state.discriminator).double()
    n_g, n_d = (sum(p.numel() for p in net.parameters()) for net in (g, d))
    assert (n_g, n_d) == (82, 77)

    rng = generator("cpu", 0, state.iteration, "Hessian of G")
    torch.randn(n_g, generator=rng)  # where Lanczos starts
    z = torch.randn(256, 2, generator=rng).double()
    loss = LOSSES[config.loss]
    of_g = torch.linalg.eigvalsh(dense(g, lambda g: loss.generator(d(g(z))))).flip(0)

    rng = generator("cpu", 0, state.iteration, "Hessian of D")
    real = source.draw(256, rng)[0].double()
    torch.randn(n_d, generator=rng)
    z = torch.randn(256, 2, generator=rng).double()

    def d_loss(d):
        found = loss.discriminator(d(real), d(g(z)))
        if method == "r1":
            x = real.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
            found = found + 5 * gradient.square().sum(1).mean()
        return found

    of_d = torch.linalg.eigvalsh(dense(d, d_loss)).flip(0)
    for player, exact in (("g", of_g), ("d", of_d)):
        values, residuals = record[f"{player}_hessian"], record[f"{player}_hessian_residual"]
        assert len(values) == len(residuals) == 3
        largest = float(exact.abs().max())
        assert residuals[0] < 1e-3
        for value, residual, truth in zip(values, residuals, exact.tolist(), strict=False):
            if residual < 1e-3:
                assert value == pytest.approx(truth, rel=1e-4, abs=2e-5 * largest)


@pytest.mark.parametrize(
    "method",
    [m if m in ("sn", "wgan-gp") else pytest.param(m, marks=pytest.mark.slow) for m in METHODS],
)
def test_the_hessian_is_looked_at_without_a_trace(digits, few_images, method):
    config = small(method, hessian_k=2)
    state = initial_state(config)
    train_iteration(config, state, digits)
    before = tensors(state)
    gradients = [p.grad.clone() for p in state.generator.parameters()]
    record = hessian_record(config, state, digits)
    assert [len(v) for v in record.values()] == [2, 2, 2, 2]
    assert all(math.isfinite(v) for values in record.values() for v in values)
    assert same(before, tensors(state))
    assert same(gradients, [p.grad for p in state.generator.parameters()])
    assert all(p.requires_grad for p in state.discriminator.parameters())
    assert state.generator.training


def test_hessian_is_taken_in_float32(digits, few_images):
    """The residuals of bf16 would not be those of the operator."""
    records = []
    for precision in ("float32", "bf16"):
        config = small(precision=precision, hessian_k=1)
        state = initial_state(config)
        seen = set()
        conv = state.discriminator.blocks[2].c1
        conv.register_forward_hook(lambda *_, seen=seen: seen.add(_[2].dtype))
        records.append(hessian_record(config, state, digits))
        assert seen == {torch.float32}
    assert records[0] == records[1]


def test_no_hessian_unless_asked_for(digits):
    assert hessian_record(small(), initial_state(small()), digits) == {}


# Samples


def test_samples_come_from_fixed_latent_vectors_and_running_statistics(monkeypatch):
    config = small()
    state = initial_state(config)
    before = tensors(state)
    first = samples(config, state, 70)
    assert (first.dtype, first.shape) == (torch.uint8, (70, 3, 8, 8))
    assert same(before, tensors(state))
    assert state.generator.training
    z = torch.randn(70, 128, generator=generator("cpu", 0, 0, "70 samples"))
    images = copy.deepcopy(state.generator).eval()(z).detach()
    assert torch.equal(first, (images * 127.5 + 127.5).clamp(0, 255).to(torch.uint8))
    monkeypatch.setattr(measure, "SAMPLES_AT_ONCE", 32)
    state.iteration = 5
    assert samples(config, state, 70).shape == (70, 3, 8, 8)


def test_pictures():
    state = initial_state(small())
    content = picture(small(), state)
    assert content == picture(small(), state)
    shown = torch.frombuffer(
        bytearray(Image.open(io.BytesIO(content)).tobytes()), dtype=torch.uint8
    )
    grid = samples(small(), state, 64)
    zoomed = shown.view(8, 32, 8, 32, 3)[:, ::4, :, ::4]
    assert torch.equal(zoomed.permute(0, 2, 4, 1, 3).reshape(64, 3, 8, 8), grid)
    ring = tiny_ring("jare")
    points = Image.open(io.BytesIO(picture(ring, initial_state(ring))))
    assert points.size == (256, 256)


# In parts


@pytest.mark.parametrize("method", ["sn", "pacgan"])
def test_an_evaluation_in_parts_measures_the_same(digits, monkeypatch, method):
    config, found, sizes = small(method), [], []
    state = initial_state(config)
    state.discriminator.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    for n in (1000, 101):
        monkeypatch.setattr(measure, "images_at_once", lambda _, n=n: n)
        outputs = discriminator_outputs(config, state, digits)
        found.append((*outputs.values(), samples(config, state, 250).float()))
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(parts, whole)
    # Packs are whole in every part but the last.
    n = 100 if method == "pacgan" else 101
    assert sizes == [*3 * [512], *3 * [*5 * [n], 512 - 5 * n]]


def test_an_evaluation_that_is_given_up_between_parts_leaves_g_in_training(monkeypatch):
    def given_up():
        raise Interrupted

    config = small()
    state = initial_state(config)
    monkeypatch.setattr(measure, "images_at_once", lambda _: 10)
    monkeypatch.setattr(measure, "check", given_up)
    with pytest.raises(Interrupted):
        measure._generate(config, state, torch.randn(20, config.latent_size), None)
    assert state.generator.training
