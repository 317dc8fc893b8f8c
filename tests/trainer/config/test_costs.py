"""Counted operations against those that torch counts in the real networks.

Torch counts floating-point operations; ours are multiply-adds, half as many.
"""

import dataclasses

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from tests.own_pictures import own_config
from trainer.config import costs
from trainer.config.costs import (
    cpu_seconds,
    hessian_warning,
    images_at_once,
    launches,
    network_operations,
    operations,
    work,
)
from trainer.config.methods import METHODS
from trainer.config.trial import trial_config
from trainer.data.images import Images, load
from trainer.losses import LOSSES
from trainer.measure import hessian_record
from trainer.networks import build
from trainer.state import initial_state
from trainer.updates import train_iteration, update_discriminator


def inputs(config, n):
    """z[n, latent], images or points [n, ..] and labels[n] or None."""
    shape = (2,) if config.resolution is None else (3, config.resolution, config.resolution)
    labels = None if config.classes is None else torch.arange(n)
    return torch.randn(n, config.latent_size), torch.randn(n, *shape), labels


CONFIGS = {
    "digits 8": trial_config("digits", "B_8-64", "sn", 0),
    "digits 16": trial_config("digits", "E_64-128", "sn", 0),
    "cifar 128": trial_config("paper", "A_64-128", "sn", 0, device="cpu"),
    "cifar 32": trial_config("paper", "C_64-32", "none", 0, device="cpu"),
    "cifar 256": trial_config("paper", "D_128-256", "none", 0, device="cpu"),
    "cifar conditional": trial_config(
        "paper", "B_64-64", "sn", 0, dataset="cifar10-conditional", device="cpu"
    ),
    "imagenet": trial_config(
        "paper", "E_512-64", "sn", 0, device="cpu", channels=4, generator_channels=4
    ),
    "own 64": own_config(64, classes=5, channels=4, generator_channels=4),
    "own 128": own_config(128, channels=4, generator_channels=4),
    "ring8": trial_config("toy", "ring8", "jare", 0),
    "packs": trial_config("digits", "B_8-64", "pacgan", 0),
    "packs of classes": trial_config(
        "paper", "B_64-64", "pacgan", 0, dataset="cifar10-conditional", device="cpu"
    ),
    "packs of points": trial_config("toy", "ring8", "pacgan", 0),
    "grid25": trial_config("toy", "grid25", "sn", 0),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_one_forward_pass(name):
    config = CONFIGS[name]
    n = 2
    z, x, labels = inputs(config, n)
    for network, argument, ours in zip(
        build(config), (z, x), network_operations(config), strict=True
    ):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(argument, labels)
        # Batched products make 4x4 kernels, once for a batch of any size.
        folding = counter.get_flop_counts()["Global"].get(torch.ops.aten.bmm, 0)
        assert n * ours == pytest.approx((counter.get_total_flops() - folding) / 2, rel=0.01)


@pytest.mark.parametrize("name", ["digits 16", "imagenet", "grid25"])
def test_an_iteration_with_its_backward_passes(name):
    """n_critic updates of D and one of G, counted by torch at one image for each in the batch.

    First layers need no gradient in their input, which ours count: hence the margin.
    """
    config = CONFIGS[name]
    g, d = build(config)
    z, x, labels = inputs(config, 1)
    loss = LOSSES[config.loss]
    with FlopCounterMode(display=False) as d_update:
        with torch.no_grad():
            fake = g(z, labels)
        loss.discriminator(d(x, labels), d(fake, labels)).backward()
    d.requires_grad_(False)
    with FlopCounterMode(display=False) as g_update:
        loss.generator(d(g(z, labels), labels)).backward()
    flops = config.batch_size * config.n_critic * d_update.get_total_flops()
    flops += config.generator_batch_size * g_update.get_total_flops()
    assert operations(config) == pytest.approx(config.iterations * flops / 2, rel=0.05)


def test_operations_grow_with_what_is_run():
    base = operations(CONFIGS["digits 8"])
    for change in ("iterations", "batch_size", "n_critic", "channels", "generator_channels"):
        doubled = {change: 2 * getattr(CONFIGS["digits 8"], change)}
        if change == "batch_size":
            doubled["micro_batch"] = doubled["batch_size"]
        assert operations(trial_config("digits", "B_8-64", "sn", 0, **doubled)) > base, change


def test_published_operations_of_the_cifar_networks():
    """1.68 and 0.272 thousand million multiply-adds with the released order of the shortcuts,
    which has their 1x1 convolutions on four times as many pixels, and with nothing folded."""
    generator, discriminator = network_operations(CONFIGS["cifar 128"])
    generator += 256 * 256 * (3 * (4**2 + 8**2 + 16**2) + 5 * (16**2 + 32**2))
    discriminator += 128 * 128 * (3 * 8**2 + 5 * (16**2 + 32**2))
    assert f"{generator / 1e9:.2f}" == "1.68"
    assert f"{discriminator / 1e9:.3f}" == "0.272"


class Counter(TorchDispatchMode):
    """Multiply-adds and operators but views; FlopCounterMode cannot see a second derivative."""

    def __init__(self):
        super().__init__()
        self.multiply_adds = self.operators = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func.overloadpacket):
            self.multiply_adds += count(*args, **(kwargs or {}), out_val=out) / 2
        # A view shares its storage and is no kernel.
        self.operators += not func.is_view
        return out


