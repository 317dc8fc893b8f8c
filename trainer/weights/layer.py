"""A layer of a foreign network: its weight as it is applied, by blocks, and its projection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.compensation import compensated, lifted, solved_stack
from trainer.config.methods import Method
from trainer.spectral import spectrum
from trainer.weights import warm_subspace
from trainer.weights.layouts import Layout
from trainer.weights.origins import Opaque, Origin, SpectrallyNormalised, origin
from trainer.weights.trace import Trace, Use

# Below this r flatness says nothing: of three singular values one is lifted, or none.
SMALLEST_VOTER = 4
# From this r on a static projection goes on from the subspace of the one before.
LARGE = 1000
NO_GRADIENT = "no gradient reaches it"
_SUFFIX = re.compile(r"(\.parametrizations\.(\w+)\.original\d?|\.(weight)(_orig|_v|_g)?)$")


@dataclass(slots=True, eq=False)
class Layer:
    """One parameter and all products that it has a part in. `reason` tells why the layer can only
    be watched, and `gain` multiplies what a projection writes, to keep the logits' scale."""

    name: str
    kind: str
    layout: Layout
    origin: Origin
    sources: frozenset[str]
    operations: int
    reason: str | None = None
    votes: bool = False
    gain: float = 1.0
    memory: Tensor | None = None

    def spectrum(self) -> Tensor:
        """sigma[blocks, r] of the weight as the layer applies it now, in float64, descending."""
        applied = self.origin.applied().detach()
        if isinstance(self.origin, SpectrallyNormalised):
            # Exact in float64, where the quotient would round sigma_r away.
            norm = self.origin.norm().double()
            return block_spectra(self.layout.matrices(self.origin.raw.detach())) / norm
        return block_spectra(self.layout.matrices(applied))

    @torch.no_grad()
    def project(self, method: Method, i_ratio: float | None, floor: float | None) -> None:
        """Overwrites the weight as the method says."""
        assert not isinstance(self.origin, Opaque)
        matrices = self.layout.matrices(self.origin.compensated_part())
        projected, self.memory = projected_blocks(method, matrices, self.memory, i_ratio, floor)
        # Methods that keep sigma_1 keep what it has been multiplied by, too.
        gain = self.gain if method.renormalises else 1.0
        self.origin.write(self.layout.tensor(projected if gain == 1.0 else projected * gain))

    @torch.no_grad()
    def rescale(self, factor: float) -> None:
        """Multiplies the weight as it is applied, for good."""
        assert not isinstance(self.origin, Opaque | SpectrallyNormalised)
        self.origin.write(self.origin.applied() * factor)
        self.gain *= factor


def block_spectra(matrices: Tensor) -> Tensor:
    """sigma[blocks, r] of matrices[blocks, rows, columns]; NaN for a block that is not finite."""
    if min(matrices.shape[1:]) == 1:
        return matrices.double().flatten(1).norm(dim=1, keepdim=True)
    return torch.stack([spectrum(matrix) for matrix in matrices])


def projected_blocks(
    method: Method,
    matrices: Tensor,
    memory: Tensor | None,
    i_ratio: float | None,
    floor: float | None,
) -> tuple[Tensor, Tensor | None]:
    """(matrices[blocks, rows, columns], each compensated, what to remember: [blocks, r] or None).

    Many small blocks are taken together, those that are zero, not finite or rank-deficient one by
    one, as `compensated` does.
    """
    side = min(matrices.shape[1:])
    if len(matrices) == 1 and method.compensation == "static" and side >= LARGE:
        return _large(method, matrices, memory, i_ratio)
    if len(matrices) == 1:
        options = {"i_ratio": i_ratio, "floor": floor}
        first = None if memory is None else memory[0]
        matrix, first = compensated(method, matrices[0], first, **options)
        return matrix[None], None if first is None else first[None]
    wide = matrices.mT if matrices.shape[1] > matrices.shape[2] else matrices
    wide = wide.double()
    factor, remembered, sound = solved_stack(
        method.compensation,
        wide @ wide.mT,
        memory,
        i=lifted(i_ratio, wide[0]),
        floor=floor,
        renormalise=method.renormalises,
    )
    result = factor @ wide
    result = (result.mT if matrices.shape[1] > matrices.shape[2] else result).to(matrices.dtype)
    # A static method's projector is for a subspace iteration, which small blocks do without.
    remembers = method.compensation in ("dynamic", "first")
    new = remembered if remembers and isinstance(remembered, Tensor) else None
    for k in (~sound).nonzero().flatten().tolist():
        before = None if memory is None else memory[k]
        result[k], after = compensated(method, matrices[k], before, i_ratio=i_ratio, floor=floor)
        if new is not None and after is not None:
            new[k] = after
    return result, new


