"""trainer/adam.py beside torch.optim.Adam, bit for bit."""

import io
import subprocess
import sys

import pytest
import torch

from trainer.adam import Adam

SETTINGS = {"lr": 2e-4, "betas": (0.0, 0.9)}
SHAPES = [(4, 3, 3, 3), (5, 2), (7,), ()]


def pair(betas=SETTINGS["betas"]):
    """The same weights twice, with torch's optimiser and ours."""
    torch.manual_seed(0)
    theirs = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    ours = [torch.nn.Parameter(weight.detach().clone()) for weight in theirs]
    theirs[0].data = theirs[0].data.to(memory_format=torch.channels_last)
    ours[0].data = ours[0].data.to(memory_format=torch.channels_last)
    settings = SETTINGS | {"betas": betas}
    return theirs, torch.optim.Adam(theirs, **settings, fused=True), ours, Adam(ours, **settings)


def descend(steps, *sides, without=()):
    """Random gradients of growing size, the same for every side's weights."""
    for k in range(steps):
        for j, weights in enumerate(zip(*(side[0] for side in sides), strict=True)):
            gradient = torch.randn(weights[0].shape) * 10.0 ** (k % 5 - 2)
            for weight in weights:
                weight.grad = None if j in without else gradient.clone()
        for _, optimiser in sides:
            optimiser.step()


def stored(optimiser):
    buffer = io.BytesIO()
    torch.save(optimiser.state_dict(), buffer)
    return torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("betas", [(0.0, 0.9), (0.5, 0.999), (0.9, 0.99)])
def test_every_step_is_torchs(betas):
    theirs, reference, ours, optimiser = pair(betas)
    descend(20, (theirs, reference), (ours, optimiser))
    assert same(theirs, ours)
    for a, b in zip(theirs, ours, strict=True):
        assert reference.state[a].keys() == optimiser.state[b].keys()
        assert same(reference.state[a].values(), optimiser.state[b].values())
    assert optimiser.state[ours[0]]["exp_avg"].is_contiguous(memory_format=torch.channels_last)


def test_rate_can_change_between_steps():
    theirs, reference, ours, optimiser = pair()
    for rate in (2e-4, 1e-4, 0.0):
        reference.param_groups[0]["lr"] = optimiser.param_groups[0]["lr"] = rate
        descend(3, (theirs, reference), (ours, optimiser))
    assert same(theirs, ours)


def test_parameter_without_gradient_stays_as_it_is():
    theirs, reference, ours, optimiser = pair()
    before = ours[1].detach().clone()
    descend(3, (theirs, reference), (ours, optimiser), without=(1,))
    assert same(theirs, ours)
    assert torch.equal(ours[1], before)
    assert ours[1] not in optimiser.state
    descend(2, (theirs, reference), (ours, optimiser))
    assert same(theirs, ours)


def test_no_gradient_at_all_is_no_step():
    _, _, ours, optimiser = pair()
    before = [weight.detach().clone() for weight in ours]
    optimiser.zero_grad()
    optimiser.step()
    assert same(ours, before)
    assert not optimiser.state


def test_zero_grad_forgets_every_gradient():
    _, _, ours, optimiser = pair()
    descend(1, (ours, optimiser))
    optimiser.zero_grad()
    assert all(weight.grad is None for weight in ours)


def test_nan_reaches_the_weights():
    theirs, reference, ours, optimiser = pair()
    for weights in (theirs, ours):
        for weight in weights:
            weight.grad = torch.full_like(weight, float("nan"))
    reference.step()
    optimiser.step()
    assert all(weight.isnan().all() for weight in ours)


def test_state_that_torch_stored_goes_on_here():
    """Checkpoints of earlier versions hold it."""
    theirs, reference, ours, optimiser = pair()
    descend(5, (theirs, reference), (ours, optimiser))
    weights = [torch.nn.Parameter(weight.detach().clone()) for weight in ours]
    other = Adam(weights, lr=1.0, betas=(0.5, 0.5))
    other.load_state_dict(stored(reference))
    descend(5, (theirs, reference), (ours, optimiser), (weights, other))
    assert same(theirs, weights)


def test_stored_state_goes_on():
    _, _, ours, optimiser = pair()
    descend(5, (ours, optimiser))
    weights = [torch.nn.Parameter(weight.detach().clone()) for weight in ours]
    other = Adam(weights, lr=1.0, betas=(0.5, 0.5))
    other.load_state_dict(stored(optimiser))
    descend(5, (ours, optimiser), (weights, other))
    assert same(ours, weights)


def test_taking_over_a_state_copies_it():
    _, _, ours, optimiser = pair()
    descend(2, (ours, optimiser))
    weights = [torch.nn.Parameter(weight.detach().clone()) for weight in ours]
    other = Adam(weights, **SETTINGS)
    other.load_state_dict(optimiser.state_dict())
    kept = optimiser.state[ours[0]]["exp_avg"].clone()
    descend(2, (weights, other))
    assert torch.equal(optimiser.state[ours[0]]["exp_avg"], kept)


@pytest.mark.parametrize("shapes", [SHAPES[:-1], [(4, 3, 3, 3), (2, 5), (7,), ()]])
def test_state_of_other_parameters_is_refused(shapes):
    _, _, ours, optimiser = pair()
    descend(1, (ours, optimiser))
    other = Adam([torch.nn.Parameter(torch.zeros(shape)) for shape in shapes], **SETTINGS)
    with pytest.raises(ValueError, match=r"3 here|another shape"):
        other.load_state_dict(optimiser.state_dict())


def test_a_run_does_not_load_torchs_compiler(tmp_path):
    """What this module is for: the import costs every trial's process seconds and memory."""
    program = (
        "import sys; from trainer.__main__ import main; "
        "code = main(['--profile', 'digits', '--setting', 'C_32-32', '--iterations', '2', "
        f"'--evaluate-every', '1', '--out', {str(tmp_path / 'run')!r}]); "
        "print(code, 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr
