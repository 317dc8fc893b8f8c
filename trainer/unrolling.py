"""D some of its own updates ahead, as a function of G: unrolled GANs (Metz et al. 2017).

theta_{j+1} is theta_j after one step of D's optimiser, from the moments that it has, on the same
images and fakes; all of it is differentiable in the fakes. D and its optimiser stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Parameters = Mapping[str, Tensor]
# Under the root of a second moment of 0, whose derivative there would be NaN.
TINY = 1e-30


def looked_ahead(
    d: nn.Module, optimiser: Any, loss: Callable[[Parameters], Tensor], steps: int
) -> Parameters:
    """D's parameters after so many steps on `loss`, which is a function of them."""
    own = dict(d.named_parameters())
    moments = _moments(optimiser, list(own.values()))
    theta = {name: parameter.detach().requires_grad_() for name, parameter in own.items()}
    for _ in range(steps):
        gradients = torch.autograd.grad(
            loss(theta), list(theta.values()), create_graph=True, materialize_grads=True
        )
        stepped = [
            _step(optimiser.param_groups[0], *one)
            for one in zip(theta.values(), gradients, moments, strict=True)
        ]
        theta = {name: after for name, (after, _) in zip(own, stepped, strict=True)}
        moments = [after for _, after in stepped]
    return theta


Moments = tuple[Tensor | None, Tensor | None, int]


def _moments(optimiser: Any, parameters: Sequence[Tensor]) -> list[Moments]:
    """(first moment, second moment, number of steps) of each; None where it is 0 or there is none.

    The host waits once for the numbers of steps, which fused Adam keeps on the device.
    """
    stored = [optimiser.state.get(parameter, {}) for parameter in parameters]
    counts = [torch.as_tensor(moments["step"]) for moments in stored if "step" in moments]
    steps = iter(torch.stack(counts).tolist() if counts else ())
    return [
        (
            moments.get("exp_avg"),
            moments.get("exp_avg_sq", moments.get("square_avg")),
            int(next(steps)) if "step" in moments else 0,
        )
        for moments in stored
    ]


def _step(
    group: Mapping[str, Any], theta: Tensor, gradient: Tensor, moments: Moments
) -> tuple[Tensor, Moments]:
    """One step of Adam, RMSProp or gradient descent, as the group has its settings."""
    first, second, steps = moments
    steps += 1
    if "betas" in group:
        beta1, beta2 = group["betas"]
        first = _averaged(first, gradient, beta1)
        second = _averaged(second, gradient.square(), beta2)
        root = (second + TINY).sqrt() / math.sqrt(1 - beta2**steps)
        direction = first / (1 - beta1**steps) / (root + group["eps"])
    elif "alpha" in group:
        second = _averaged(second, gradient.square(), group["alpha"])
        direction = gradient / ((second + TINY).sqrt() + group["eps"])
    else:
        direction = gradient
    return theta - group["lr"] * direction, (first, second, steps)


def _averaged(before: Tensor | None, new: Tensor, decay: float) -> Tensor:
    return (1 - decay) * new if before is None else decay * before + (1 - decay) * new
