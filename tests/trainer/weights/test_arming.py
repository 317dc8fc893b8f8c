"""The forward pass that is traced is one that the loop makes; nothing is left on the network."""

import copy

import pytest
import torch
from torch import nn

from trainer.weights.arming import Trap, unwrapped


def network():
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))


def trap(model):
    received = []
    return Trap(model, lambda *arguments: received.append(arguments)), received


def test_the_first_pass_in_training_mode_is_received_and_no_other():
    model, x = network(), torch.randn(2, 4)
    _, received = trap(model)
    with torch.no_grad():
        model(x)
    model.eval()(x)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.train()(x)
    assert received == []
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    model(x)
    model(x)
    ((found, args, kwargs),) = received
    assert len(found.uses) == 2
    assert (args, kwargs) == ((x,), {})
    assert not model._forward_hooks
    assert not model._forward_pre_hooks
    copy.deepcopy(model)


def test_a_pass_that_fails_is_not_received():
    model = network()
    _, received = trap(model)
    with pytest.raises(RuntimeError, match="shapes"):
        model(torch.randn(2, 5))
    assert received == []
    model(torch.randn(2, 4))
    assert len(received) == 1


def test_a_trap_is_taken_back():
    model = network()
    ours, received = trap(model)
    ours.remove()
    model(torch.randn(2, 4))
    assert received == []


@pytest.mark.parametrize("way", ["torch.compile", "module.compile"])
def test_a_compiled_network_is_traced_once_and_compiled_after(way):
    torch.compiler.reset()
    compilations = []

    def backend(graph, _):
        compilations.append(graph)
        return graph.forward

    model, x = network(), torch.randn(2, 4)
    if way == "torch.compile":
        compiled = torch.compile(model, backend=backend)
    else:
        compiled = model
        compiled.compile(backend=backend)
    _, received = trap(compiled)
    compiled(x)
    assert len(received[0][0].uses) == 2
    assert compilations == []
    out = compiled(x)
    assert len(compilations) == 1
    assert len(received) == 1
    torch.testing.assert_close(out, model._call_impl(x))
    assert unwrapped(compiled) is model


def test_wrappers_are_looked_through():
    model = network()
    assert unwrapped(nn.DataParallel(torch.compile(model))) is model
    assert unwrapped(model) is model