def _large(
    method: Method, matrices: Tensor, memory: Tensor | None, i_ratio: float | None
) -> tuple[Tensor, Tensor | None]:
    is_tall = matrices.shape[1] > matrices.shape[2]
    wide = matrices[0].mT if is_tall else matrices[0]
    basis = None if memory is None else memory[0]
    result, basis = warm_subspace.lift(
        wide, lifted(i_ratio, wide), basis, renormalise=method.renormalises
    )
    result = result.mT if is_tall else result
    return result[None], None if basis is None else basis[None]


def layers_of(trace: Trace, network: nn.Module) -> list[Layer]:
    """The layers of a trace in the order of their first use, each parameter once."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    by_raw: dict[int, list[tuple[Use, Origin]]] = {}
    for use in trace.uses:
        source = origin(use, tensors, network)
        if source is not None:
            by_raw.setdefault(id(source.raw), []).append((use, source))
    names = {id(tensor): name for name, tensor in network.named_parameters()}
    return [_layer(names[raw], members, trace) for raw, members in by_raw.items()]


def _layer(name: str, members: Sequence[tuple[Use, Origin]], trace: Trace) -> Layer:
    use, first = members[0]
    layer = Layer(
        name=layer_name(name),
        kind=use.kind,
        layout=use.layout,
        origin=first,
        sources=frozenset().union(*(use.sources for use, _ in members)),
        operations=sum(use.operations for use, _ in members),
        reason=_reason(first, members, trace),
    )
    layer.votes = may_vote(layer)
    return layer


def _reason(first: Origin, members: Sequence[tuple[Use, Origin]], trace: Trace) -> str | None:
    if isinstance(first, Opaque):
        return first.reason
    is_frozen = not first.raw.requires_grad
    if trace.gradients and not is_frozen and not any(use.has_gradient for use, _ in members):
        return NO_GRADIENT
    factors = [getattr(source, "factor", None) for _, source in members]
    if len({type(source) for _, source in members}) > 1 or not _is_close(factors):
        return "its uses scale it differently"
    return None


def _is_close(factors: Sequence[float | None]) -> bool:
    values = [f for f in factors if f is not None]
    return not values or max(values) - min(values) <= 1e-3 * abs(values[0])


def may_vote(layer: Layer) -> bool:
    """The stated rule: r of 4 or more, no embedding, no 1x1 convolution, and a gradient.

    1x1 shortcuts lose their spectrum in healthy runs too.
    """
    is_pointwise = layer.kind.startswith("conv") and not layer.layout.spatial
    return (
        layer.layout.r >= SMALLEST_VOTER
        and layer.kind != "embedding"
        and not is_pointwise
        and layer.reason != NO_GRADIENT
    )


def layer_name(parameter: str) -> str:
    """The path of the module, without the names that normalizations give to the raw tensor."""
    return _SUFFIX.sub("", parameter) or parameter


def unused_parameters(network: nn.Module, layers: Iterable[Layer], trace: Trace) -> dict[str, str]:
    """Reasons by name of the parameters of two or more axes that no product of the trace used."""
    parts = {name for layer in layers for name in layer.sources}
    reasons = {}
    for name, parameter in network.named_parameters():
        if name in parts or sum(side > 1 for side in parameter.shape) < 2:
            continue
        reasons[layer_name(name)] = (
            "mixed with the input before it is a weight"
            if name in trace.mixed
            else "no product of the traced forward pass used it"
        )
    return reasons
