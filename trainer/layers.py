"""Layers whose weight is normalised in the forward pass: not at all, spectrally, or per row.

A layer keeps the raw weight W as its parameter, so that optimisers, projections and penalties all
see the same tensor; what the input meets is `effective_weight(layer)`. The singular vectors u and
v of spectral normalization are buffers that move only in `advance`: once per update of D and once
per update of G, however many forward passes these take.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.convolution import conv, pooled_conv, upsampled_conv
from trainer.spectral import (
    Compensation,
    apply_compensation,
    as_matrix,
    spectral_norm,
)

NORMALISATIONS = ("none", "sn", "wn")
# A layer's weight and bias in another type than their own.
Narrow = tuple[Tensor, Tensor | None]


class Conv2d(nn.Conv2d):
    """Convolution, padded to keep the size of its input; 3x3 ones also of an upsampled input, and
    with their output pooled."""

    u: Tensor
    v: Tensor
    gain: Tensor
    compensation: Compensation | None = None
    normalised: Tensor | None = None
    narrow: Narrow | None = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool = True,
        normalisation: str = "sn",
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias
        )
        self.normalisation = normalisation
        _add_buffers(self)

    def forward(self, input: Tensor) -> Tensor:
        return conv(input, *operands(self))

    def convolve_upsampled(self, input: Tensor) -> Tensor:
        """The convolution of the input at twice the height and width."""
        return upsampled_conv(input, *operands(self))

    def convolve_pooled(self, input: Tensor) -> Tensor:
        """The convolution, averaged over 2x2 pixels."""
        return pooled_conv(input, *operands(self))


class Linear(nn.Linear):
    u: Tensor
    v: Tensor
    gain: Tensor
    compensation: Compensation | None = None
    normalised: Tensor | None = None
    narrow: Narrow | None = None

    def __init__(
        self, in_features: int, out_features: int, *, bias: bool = True, normalisation: str = "sn"
    ) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.normalisation = normalisation
        _add_buffers(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, *operands(self))


class Embedding(nn.Embedding):
    """Rows of parameters, one for each class."""

    u: Tensor
    v: Tensor
    gain: Tensor
    compensation: Compensation | None = None
    normalised: Tensor | None = None

    def __init__(self, classes: int, features: int, *, normalisation: str = "sn") -> None:
        super().__init__(classes, features)
        self.normalisation = normalisation
        _add_buffers(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, effective_weight(self))


Layer = Conv2d | Linear | Embedding


class Normalised(Protocol):
    """Interface of a weight and its normalisation: a layer, or a person's own weight."""

    normalisation: str
    compensation: Compensation | None
    normalised: Tensor | None
    u: Tensor
    v: Tensor
    gain: Tensor

    @property
    def weight(self) -> Tensor: ...


class Network(Protocol):
    """Interface of every generator and discriminator, beside that of nn.Module."""

    def normalised_layers(self) -> Sequence[Normalised]: ...
    def named_modules(self) -> Iterator[tuple[str, nn.Module]]: ...


def _add_buffers(layer: Layer) -> None:
    """Adds what the normalisation needs. u and v are there always: stable rank rests on them."""
    rows, columns = as_matrix(layer.weight).shape
    layer.register_buffer("u", torch.zeros(rows))
    layer.register_buffer("v", torch.zeros(columns))
    if layer.normalisation == "wn":
        layer.gain = nn.Parameter(torch.ones(rows))


def effective_weight(layer: Normalised) -> Tensor:
    """The weight that the forward pass uses, of the layer's own W: see `normalised`.

    For the duration of `normalisation.normalised` it is what all forward passes share.
    """
    if layer.normalised is not None:
        return layer.normalised
    return normalised(layer, layer.weight)


def normalised(layer: Normalised, weight: Tensor) -> Tensor:
    """The weight that W becomes in the forward pass: W, W / sigma (Eq. 4), g W / |row| (Salimans
    and Kingma 2016, Eq. 2), or for the duration of a `reparam` update W_SR (Eq. 10).

    Computed in the weight's own precision, whatever autocast is on.
    """
    with torch.autocast(weight.device.type, enabled=False):
        if layer.compensation is not None:
            return apply_compensation(weight, layer.compensation)
        if layer.normalisation == "sn":
            return weight / spectral_norm(weight, layer.u, layer.v)
        if layer.normalisation == "wn":
            matrix = as_matrix(weight)
            scale = (layer.gain / matrix.norm(dim=1)).unsqueeze(1)
            return (matrix * scale).view_as(weight)
        return weight


