"""Where a trial computes in less than float32, and where it does not."""

from contextlib import nullcontext

import pytest
import torch

from trainer import loop, updates
from trainer.config.trial import trial_config
from trainer.data.sources import load_source
from trainer.loop import train
from trainer.precision import mixed_precision, training_pass
from trainer.state import initial_state
from trainer.tf32 import is_on, tf32, use_tf32

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def restored():
    with tf32(True):
        yield


@pytest.mark.parametrize("precision", ["float32", "bf16", "tf32"])
def test_tf32_only_where_it_is_asked_for(precision):
    config = trial_config("paper", "C_8-32", "sn", 0, precision=precision)
    use_tf32(False)
    with training_pass(config):
        assert is_on() == (precision == "tf32")
    assert not is_on()


def in_tf32(method):
    """A trial of the digits that a GPU would train in TF32, on the CPU."""
    config = trial_config("digits", "C_8-32", method, 0, iterations=1, channels=4)
    object.__setattr__(config, "precision", "tf32")
    return config


# What a training pass is made of, and what an iteration and its evaluation have beside it.
INSIDE = {"generator_loss", "discriminator_loss"}
OUTSIDE = {"normalised", "project", "weight_penalty", "_evaluate"}


@pytest.mark.parametrize("method", ["sr-static", "srip"])
def test_tf32_is_of_training_passes_alone(method, monkeypatch):
    seen = {}

    def note(module, name):
        real = getattr(module, name)

        def noted(*args, **named):
            seen.setdefault(name, set()).add(is_on())
            return real(*args, **named)

        monkeypatch.setattr(module, name, noted)

    for name in (*INSIDE, *(OUTSIDE - {"_evaluate"})):
        note(updates, name)
    note(loop, "_evaluate")
    config = in_tf32(method)
    list(train(config, initial_state(config), load_source("digits8", "cpu", None), None))
    for name in OUTSIDE & seen.keys():
        assert seen[name] == {False}, name
    assert [seen[name] for name in INSIDE] == 2 * [{True}]
    assert not is_on()


def test_a_backward_pass_is_in_it(monkeypatch):
    seen, real = [], torch.Tensor.backward

    def noted(self, *args, **named):
        seen.append(is_on())
        real(self, *args, **named)

    monkeypatch.setattr(torch.Tensor, "backward", noted)
    use_tf32(False)
    config = in_tf32("srip")
    updates.train_iteration(config, initial_state(config), load_source("digits8", "cpu", None))
    # D's loss, SRIP's penalty of the weights, G's loss.
    assert seen == [True, False, True]


@pytest.fixture(params=[None, "cifar10-conditional"])
def networks(request):
    setting = "C_8-32" if request.param is None else "U_8-32"
    sizes = {"channels": 4, "generator_channels": 4, "device": "cpu", "precision": "bf16"}
    config = trial_config("paper", setting, "sn", 0, dataset=request.param, **sizes)
    state = initial_state(config)
    return config, state.generator, state.discriminator


def test_bf16_activations_keep_their_type(networks):
    """From the first layer on, but for the sum over pixels and what comes after it."""
    config, g, d = networks
    seen = {}
    for module in [*g.modules(), *d.modules()]:
        module.register_forward_hook(lambda m, _, out: seen.__setitem__(m, out.dtype))
    labels = None if config.classes is None else torch.arange(4)
    with mixed_precision(config, g, d):
        out = d(g(torch.randn(4, config.latent_size), labels), labels)
    wide = {d, d.last, *([d.embedding] if d.embedding else [])}
    assert out.dtype == torch.float32
    for module, dtype in seen.items():
        assert dtype == (torch.float32 if module in wide else torch.bfloat16), module
    assert {torch.float32} == {p.dtype for net in (g, d) for p in net.parameters()}
    assert all(layer.narrow is None for layer in g.narrow_layers())


def test_bf16_gradients_are_those_of_float32_to_its_eight_bits(networks):
    config, g, d = networks
    z = torch.randn(16, config.latent_size, generator=torch.Generator().manual_seed(0))
    labels = None if config.classes is None else torch.arange(16) % config.classes
    found = []
    for on in (False, True):
        g.zero_grad()
        d.zero_grad()
        with mixed_precision(config, g, d) if on else nullcontext():
            d(g(z, labels), labels).square().mean().backward()
        found.append(torch.cat([p.grad.flatten() for net in (g, d) for p in net.parameters()]))
    assert found[1].dtype == torch.float32
    assert 0 < float((found[1] - found[0]).norm() / found[0].norm()) < 0.1
