"""Projection as on a GPU, but on tensors of the CPU: against a CPU's own loop, and resumed."""

import copy
import io
import math

import pytest
import torch
from torch.overrides import TorchFunctionMode

from trainer import projection
from trainer.config.methods import METHODS
from trainer.config.trial import trial_config
from trainer.data import images
from trainer.layers import effective_weight
from trainer.projection import project, reparametrised
from trainer.stacks import runs_in_stacks
from trainer.state import branch, from_bytes, initial_state, to_bytes
from trainer.updates import train_iteration

torch.set_num_threads(1)

PROJECTED = [name for name, m in METHODS.items() if m.form == "project"]
WARM = ["sr-static", "sr-lift"]


def small(method, **changes):
    sizes = {"channels": 12, "generator_channels": 4, "projection_period": 2}
    return trial_config("digits", "C_8-32", method, 0, iterations=20, **(sizes | changes))


@pytest.fixture(scope="module")
def digits():
    return images.load("digits8", "cpu")


@pytest.fixture
def stacked(monkeypatch):
    """Projects as on a GPU."""
    monkeypatch.setattr("trainer.stacks.runs_in_stacks", lambda _: True)


@pytest.fixture
def one_by_one(monkeypatch):
    """The layers that were done one by one."""
    done, real = [], projection.project_one

    def noted(config, state, k):
        done.append(k)
        real(config, state, k)

    monkeypatch.setattr(projection, "project_one", noted)
    return done


def trained(config, source, n, state=None):
    state = state or initial_state(config)
    for _ in range(n):
        train_iteration(config, state, source)
    return state


def weights(state):
    return [layer.weight.detach().clone() for layer in state.discriminator.regularised_layers()]


def moved(state):
    """The same state after a few small updates of D's weights."""
    rng = torch.Generator().manual_seed(0)
    for layer in state.discriminator.regularised_layers():
        step = torch.randn(layer.weight.shape, generator=rng)
        with torch.no_grad():
            layer.weight += 0.02 * layer.weight.norm() * step / step.norm()
    return state


@torch.no_grad()
def in_the_loop(config, state):
    """The weights that a CPU's projection makes of the state."""
    twin = copy.deepcopy(state)
    for k in range(len(weights(twin))):
        projection.project_one(config, twin, k)
    return weights(twin), twin.gamma


def test_stacks_are_for_a_gpu():
    assert runs_in_stacks(torch.device("cuda", 1))
    assert not runs_in_stacks(torch.device("cpu"))


@pytest.mark.parametrize("method", PROJECTED)
def test_a_cpu_takes_one_layer_after_the_other(digits, method, one_by_one):
    state = trained(small(method), digits, 3)
    assert one_by_one == 2 * list(range(10))
    assert state.leading == [None] * 10


@pytest.mark.parametrize("method", PROJECTED)
def test_stacks_do_what_the_loop_does(stacked, one_by_one, method):
    """At the first call and at two later ones, which for static and dynamic are not alike."""
    config = small(method)
    state = initial_state(config)
    with torch.no_grad():  # as collapsed as float32 weights get: a float32 Gram matrix shows it
        weight = state.discriminator.regularised_layers()[4].weight
        weight.mul_(1e-3).add_(0.2)
    for _ in range(3):
        truth, gamma = in_the_loop(config, state)
        one_by_one.clear()
        project(config, state)
        assert one_by_one == []
        for found, expected, layer in zip(
            weights(state), truth, state.discriminator.regularised_layers(), strict=True
        ):
            assert float((found - expected).norm()) <= 1e-5 * float(expected.norm())
            assert layer.weight.stride() == expected.stride()
        if METHODS[method].compensation in ("dynamic", "first"):
            torch.testing.assert_close(state.gamma, gamma, rtol=1e-6, atol=0)
        moved(state)
    warm = [leading is not None for leading in state.leading]
    # The 1x1 shortcut from three colours has r = 3, so i = 1: there is nothing to lift.
    assert warm == ([k != 2 for k in range(10)] if method in WARM else [False] * 10)