def operands(layer: Conv2d | Linear) -> Narrow:
    """(the weight that the forward pass uses, the bias), for the duration of `narrowed` in its
    type."""
    return layer.narrow or (effective_weight(layer), layer.bias)


def as_input(x: Tensor, layer: Conv2d | Linear) -> Tensor:
    """x in the type that the layer computes in."""
    return x.to(layer.weight.dtype if layer.narrow is None else layer.narrow[0].dtype)


@contextmanager
def narrowed(layers: Sequence[Conv2d | Linear], dtype: torch.dtype) -> Iterator[None]:
    """Lets the layers compute in `dtype`, such as bf16, for its duration.

    Weights are normalised in their own type before; all are cast together, in one launch, and so
    are their gradients on the way back.
    """
    tensors = [effective_weight(layer) for layer in layers]
    tensors += [layer.bias for layer in layers if layer.bias is not None]
    cast = iter(_Cast.apply(dtype, *tensors))  # type: ignore[arg-type]
    weights = [next(cast) for _ in layers]
    for layer, weight in zip(layers, weights, strict=True):
        layer.narrow = weight, None if layer.bias is None else next(cast)
    try:
        yield
    finally:
        for layer in layers:
            layer.narrow = None


class _Cast(torch.autograd.Function):
    """Tensors of one type in another; their gradients come back in the first."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.dtype = tensors[0].dtype
        return _cast(tensors, dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        cast = iter(_cast([g for g in gradients if g is not None], ctx.dtype))
        return None, *(None if g is None else next(cast) for g in gradients)


def _cast(tensors: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, ...]:
    copies = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
    torch._foreach_copy_(copies, list(tensors))  # pyright: ignore[reportPrivateImportUsage]
    return tuple(copies)


@torch.no_grad()
def advance(layers: Sequence[Normalised]) -> list[Tensor]:
    """Takes one power iteration in every layer; returns the products W v [out] of it."""
    if not layers:
        return []
    matrices = [as_matrix(layer.weight) for layer in layers]
    v = _units([matrix.mT @ layer.u for matrix, layer in zip(matrices, layers, strict=True)])
    products = [matrix @ direction for matrix, direction in zip(matrices, v, strict=True)]
    buffers = [layer.u for layer in layers] + [layer.v for layer in layers]
    torch._foreach_copy_(buffers, [*_units(products), *v])  # pyright: ignore[reportPrivateImportUsage]
    return products


def _units(vectors: list[Tensor]) -> list[Tensor]:
    """The vectors divided by their norms, as F.normalize does with each."""
    norms = torch._foreach_norm(vectors)  # pyright: ignore[reportPrivateImportUsage]
    torch._foreach_clamp_min_(norms, 1e-12)  # pyright: ignore[reportPrivateImportUsage]
    return list(torch._foreach_div(vectors, norms))  # pyright: ignore[reportPrivateImportUsage]


@torch.no_grad()
def initialise(network: Network, generator: torch.Generator) -> None:
    """Released initial weights: Glorot uniform, gain sqrt(2) for the 3x3 convolutions in blocks
    and 1 for shortcuts, embeddings, the first and last layers; zero biases; in the network's
    `normalised_layers()` u ~ N(0, I) and one iteration. Weight normalization starts from the same
    function: its gains are the row norms."""
    tracked = set(network.normalised_layers())
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear | Embedding):
            in_block = name.endswith((".c1", ".c2"))
            nn.init.xavier_uniform_(
                module.weight, gain=math.sqrt(2) if in_block else 1.0, generator=generator
            )
            if isinstance(bias := getattr(module, "bias", None), Tensor):
                nn.init.zeros_(bias)
        if isinstance(module, Layer) and module in tracked:
            begin([module], generator)


@torch.no_grad()
def begin(layers: Sequence[Normalised], generator: torch.Generator) -> None:
    """Draws u ~ N(0, I) and takes one power iteration; gains become the row norms."""
    for layer in layers:
        layer.u.normal_(generator=generator)
        advance([layer])
        if layer.normalisation == "wn":
            layer.gain.copy_(as_matrix(layer.weight).norm(dim=1))