def counted(run):
    with Counter() as counter:
        run()
    return counter


def training_work(config):
    """Of `work`, what is not evaluation."""
    return work(config) - costs._evaluation(config, *network_operations(config))


@pytest.fixture(scope="module")
def digits():
    return load("digits8", "cpu")


@pytest.mark.parametrize(
    "method", ["sn", "none", "pacgan", "rpgan", "lecam", "simgd", "jare", "conopt"]
)
def test_work_of_an_iteration(method, digits):
    config = trial_config("digits", "B_8-64", method, 0, batch_size=8, micro_batch=8)
    check_work(config, digits)


@pytest.mark.parametrize("steps", [1, 5])
def test_work_of_foreseen_updates(steps, digits):
    sizes = {"batch_size": 8, "micro_batch": 8}
    check_work(
        trial_config("digits", "B_8-64", "unrolled", 0, unrolled_steps=steps, **sizes), digits
    )


def check_work(config, digits):
    state = initial_state(config)
    train_iteration(config, state, digits)
    real = counted(lambda: train_iteration(config, state, digits)).multiply_adds
    assert training_work(config) / config.iterations == pytest.approx(real, rel=0.08)


@pytest.mark.parametrize(
    ("method", "without"),
    [("r1", "none"), ("wgan-gp", "none"), ("rpgan-r1r2", "rpgan"), ("bcr", "sn")],
)
def test_work_of_a_gradient_penalty(method, without, digits):
    config = trial_config("digits", "B_8-64", method, 0, batch_size=8, micro_batch=8)
    state = initial_state(config)
    plain = trial_config("digits", "B_8-64", without, 0, batch_size=8, micro_batch=8)
    real, bare = (
        counted(lambda c=c: update_discriminator(c, state, digits, 0)).multiply_adds
        for c in (config, plain)
    )
    assert (work(config) - work(plain)) / config.iterations == pytest.approx(real - bare, rel=0.05)


@pytest.mark.slow
def test_work_of_hessians(digits):
    config = trial_config("digits", "C_8-32", "nugan", 0)
    state = initial_state(config)
    train_iteration(config, state, digits)
    of_an_evaluation = counted(lambda: hessian_record(config, state, digits)).multiply_adds
    state.iteration = 0
    of_a_search = counted(lambda: train_iteration(config, state, digits)).multiply_adds
    of_a_search -= operations(config) / config.iterations
    searches = -(-config.iterations // config.nudge_every)
    modelled = training_work(config) - operations(config)
    real = searches * of_a_search + costs.evaluations(config) * of_an_evaluation
    assert modelled == pytest.approx(real, rel=0.08)


def test_evaluations_draw_and_score():
    short = trial_config("paper", "C_8-32", "sn", 0)
    scored = trial_config("paper", "C_8-32", "sn", 0, scorer="0" * 64)
    generator, _ = network_operations(short)
    drawn = 2 * (51 * short.curve_samples + short.final_samples)
    assert work(scored) - work(short) == pytest.approx(drawn * (generator + 5.7e9))
    assert work(short) > operations(short)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "method", "changes"),
    [
        ("C_8-32", "sn", {}),
        ("C_8-32", "pacgan", {}),
        ("C_8-32", "bcr", {}),
        ("C_8-32", "none", {}),
        ("C_8-32", "wn", {}),
        ("C_8-32", "srip", {}),
        ("C_8-32", "orthonormal", {}),
        ("C_8-32", "sr-dynamic-reparam", {}),
        ("C_8-32", "sn", {"micro_batch": 4}),
        ("C_8-32", "diffaug", {}),
        ("C_8-32", "lecam", {}),
        ("C_8-32", "r1", {}),
        ("C_8-32", "rpgan", {}),
        ("C_8-32", "unrolled", {}),
        ("C_8-32", "rpgan-r1r2", {}),
        ("C_8-32", "jare", {}),
        ("C_8-32", "conopt", {}),
        ("E_512-64", "sn", {"batch_size": 2, "micro_batch": 2}),
        ("E_512-64", "sn", {"batch_size": 2, "micro_batch": 1}),
    ],
)
def test_launches_of_an_iteration(setting, method, changes, monkeypatch):
    """They do not depend on widths, so the networks here are as narrow as can be."""
    monkeypatch.setattr("trainer.stacks.runs_in_stacks", lambda _: True)
    narrow = {"channels": 1, "generator_channels": 1, "generator_batch_size": 2, "device": "cpu"}
    if not changes:
        narrow["generator_batch_size"] = 8
    config = trial_config("paper", setting, method, 0, **(narrow | changes))
    pixels = torch.zeros((4, 3, config.resolution, config.resolution), dtype=torch.uint8)
    labels = None if config.classes is None else torch.arange(4)
    data = Images(
        train=pixels, held_out=pixels, stacked=False, train_labels=labels, held_out_labels=labels
    )
    state = initial_state(config)
    train_iteration(config, state, data)
    real = counted(lambda: train_iteration(config, state, data)).operators
    assert launches(config) / config.iterations == pytest.approx(real, rel=0.1)