@pytest.mark.parametrize("method", PROJECTED)
def test_a_run_through_stacks_stays_close_to_that_of_the_loop(digits, monkeypatch, method):
    found = []
    for on in (False, True):
        monkeypatch.setattr("trainer.stacks.runs_in_stacks", lambda _, on=on: on)
        found.append(weights(trained(small(method), digits, 7)))
    for loop, stacks in zip(*found, strict=True):
        assert float((stacks - loop).norm()) <= 1e-3 * float(loop.norm())


class Noted(TorchFunctionMode):
    """The names of the torch functions that were called."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.names.append(getattr(function, "__name__", str(function)))
        return function(*args, **(kwargs or {}))


WAITING = {"tolist", "item", "__bool__", "__float__", "__int__", "cpu", "numpy", "nonzero"}
FACTORISING = {"linalg_eigh", "linalg_eigvalsh", "linalg_svd", "linalg_qr", "linalg_cholesky"}


@pytest.mark.parametrize("method", PROJECTED)
def test_the_host_waits_once(stacked, method):
    config = small(method)
    state = initial_state(config)
    for call in range(3):
        with Noted() as noted:
            project(config, state)
        assert [name for name in noted.names if name in WAITING] == ["tolist"]
        factorised = FACTORISING & set(noted.names)
        if call and METHODS[method].compensation in (None, "static"):
            assert not factorised
        elif method != "sn-renorm":
            assert factorised == {"linalg_eigh"}
        moved(state)


@pytest.mark.parametrize("method", WARM)
def test_what_is_not_trusted_is_done_by_eigh(stacked, one_by_one, method):
    config = small(method)
    state = initial_state(config)
    project(config, state)
    moved(state)
    anew = copy.deepcopy(state)
    anew.leading = [None] * 10
    project(config, anew)
    # Where the gap is they do not know, and i is 6.
    for k in (3, 7):
        q, _ = torch.linalg.qr(torch.randn(12, 5, generator=torch.Generator().manual_seed(k)))
        state.leading[k] = q @ q.mT
    project(config, state)
    for k in (3, 7):
        assert torch.equal(weights(state)[k], weights(anew)[k])
        assert torch.equal(state.leading[k], anew.leading[k])
    assert not torch.equal(weights(state)[4], weights(anew)[4]), "the others went on"
    assert one_by_one == []


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
@pytest.mark.parametrize("method", PROJECTED)
def test_a_bad_weight_is_left_as_it_is_and_the_others_are_not(stacked, one_by_one, method, value):
    config = small(method)
    state = initial_state(config)
    for _ in range(2):
        bad = state.discriminator.regularised_layers()[4].weight.detach()
        bad.mul_(0) if value == 0 else bad[0, 0, 0].fill_(value)
        before = weights(state)
        truth, _ = in_the_loop(config, state)
        one_by_one.clear()
        project(config, state)
        assert one_by_one == [4]
        assert state.leading[4] is None
        for k, (found, expected) in enumerate(zip(weights(state), truth, strict=True)):
            if k == 4:
                assert torch.equal(found.nan_to_num(7), before[k].nan_to_num(7))
            else:
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_missing_direction_is_completed(stacked, one_by_one):
    config = small("sr-static")
    state = initial_state(config)
    with torch.no_grad():
        state.discriminator.regularised_layers()[3].weight[2:] = 0
    truth, _ = in_the_loop(config, state)
    one_by_one.clear()
    project(config, state)
    assert one_by_one == [3]
    assert torch.equal(weights(state)[3], truth[3])


def test_a_resumed_run_goes_on_from_its_projectors(stacked, digits):
    config = small("sr-static")
    state = trained(config, digits, 5)
    content = to_bytes(config, state)
    again = from_bytes(config, content)
    for a, b in zip(state.leading, again.leading, strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
    forgetful = from_bytes(config, content)
    forgetful.leading = [None] * 10
    found = [weights(trained(config, digits, 4, s)) for s in (state, again, forgetful)]
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(found[0], found[2], strict=True))


def test_a_checkpoint_from_before_there_were_projectors_starts_them_anew(stacked, digits):
    config = small("sr-static")
    stored = torch.load(
        io.BytesIO(to_bytes(config, trained(config, digits, 3))), weights_only=True
    )
    del stored["leading"]
    buffer = io.BytesIO()
    torch.save(stored, buffer)
    again = from_bytes(config, buffer.getvalue())
    assert again.leading == [None] * 10
    assert again.iteration == 3


def test_a_branch_starts_its_projectors_anew(stacked, digits):
    config = small("sr-static")
    content = to_bytes(config, trained(config, digits, 3))
    child = small("sr-static", parent=config.trial_id, parent_iteration=3)
    assert branch(child, content).leading == [None] * 10


# The form `reparam`.

REPARAM = [name for name, m in METHODS.items() if m.reparametrised]


def in_place_of_w(method):
    return small(method, projection_period=None)


def used(config, state):
    """W_SR of every layer, and its gradient at fixed gradients of W_SR."""
    found = []
    with reparametrised(config, state, True):
        for layer in state.discriminator.regularised_layers():
            weight = effective_weight(layer)
            rng = torch.Generator().manual_seed(0)
            given = torch.randn(weight.shape, generator=rng)
            (gradient,) = torch.autograd.grad(weight, layer.weight, given)
            found.append((weight.detach(), gradient))
    return found


def assert_used_alike(found, truth, but=()):
    for k, (a, b) in enumerate(zip(found, truth, strict=True)):
        if k not in but:
            for ours, expected in zip(a, b, strict=True):
                assert float((ours - expected).norm()) <= 1e-5 * float(expected.norm()), k


@pytest.mark.parametrize("method", REPARAM)
def test_reparam_through_stacks_is_that_of_the_loop(monkeypatch, method):
    """At the first call and at two later ones, of square, wide and tall weights."""
    config = in_place_of_w(method)
    found = []
    for on in (False, True):
        monkeypatch.setattr("trainer.stacks.runs_in_stacks", lambda _, on=on: on)
        state = initial_state(config)
        found.append([])
        for _ in range(3):
            found[-1].append(used(config, state))
            moved(state)
        found[-1].append(state.gamma)
    for loop, stacks in zip(*(calls[:3] for calls in found), strict=True):
        assert_used_alike(stacks, loop)
    for loop, stacks in zip(found[0][3], found[1][3], strict=True):
        torch.testing.assert_close(stacks, loop, rtol=1e-6, atol=0) if loop is not None else None
    assert (found[1][3][0] is None) == (method == "sr-static-reparam")


@pytest.mark.parametrize("method", REPARAM)
def test_reparam_through_stacks_waits_once_and_masks_nothing(stacked, method):
    config, state = in_place_of_w(method), initial_state(in_place_of_w(method))
    for _ in range(2):
        with Noted() as noted, reparametrised(config, state, True):
            pass
        assert [name for name in noted.names if name in WAITING] == ["tolist"]
        shapes = [layer.compensation for layer in state.discriminator.regularised_layers()]
        assert shapes == 10 * [None], "afterwards there is none"
        moved(state)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, "rank"])
@pytest.mark.parametrize("method", REPARAM)
def test_reparam_of_a_bad_weight_leaves_the_others_alone(monkeypatch, method, value):
    config, found = in_place_of_w(method), []
    for on in (False, True):
        monkeypatch.setattr("trainer.stacks.runs_in_stacks", lambda _, on=on: on)
        state = initial_state(config)
        used(config, state)
        with torch.no_grad():
            bad = moved(state).discriminator.regularised_layers()[4].weight
            if value == "rank":
                bad[2:] = 0
            else:
                bad.mul_(0) if value == 0 else bad[0, 0, 0].fill_(value)
        found.append(used(config, state))
    assert_used_alike(found[1], found[0], but=() if value == "rank" else (4,))
    for loop, stacks in zip(found[0][4], found[1][4], strict=True):
        assert torch.equal(loop.nan_to_num(7), stacks.nan_to_num(7))


@pytest.mark.parametrize("method", REPARAM)
def test_a_reparam_run_through_stacks_stays_close_to_that_of_the_loop(digits, monkeypatch, method):
    found = []
    for on in (False, True):
        monkeypatch.setattr("trainer.stacks.runs_in_stacks", lambda _, on=on: on)
        found.append(weights(trained(in_place_of_w(method), digits, 5)))
    for loop, stacks in zip(*found, strict=True):
        assert float((stacks - loop).norm()) <= 1e-3 * float(loop.norm())
