"""The functions of torch that multiply an input by a weight, and the weight's matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from trainer.weights import layouts
from trainer.weights.layouts import Layout

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
PRODUCTS = ("matmul", "__matmul__", "__rmatmul__", "mm", "bmm")
PRODUCTS_AND_SUM = ("addmm", "baddbmm", "addbmm")


class Operand(NamedTuple):
    """A tensor in the place of a weight. `is_surely` tells a weight's place, as of a convolution,
    from a factor that may as well be the input."""

    tensor: Tensor
    layout: Layout
    kind: str
    is_surely: bool


def operands(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Iterator[Operand]:
    """Every tensor of two or more axes that `function` is called with as a weight."""
    name = getattr(function, "__name__", "")
    finder = _FINDERS.get(name)
    if finder is not None:
        yield from finder(name, args, kwargs)


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], index: int, name: str) -> Any:
    return args[index] if len(args) > index else kwargs.get(name)


def _convolution(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Operand]:
    weight = _argument(args, kwargs, 1, "weight")
    groups = _argument(args, kwargs, 6, "groups") or 1
    layout = layouts.transposed_convolution if name in TRANSPOSED else layouts.convolution
    yield Operand(weight, layout(weight.shape, groups), name, is_surely=True)


def _linear(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Operand]:
    weight = _argument(args, kwargs, 2 if name == "bilinear" else 1, "weight")
    if weight.dim() > 1:
        yield Operand(weight, layouts.rows_of_blocks(weight.shape, 1), name, is_surely=True)


def _embedding(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Operand]:
    tensors = (_argument(args, kwargs, 0, "input"), _argument(args, kwargs, 1, "weight"))
    weight = next(t for t in tensors if t.is_floating_point())
    yield Operand(weight, layouts.rows_of_blocks(weight.shape, 1), "embedding", is_surely=True)


def _product(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Operand]:
    first = 1 if name in PRODUCTS_AND_SUM else 0
    for factor in (*args[first : first + 2], *kwargs.values()):
        if isinstance(factor, Tensor) and factor.dim() > 1:
            yield Operand(factor, layouts.operand(factor.shape), "matmul", is_surely=False)


def _einsum(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Operand]:
    equation, *factors = args
    if len(factors) == 1 and isinstance(factors[0], list | tuple):
        factors = list(factors[0])
    if not isinstance(equation, str) or "->" not in equation:
        return
    inputs, output = equation.replace(" ", "").split("->")
    letters = inputs.split(",")
    for k, factor in enumerate(factors):
        other_letters = "".join(letters[:k] + letters[k + 1 :])
        layout = layouts.summed(factor.shape, letters[k], other_letters, output)
        if layout is not None:
            yield Operand(factor, layout, name, is_surely=False)


# Positions of F.multi_head_attention_forward, with the number of matrices that each tensor stacks.
_ATTENTION = {
    "in_proj_weight": (5, 3),
    "out_proj_weight": (11, 1),
    "q_proj_weight": (18, 1),
    "k_proj_weight": (19, 1),
    "v_proj_weight": (20, 1),
}


def _attention(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Operand]:
    for argument, (index, blocks) in _ATTENTION.items():
        weight = _argument(args, kwargs, index, argument)
        if isinstance(weight, Tensor):
            layout = layouts.rows_of_blocks(weight.shape, blocks)
            yield Operand(weight, layout, "attention", is_surely=True)


_FINDERS: Mapping[str, Callable[..., Iterator[Operand]]] = {
    **dict.fromkeys((*CONVOLUTIONS, *TRANSPOSED), _convolution),
    **dict.fromkeys(("linear", "bilinear"), _linear),
    **dict.fromkeys((*PRODUCTS, *PRODUCTS_AND_SUM), _product),
    "embedding": _embedding,
    "einsum": _einsum,
    "multi_head_attention_forward": _attention,
}
