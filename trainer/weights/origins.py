"""How a parameter becomes the weight that a layer applies, and how that weight is written back.

Told from values: the weight of a traced product is a constant times one parameter (plain layers,
equalised rates), a parameter over its spectral norm with the singular vectors in buffers (torch's
hook, its parametrization, own makes), or rows of one parameter at the lengths in another (weight
normalization). Whatever else it may be can be read and not written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.weights.leading import leading_pair
from trainer.weights.trace import Use

# ||applied - c raw|| / ||applied||, by how many digits the weight has.
TOLERANCES = {torch.float64: 1e-5, torch.float32: 1e-3}
COARSE_TOLERANCE = 2e-2
# The power iteration of the traced forward pass lags behind sigma_1 by less than this share.
LAG = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Multiple:
    """applied = c raw, both in one order of entries; `transposed` where raw is the other way."""

    raw: nn.Parameter
    factor: float
    shape: tuple[int, ...]
    transposed: bool = False

    kind = "plain"

    def parameters(self) -> list[nn.Parameter]:
        return [self.raw]

    def applied(self) -> Tensor:
        return self.factor * self.base()

    def base(self) -> Tensor:
        """The raw parameter in the shape of the weight."""
        raw = self.raw.detach()
        return (raw.mT if self.transposed else raw).reshape(self.shape)

    def compensated_part(self) -> Tensor:
        """The tensor whose spectrum a projection sets: the weight as it is applied."""
        return self.applied()

    @torch.no_grad()
    def write(self, weight: Tensor) -> None:
        weight = (weight / self.factor).reshape(
            self.raw.mT.shape if self.transposed else self.raw.shape
        )
        self.raw.copy_(weight.mT if self.transposed else weight)


@dataclass(frozen=True, slots=True, eq=False)
class SpectrallyNormalised:
    """applied = raw / (u^T M v), M being raw with axis `axis` first, and flat."""

    raw: nn.Parameter
    axis: int
    u: Tensor
    v: Tensor | None

    kind = "spectral norm"

    def parameters(self) -> list[nn.Parameter]:
        return [self.raw]

    def matrix(self) -> Tensor:
        return self.raw.detach().movedim(self.axis, 0).flatten(1)

    def norm(self) -> Tensor:
        return vector_norm(self.matrix(), self.u, self.v)

    def applied(self) -> Tensor:
        return self.raw.detach() / self.norm()

    def compensated_part(self) -> Tensor:
        """The raw parameter, as the released code projects it: its scale cancels."""
        return self.raw.detach()

    @torch.no_grad()
    def write(self, weight: Tensor) -> None:
        self.raw.copy_(weight)
        u, v = leading_pair(self.matrix(), self.u.flatten())
        self.u.copy_(u.view_as(self.u))
        if self.v is not None:
            self.v.copy_(v.view_as(self.v))


@dataclass(frozen=True, slots=True, eq=False)
class WeightNormalised:
    """applied = g v / ||v||, the norm over all axes but `axis` (None: over all)."""

    raw: nn.Parameter
    gain: nn.Parameter
    axis: int | None

    kind = "weight norm"

    def parameters(self) -> list[nn.Parameter]:
        return [self.raw, self.gain]

    def applied(self) -> Tensor:
        raw = self.raw.detach()
        gains = self.gain.detach().flatten() / row_norms(raw, self.axis)
        return raw * _along(gains, raw, self.axis)

    def compensated_part(self) -> Tensor:
        return self.applied()

    @torch.no_grad()
    def write(self, weight: Tensor) -> None:
        self.raw.copy_(weight)
        self.gain.copy_(row_norms(weight, self.axis).view_as(self.gain))


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """A weight computed in some other way: read by computing it anew, and never written."""

    reason: str
    raw: nn.Parameter
    module: nn.Module | None
    attribute: str
    factor: float = 1.0

    kind = "computed"

    def parameters(self) -> list[nn.Parameter]:
        return [self.raw]

    @torch.no_grad()
    def applied(self) -> Tensor:
        if self.module is None:
            return self.raw.detach()
        return self.factor * getattr(self.module, self.attribute).detach()


Origin = Multiple | SpectrallyNormalised | WeightNormalised | Opaque


def origin(use: Use, tensors: Mapping[str, Tensor], network: nn.Module) -> Origin | None:
    """The way from parameters to the weight of a use; None if it has no parameters at all."""
    parameters = {n: t for n in sorted(use.sources) if isinstance(t := tensors[n], nn.Parameter)}
    buffers = [tensors[n] for n in sorted(use.sources) if n not in parameters]
    if not parameters:
        return None
    if len(parameters) == 1:
        (raw,) = parameters.values()
        candidate = _spectrally_normalised(use.applied, raw, buffers) or _multiple(
            use.applied, raw
        )
    elif len(parameters) == 2:
        candidate = _weight_normalised(use.applied, list(parameters.values()))
    else:
        candidate = None
    return candidate or _opaque(parameters, network)


def _multiple(applied: Tensor, raw: nn.Parameter) -> Multiple | None:
    if applied.numel() != raw.numel() or not raw.is_floating_point():
        return None
    for transposed in (False, True):
        if transposed and (raw.dim() < 2 or applied.shape != raw.mT.shape):
            continue
        values = (raw.detach().mT if transposed else raw.detach()).reshape(applied.shape)
        factor = _factor(applied, values)
        if factor is not None:
            return Multiple(raw, factor, tuple(applied.shape), transposed)
    return None


def _factor(applied: Tensor, raw: Tensor) -> float | None:
    """c of applied = c raw; None if there is none, or if it cannot be told from zeros."""
    if applied.data_ptr() == raw.data_ptr():
        return 1.0
    a, b = applied.double().flatten(), raw.double().flatten()
    if not b.any():
        return None
    factor = (a @ b) / (b @ b)
    tolerance = TOLERANCES.get(applied.dtype, COARSE_TOLERANCE)
    return float(factor) if (a - factor * b).norm() <= tolerance * a.norm() else None


def _spectrally_normalised(
    applied: Tensor, raw: nn.Parameter, buffers: Sequence[Tensor]
) -> SpectrallyNormalised | None:
    if applied.shape != raw.shape or not buffers:
        return None
    factor = _factor(applied, raw.detach())
    if factor is None:
        return None
    for axis in dict.fromkeys((0, 1, raw.dim() - 1)):
        matrix = raw.detach().movedim(axis, 0).flatten(1)
        vectors = [b for b in buffers if b.numel() == max(b.shape, default=0)]
        for u in (b for b in vectors if b.numel() == matrix.shape[0]):
            vs = [b for b in vectors if b is not u and b.numel() == matrix.shape[1]]
            v = vs[0] if vs else None
            if abs(factor * float(vector_norm(matrix, u, v)) - 1) < LAG:
                return SpectrallyNormalised(raw, axis, u, v)
    return None


def vector_norm(matrix: Tensor, u: Tensor, v: Tensor | None) -> Tensor:
    """The estimate of sigma_1 from buffers: u^T M v, or ||M^T u|| without v."""
    product = u.flatten().to(matrix.dtype) @ matrix
    return product.norm() if v is None else product @ v.flatten().to(matrix.dtype)


def _weight_normalised(
    applied: Tensor, parameters: Sequence[nn.Parameter]
) -> WeightNormalised | None:
    for raw, gain in (parameters, tuple(reversed(parameters))):
        if raw.shape != applied.shape:
            continue
        for axis in (*range(raw.dim()), None):
            if gain.numel() != (1 if axis is None else raw.shape[axis]):
                continue
            candidate = WeightNormalised(raw, gain, axis)
            if _factor(applied, candidate.applied()) is not None:
                return candidate
    return None


def row_norms(weight: Tensor, axis: int | None) -> Tensor:
    """||weight|| over all axes but `axis`: [weight.shape[axis]], or one number for None."""
    if axis is None:
        return weight.norm().reshape(1)
    return weight.movedim(axis, 0).flatten(1).norm(dim=1)


def _along(values: Tensor, weight: Tensor, axis: int | None) -> Tensor:
    shape = [1] * weight.dim()
    if axis is not None:
        shape[axis] = -1
    return values.reshape(shape)


def _opaque(parameters: Mapping[str, nn.Parameter], network: nn.Module) -> Opaque:
    name, raw = max(parameters.items(), key=lambda item: item[1].numel())
    path, mark, rest = name.partition(".parametrizations.")
    if mark:
        module, attribute = network.get_submodule(path), rest.split(".")[0]
        return Opaque(
            "its parametrization is not a multiple of a parameter", raw, module, attribute
        )
    reason = f"it is computed from {' and '.join(parameters)}, and no multiple of either"
    return Opaque(reason, raw, None, "")
