"""Convolutions of images: next to a change of resolution folded with it.

Nearest upsampling and a 3x3 convolution after it are one 4x4 transposed convolution of stride 2; a
3x3 convolution and 2x2 average pooling after it one 4x4 convolution of stride 2. The taps of the
4x4 kernel are sums of the 3x3's, so this is exact, with 2.25 times fewer multiply-adds, and
the large map in between never exists.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.config.costs import folds


def conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolution, padded to keep the size of x[B, in, H, H]; odd kernels."""
    return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


def upsampled_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The 3x3 convolution of x[B, in, h, h] upsampled to [B, in, 2h, 2h]."""
    if not folds(2 * x.shape[-1]):
        return conv(F.interpolate(x, scale_factor=2, mode="nearest"), weight, bias)
    kernel = spread(weight, flip=True).transpose(0, 1)
    return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)


def pooled_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The 3x3 convolution of x[B, in, H, H], averaged over 2x2 pixels: [B, out, H / 2, H / 2]."""
    if not folds(x.shape[-1]):
        return F.avg_pool2d(conv(x, weight, bias), 2)
    return F.conv2d(x, spread(weight, scale=1 / 4), bias, stride=2, padding=1)


def spread(weight: Tensor, *, flip: bool = False, scale: float = 1.0) -> Tensor:
    """The full correlation of weight[out, in, 3, 3] with 2x2 ones, times `scale`:
    [out, in, 4, 4].

    As one matrix product over weights with the channels innermost: ten times as fast as sums of
    shifted weights. `flip` turns the kernel round.
    """
    out, channels = weight.shape[:2]
    innermost = weight.permute(0, 2, 3, 1).reshape(out, 9, channels)
    with torch.autocast(weight.device.type, enabled=False):
        taps = _taps(weight.dtype, weight.device, flip, scale).expand(out, -1, -1)
        taps = torch.bmm(taps, innermost)
    return taps.view(out, 4, 4, channels).permute(0, 3, 1, 2)


@cache
def _taps(dtype: torch.dtype, device: torch.device, flip: bool, scale: float) -> Tensor:
    """[16, 9]: which of the nine taps each of the sixteen is the sum of."""
    rows = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]])
    taps = scale * torch.kron(rows, rows)
    return (taps.flip(0) if flip else taps).to(device, dtype)
