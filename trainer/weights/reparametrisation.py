"""W_SR of Eq. (10) as a parametrization of torch, which state dicts and copies carry along."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from trainer.config.methods import Method
from trainer.spectral import (
    Compensation,
    apply_compensation,
    dynamic_compensation,
    lifted_count,
    static_compensation,
)
from trainer.weights.layer import Layer
from trainer.weights.layouts import Layout
from trainer.weights.origins import Multiple, Opaque

NOT_A_PARAMETER = "reparametrisation needs a weight that is a parameter of one module"


class Reparametrisation(nn.Module):
    """The weight W [shape] as W_SR / factor, with the gradient of Eq. (11).

    sigma, u and v are constants between two calls of `refresh`, and buffers: [blocks, ..] each.
    Dynamic compensation keeps gamma[blocks, r] beside them, and columns of zeros for the k that
    are not compensated.
    """

    sigma1: Tensor
    gamma: Tensor

    def __init__(
        self, weight: Tensor, layout: Layout, factor: float, method: Method, i_ratio: float | None
    ) -> None:
        super().__init__()
        self.layout, self.factor = layout, factor
        self.i = None if i_ratio is None else lifted_count(i_ratio, layout.matrices(weight)[0])
        blocks, rows, columns = layout.sizes
        count = layout.r if self.i is None else self.i - 1
        sizes = {
            "sigma1": (blocks,),
            "u1": (blocks, rows),
            "v1": (blocks, columns),
            "sigma": (blocks, count),
            "u": (blocks, rows, count),
            "v": (blocks, columns, count),
            "target": (blocks, count),
        }
        for name, size in sizes.items():
            self.register_buffer(name, weight.new_zeros(size))
        self.register_buffer(
            "gamma", torch.zeros(blocks, layout.r, dtype=torch.float64, device=weight.device)
        )
        self.refresh(weight)

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            parts = [
                apply_compensation(matrix, Compensation(*constants))
                for matrix, *constants in zip(
                    self.layout.matrices(weight), *self._constants(), strict=True
                )
            ]
            return self.layout.tensor(torch.stack(parts)) / self.factor

    def _constants(self) -> list[Tensor]:
        return [getattr(self, name) for name in Compensation._fields]

    @torch.no_grad()
    def refresh(self, weight: Tensor) -> None:
        """Takes the constants from the weight [shape] as it is now."""
        for k, matrix in enumerate(self.layout.matrices(weight)):
            compensation = self._compensation(matrix, k)
            if compensation is None:  # zero, or not finite: as it is
                compensation = Compensation(*(x[k] * 0 for x in self._constants()))
                compensation = compensation._replace(sigma1=torch.ones_like(self.sigma1[k]))
            for name, value in compensation._asdict().items():
                self._fill(getattr(self, name)[k], value)

    def _compensation(self, matrix: Tensor, k: int) -> Compensation | None:
        if self.i is not None:
            return static_compensation(matrix, self.i)
        first = None if not self.gamma[k].any() else self.gamma[k].clone()
        compensation, gamma = dynamic_compensation(matrix, first)
        if gamma is not None:
            self.gamma[k] = gamma
        return compensation

    @staticmethod
    def _fill(buffer: Tensor, value: Tensor) -> None:
        """Writes the value, and zeros after its last column."""
        buffer.zero_()
        buffer[tuple(slice(side) for side in value.shape)] = value


def reparametrise(
    layer: Layer, network: nn.Module, method: Method, i_ratio: float | None
) -> Reparametrisation | None:
    """Registers W_SR on the layer's weight, or gives the layer the reason why it cannot be."""
    owner = _owner(network, layer)
    if owner is None or not isinstance(layer.origin, Multiple) or layer.origin.transposed:
        layer.reason = NOT_A_PARAMETER
        return None
    module, attribute = owner
    raw, factor = layer.origin.raw, layer.origin.factor
    layout = layer.layout
    if layout.shape != tuple(raw.shape):
        layer.reason = NOT_A_PARAMETER
        return None
    parametrization = Reparametrisation(raw.detach(), layout, factor, method, i_ratio)
    parametrize.register_parametrization(module, attribute, parametrization)
    layer.origin = Opaque("", raw, module, attribute, factor)
    return parametrization


def _owner(network: nn.Module, layer: Layer) -> tuple[nn.Module, str] | None:
    """(module, attribute) of the layer's parameter; None if it has several, or is a part of a
    parametrization."""
    owners: list[Any] = [
        (module, name)
        for module in network.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter is layer.origin.raw
        and not isinstance(module, parametrize.ParametrizationList)
    ]
    return owners[0] if len(owners) == 1 else None


def remove(layer: Layer) -> None:
    """Takes W_SR off the layer's weight, which is the raw parameter again."""
    origin = layer.origin
    assert isinstance(origin, Opaque)
    assert origin.module is not None
    parametrize.remove_parametrizations(origin.module, origin.attribute, leave_parametrized=False)
    raw = getattr(origin.module, origin.attribute)
    layer.origin = Multiple(raw, origin.factor, tuple(raw.shape))
