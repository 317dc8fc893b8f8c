"""Where a trial computes in less than float32, and where it does not."""

import pytest
import torch

from trainer import loop, updates
from trainer.config.trial import trial_config
from trainer.data.sources import load_source
from trainer.loop import train
from trainer.precision import training_pass
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
OUTSIDE = {"advance", "project", "weight_penalty", "_evaluate"}


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
