"""Convolutions of images: next to a change of resolution folded with it, and in bf16 on a CPU.

Nearest upsampling and a 3x3 convolution after it are one 4x4 transposed convolution of stride 2; a
3x3 convolution and 2x2 average pooling after it one 4x4 convolution of stride 2. The taps of the
4x4 kernel are sums of the 3x3's, so this is exact, with 2.25 times fewer multiply-adds, and
the large map in between never exists.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.costs import folds


def conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolution, padded to keep the size of x[B, in, H, H]; odd kernels."""
    return _convolve(x, weight, bias)


def upsampled_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The 3x3 convolution of x[B, in, h, h] upsampled to [B, in, 2h, 2h]."""
    if not folds(2 * x.shape[-1]):
        return conv(F.interpolate(x, scale_factor=2, mode="nearest"), weight, bias)
    return _convolve(x, spread(weight, flip=True).transpose(0, 1), bias, transposed=True)


def pooled_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The 3x3 convolution of x[B, in, H, H], averaged over 2x2 pixels: [B, out, H / 2, H / 2]."""
    if not folds(x.shape[-1]):
        return F.avg_pool2d(conv(x, weight, bias), 2)
    return _convolve(x, spread(weight) / 4, bias)


def spread(weight: Tensor, *, flip: bool = False) -> Tensor:
    """The full correlation of weight[out, in, 3, 3] with 2x2 ones: [out, in, 4, 4].

    As one matrix product over weights with the channels innermost: ten times as fast as sums of
    shifted weights. `flip` turns the kernel round.
    """
    out, channels = weight.shape[:2]
    innermost = weight.permute(0, 2, 3, 1).reshape(out, 9, channels)
    with torch.autocast(weight.device.type, enabled=False):
        taps = _taps(weight.dtype, weight.device, flip) @ innermost
    return taps.view(out, 4, 4, channels).permute(0, 3, 1, 2)


@cache
def _taps(dtype: torch.dtype, device: torch.device, flip: bool) -> Tensor:
    """[16, 9]: which of the nine taps each of the sixteen is the sum of."""
    rows = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]])
    taps = torch.kron(rows, rows)
    return (taps.flip(0) if flip else taps).to(device, dtype)


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, *, transposed: bool = False
) -> Tensor:
    """Stride 1 with an odd kernel, 2 with an even one."""
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return _Bfloat16Conv.apply(x.bfloat16(), weight, bias, transposed)  # type: ignore[return-value]
    return _plain(x, weight, bias, transposed)


def _plain(x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
    stride, padding = _geometry(weight)
    convolve = F.conv_transpose2d if transposed else F.conv2d
    return convolve(x, weight, bias, stride=stride, padding=padding)


def _geometry(weight: Tensor) -> tuple[int, int]:
    """(stride, padding) of the kernels here: 1x1, 3x3 and 4x4."""
    side = weight.shape[-1]
    return 2 - side % 2, (side - 1) // 2


class _Bfloat16Conv(torch.autograd.Function):
    """bf16 products, with the weight's gradient as matrix products.

    The CPU's own kernel for that gradient is ten times slower in bf16 than in float32, and would
    make a bf16 update slower than a float32 one.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool
    ) -> Tensor:
        w = weight.bfloat16()
        ctx.save_for_backward(x, w)
        ctx.transposed = transposed
        return _plain(x, w, None if bias is None else bias.bfloat16(), transposed)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (y,) = gradients
        x, w = ctx.saved_tensors
        of_x = of_w = of_bias = None
        if ctx.needs_input_grad[0]:
            # What a convolution does to its input, its transpose does to the gradient.
            of_x = _plain(y, w, None, not ctx.transposed)
        if ctx.needs_input_grad[1]:
            small, large = (x, y) if ctx.transposed else (y, x)
            of_w = correlation(small, large, w.shape[-1])
        if ctx.needs_input_grad[2]:
            of_bias = y.sum((0, 2, 3), dtype=torch.float32)
        return of_x, of_w, of_bias, None


def correlation(small: Tensor, large: Tensor, side: int) -> Tensor:
    """The gradient of a kernel of side x side taps, float32 [m, n, side, side]:

        sum over images b and positions p of small[b, m, p] large[b, n, stride p + tap - padding].

    With the channels innermost a shift by a tap is an offset into one long matrix of positions, if
    both maps lie in the same padded grid: a matrix product per tap, without copies. With stride 2
    four neighbours count as channels, and the 4x4 taps as 2x2.
    """
    stride, padding = 2 - side % 2, (side - 1) // 2
    phases = _phases(large, stride, padding)
    _, height, width, channels = phases.shape
    m, n = small.shape[1], large.shape[1]
    beyond = (0, width - small.shape[3], 0, height - small.shape[2])
    at = F.pad(small, beyond).transpose(0, 1).reshape(m, -1)
    positions = phases.reshape(-1, channels)
    reach = side // stride
    kept = len(positions) - (reach - 1) * (width + 1)
    taps = [
        at[:, :kept] @ positions[i * width + j :][:kept]
        for i in range(reach)
        for j in range(reach)
    ]
    found = torch.stack(taps).float().view(reach, reach, m, stride, stride, n)
    # [tap row, tap column, m, phase row, phase column, n]
    return found.permute(2, 5, 0, 3, 1, 4).reshape(-1, n, side, side)


def _phases(x: Tensor, stride: int, padding: int) -> Tensor:
    """x[B, n, H, H] padded, channels innermost, stride x stride pixels as channels of one."""
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
    if stride == 1:
        return padded
    b, height, width, n = padded.shape
    blocks = padded.view(b, height // 2, 2, width // 2, 2, n)
    return blocks.permute(0, 1, 3, 2, 4, 5).reshape(b, height // 2, width // 2, 4 * n)