@pytest.mark.parametrize("method", ["sn", "r1", "diffaug"])
@pytest.mark.parametrize("resolution", [64, 128])
def test_launches_on_own_pictures(resolution, method, monkeypatch):
    monkeypatch.setattr("trainer.stacks.runs_in_stacks", lambda _: True)
    narrow = {"channels": 1, "generator_channels": 1, "batch_size": 2, "micro_batch": 2}
    config = own_config(resolution, method, generator_batch_size=2, **narrow)
    pixels = torch.zeros((4, 3, resolution, resolution), dtype=torch.uint8)
    data = Images(train=pixels, held_out=pixels, stacked=False)
    state = initial_state(config)
    train_iteration(config, state, data)
    real = counted(lambda: train_iteration(config, state, data)).operators
    assert launches(config) / config.iterations == pytest.approx(real, rel=0.1)


def test_seconds_on_a_cpu_grow_with_what_is_run():
    config = own_config()
    assert 60 < cpu_seconds(config) < 600
    assert cpu_seconds(own_config(64)) > 2 * cpu_seconds(config)
    faster = cpu_seconds(own_config(threads=2))
    assert cpu_seconds(config) / 2 < faster < cpu_seconds(config)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_cost(method):
    config = trial_config("digits", "C_8-32", method, 0)
    assert work(config) > 0
    assert launches(config) > 0


def test_a_cost_is_worked_out_once_for_all_seeds_and_for_nothing_else() -> None:
    worked_out = []

    @costs.per_kind
    def cost(config):
        worked_out.append(config.seed)
        return float(config.channels)

    first = trial_config("digits", "C_8-32", "sr-static", 0)
    assert [cost(dataclasses.replace(first, seed=seed)) for seed in range(5)] == 5 * [
        first.channels
    ]
    assert worked_out == [0]
    changes = {"channels": first.channels + 1, "i_ratio": 0.25, "iterations": 7}
    for name, value in changes.items():
        cost(dataclasses.replace(first, **{name: value}))
        assert len(worked_out) == 2, name
        worked_out.pop()


def test_no_more_costs_are_remembered_than_there_is_room_for(monkeypatch) -> None:
    monkeypatch.setattr(costs, "MOST_KINDS", 2)
    remembered = costs.per_kind(lambda config: float(config.iterations))
    configs = [trial_config("digits", "C_8-32", "sn", 0, iterations=n) for n in range(1, 6)]
    assert [remembered(config) for config in configs * 2] == [1.0, 2.0, 3.0, 4.0, 5.0] * 2
    kept = [c.cell_contents for c in remembered.__closure__ if isinstance(c.cell_contents, dict)]
    assert [len(costs_by_kind) <= 2 for costs_by_kind in kept] == [True]


@pytest.mark.parametrize(
    ("method", "changes", "says"),
    [
        ("nugan", {"iterations": 20}, "% of the expected work of about 2 min in all is for"),
        ("nugan", {"iterations": 20, "nudge_every": 7}, "and then every 7 iterations"),
        ("sn", {"hessian_k": 4}, "and then at evaluations"),
        ("sn", {}, None),
    ],
)
def test_a_run_that_is_mostly_hessians_is_warned_of(method, changes, says):
    warning = hessian_warning(trial_config("digits", "C_32-32", method, 0, **changes))
    assert (warning is None) if says is None else says in warning


@pytest.mark.parametrize(
    ("setting", "device", "expected"),
    [("C_64-32", "cuda", 1000), ("E_512-64", "cuda:1", 62), ("E_512-64", "cpu", 1000)],
)
def test_an_evaluation_is_in_parts_of_as_many_pixels(setting, device, expected):
    assert images_at_once(trial_config("paper", setting, "sn", 0, device=device)) == expected


def test_an_evaluation_of_points_is_in_parts_of_a_thousand():
    assert images_at_once(trial_config("toy", "ring8", "sn", 0, device="cuda")) == 1000
