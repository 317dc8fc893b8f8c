"""Adam (Kingma and Ba), its update by torch's own fused function.

torch.optim.Adam calls the same function, but its first use imports torch's compiler, which takes
two seconds and 150 MB of every trial's process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

_STATE = ("exp_avg", "exp_avg_sq", "step")


class Adam:
    """torch.optim.Adam(fused=True) bit for bit, of one parameter group, with its state dicts."""

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float = 1e-8,
    ) -> None:
        self.param_groups: list[dict[str, Any]] = [
            {"params": list(parameters), "lr": lr, "betas": betas, "eps": eps}
        ]
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Updates every parameter that has a gradient."""
        group = self.param_groups[0]
        moved = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not moved:
            return
        optimiser_states = [self._state_of(parameter) for parameter in moved]
        averages, squares, steps = ([state[name] for state in optimiser_states] for name in _STATE)
        beta1, beta2 = group["betas"]
        adam(
            moved,
            [parameter.grad for parameter in moved],
            averages,
            squares,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        if parameter not in self.state:
            self.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return self.state[parameter]

    def state_dict(self) -> dict[str, Any]:
        """The layout of torch.optim.Adam: parameters by their number."""
        group = self.param_groups[0]
        numbers = {parameter: k for k, parameter in enumerate(group["params"])}
        return {
            "state": {numbers[parameter]: state for parameter, state in self.state.items()},
            "param_groups": [{**group, "params": list(numbers.values())}],
        }

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Takes over what this or torch.optim.Adam has stored.

        Raises ValueError if it is of another number of parameters, or of other shapes.
        """
        (group,) = stored["param_groups"]
        parameters = self.param_groups[0]["params"]
        if len(group["params"]) != len(parameters):
            raise ValueError(f"{len(group['params'])} parameters stored, {len(parameters)} here")
        self.param_groups[0] |= {name: group[name] for name in ("lr", "betas", "eps")}
        self.state = {}
        for number, state in stored["state"].items():
            for name, own in self._state_of(parameters[number]).items():
                if state[name].shape != own.shape:
                    raise ValueError(f"{name} of parameter {number} has another shape")
                own.copy_(state[name])
