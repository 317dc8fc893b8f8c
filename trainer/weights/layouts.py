"""Matrices of weight tensors: which part of a tensor multiplies which part of the input.

A convolution of g groups is g matrices [out / g, in / g * taps], never the flat one: lifting that
leaves its blocks unequal. A transposed convolution keeps its outputs in the second axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Layout:
    """View of a tensor of `shape` as matrices[blocks, rows, columns], and back.

    The tensor is split into axes of sizes `split`, these are put into `order`, and merged: the
    first `batch` of them to blocks, the next `n_rows` to rows, the rest to columns.
    """

    shape: tuple[int, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]
    batch: int = 1
    n_rows: int = 1
    spatial: bool = False

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(blocks, rows, columns)."""
        sides = [self.split[axis] for axis in self.order]
        rows = self.batch + self.n_rows
        return (
            math.prod(sides[: self.batch]),
            math.prod(sides[self.batch : rows]),
            math.prod(sides[rows:]),
        )

    @property
    def r(self) -> int:
        """How many singular values a block has."""
        return min(self.sizes[1:])

    def matrices(self, weight: Tensor) -> Tensor:
        return weight.reshape(self.split).permute(self.order).reshape(self.sizes)

    def tensor(self, matrices: Tensor) -> Tensor:
        """The inverse of `matrices`, of `shape`."""
        sides = [self.split[axis] for axis in self.order]
        inverse = [self.order.index(axis) for axis in range(len(self.order))]
        return matrices.reshape(sides).permute(inverse).reshape(self.shape)


def convolution(shape: Sequence[int], groups: int) -> Layout:
    """A weight [out, in / groups, *taps] as [groups, out / groups, in / groups * taps]."""
    out, *rest = shape
    split = (groups, out // groups, *rest)
    spatial = math.prod(shape[2:]) > 1
    return Layout(tuple(shape), split, tuple(range(len(split))), spatial=spatial)


def transposed_convolution(shape: Sequence[int], groups: int) -> Layout:
    """A weight [in, out / groups, *taps] as [groups, out / groups, in / groups * taps]."""
    channels, out, *taps = shape
    split = (groups, channels // groups, out, *taps)
    order = (0, 2, 1, *range(3, len(split)))
    return Layout(tuple(shape), split, order, spatial=math.prod(taps) > 1)


def rows_of_blocks(shape: Sequence[int], blocks: int) -> Layout:
    """A weight [out, in] as [blocks, out / blocks, in]; of [out, in1, in2] it merges the last."""
    out, *rest = shape
    split = (blocks, out // blocks, *rest)
    return Layout(tuple(shape), split, tuple(range(len(split))))


def operand(shape: Sequence[int]) -> Layout:
    """A factor [.., a, b] of a matrix product, one matrix for each of its leading indices."""
    batch = max(1, len(shape) - 2)
    split = tuple(shape) if len(shape) > 2 else (1, *shape)
    return Layout(tuple(shape), split, tuple(range(len(split))), batch=batch)


def summed(shape: Sequence[int], letters: str, other_letters: str, output: str) -> Layout | None:
    """A factor of an einsum: its columns are summed over, its rows are in the output alone.

    None where it has no such axes, or where the equation is not of plain letters.
    """
    if len(letters) != len(shape) or not (letters + other_letters + output).isalpha():
        return None
    columns = [k for k, letter in enumerate(letters) if letter not in output]
    batch = [k for k, letter in enumerate(letters) if letter in output and letter in other_letters]
    rows = [
        k for k, letter in enumerate(letters) if letter in output and letter not in other_letters
    ]
    if not columns or not rows:
        return None
    split, order = tuple(shape), (*batch, *rows, *columns)
    if batch:
        return Layout(split, split, order, batch=len(batch), n_rows=len(rows))
    return Layout(split, (1, *split), (0, *(k + 1 for k in order)), n_rows=len(rows))
