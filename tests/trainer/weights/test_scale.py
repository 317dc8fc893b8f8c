"""Logits, their spread, and a forward pass that leaves no trace."""

import pytest
import torch
from torch import nn

from trainer.config.lookup import UsageError
from trainer.weights.scale import first_tensor, repeatable, spread, undisturbed


def test_the_first_floating_point_tensor_is_taken_for_the_logits():
    x = torch.randn(2)
    for output in (x, (None, x), [[x], x + 1], {"labels": torch.ones(2, dtype=int), "out": x}):
        assert first_tensor(output) is x
    with pytest.raises(UsageError, match="no logits"):
        first_tensor((None, 3))


def test_the_spread_of_logits():
    assert spread(torch.tensor([1.0, 3.0])) == pytest.approx(2**0.5)
    assert spread(torch.tensor([-2.0])) == 2


def test_buffers_and_random_numbers_are_put_back():
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    with undisturbed(network):
        out = network(torch.randn(4, 3))
    assert not out.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_call_is_repeated_in_the_precision_that_it_was_made_in():
    network = nn.Linear(3, 2)
    x = torch.randn(4, 3, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        call = repeatable(network, lambda: network(x))
    assert call().dtype == torch.bfloat16
    with pytest.raises(RuntimeError):
        repeatable(network, lambda: network(x))()
