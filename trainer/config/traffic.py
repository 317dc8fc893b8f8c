"""Bytes that a training iteration moves to and from memory at the least. Standard library only.

The other half of `trainer.config.costs`: an iteration takes no less time than its operations take
at the machine's rate of arithmetic, and none less than its bytes take at its bandwidth. Counted is
what eager PyTorch executes, operator by operator: each reads its inputs once and writes its
outputs once, whatever caches would save and whatever a kernel reads twice. Tensors of which an
operator needs the shape alone move nothing. Values have 4 bytes, in bf16 too: an upper bound
there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from trainer.config.costs import folds
from trainer.config.methods import METHODS
from trainer.config.settings import network_widths
from trainer.config.trial import TrialConfig

VALUE = 4.0  # bytes
# Of each weight, in values: what `advance` and the normalised weight move (a convolution's weight
# is laid out anew for its matrix), a gradient that is added to another, and a step of Adam, which
# reads weight, gradient and two moments and writes all but the gradient. G's moving average is
# read and written, and the weight read.
_ADVANCE, _ACCUMULATE, _ADAM, _AVERAGE = 4, 3, 7, 3
_FORWARD = {"none": 1, "sn": 5, "wn": 6}
_BACKWARD = {"none": 2, "sn": 14, "wn": 23}
# Scales and shifts per class: a row is read, but the gradient is of the whole table.
_TABLE = 3
# D's frozen weights are read once to take the gradient through to G.
_INPUT_BACKWARD = 1
# Of each value of a folded convolution's 4x4 kernel, which is made from the weight anew for each
# pass: after upsampling, and before pooling.
_UPSAMPLED_FORWARD, _UPSAMPLED_BACKWARD = 2, 3
_POOLED_FORWARD, _POOLED_BACKWARD = 2, 3
# Bytes per value of a real image: drawn as uint8, dequantised in steps; joined with the fakes.
_DRAW, _JOIN = 39.0, 4 * VALUE


class Values(NamedTuple):
    """Numbers of values read and written per image, and how many weights there are.

    `backward` with gradients of the weights, `input_backward` without; `kernels` are the values
    of the 4x4 kernels of folded convolutions.
    """

    forward: float
    backward: float = 0
    input_backward: float = 0
    weights: float = 0
    kernels: float = 0


def traffic(config: TrialConfig) -> float:
    """Bytes per iteration of what every method has in common, as `costs.operations` counts it.

    n_critic updates of D, on real images and on fakes made without gradients, and one of G. Every
    optimiser counts as fused Adam; the one of the toy problems moves more.
    """
    g, d = network_values(config)
    parts = config.batch_size // config.micro_batch
    of_g, of_d = config.generator_normalisation, METHODS[config.method].normalisation
    d_update = (
        config.batch_size * (g.forward + 2 * (d.forward + d.backward))
        + parts * (_FORWARD[of_g] * g.weights + (_FORWARD[of_d] + _BACKWARD[of_d]) * d.weights)
        + ((parts - 1) * _ACCUMULATE + _ADVANCE + _ADAM) * d.weights
        + parts * _UPSAMPLED_FORWARD * g.kernels
        + parts * (_POOLED_FORWARD + _POOLED_BACKWARD) * d.kernels
    )
    g_update = (
        config.generator_batch_size * (g.forward + g.backward + d.forward + d.input_backward)
        + parts * (_FORWARD[of_g] + _BACKWARD[of_g]) * g.weights
        + parts * (_FORWARD[of_d] + _INPUT_BACKWARD) * d.weights
        + ((parts - 1) * _ACCUMULATE + _ADAM + _AVERAGE) * g.weights
        + _ADVANCE * (d.weights + (g.weights if of_g == "sn" else 0))
        + parts * (_UPSAMPLED_FORWARD + _UPSAMPLED_BACKWARD) * g.kernels
        + parts * (_POOLED_FORWARD + _INPUT_BACKWARD) * d.kernels
        + (parts * _TABLE + (parts - 1) * _ACCUMULATE + _ADAM + _AVERAGE) * _tables(config)
    )
    images = config.batch_size * 3 * (config.resolution or 0) ** 2 * (_DRAW + _JOIN)
    return VALUE * (config.n_critic * d_update + g_update) + config.n_critic * images


def network_values(config: TrialConfig) -> tuple[Values, Values]:
    """Values moved by G and by D for one image."""
    m = config.packing or 1
    if config.resolution is None:
        g = _points(config.latent_size, config.generator_channels, 2)
        d = _points(2 * m, config.channels, 1)
    else:
        g, d = _generator(config), _discriminator(config)
    # D's are of a pack, whose weights and kernels count once for however many images.
    return g, d._replace(
        forward=d.forward / m, backward=d.backward / m, input_backward=d.input_backward / m
    )


def _generator(config: TrialConfig) -> Values:
    widths = _generator_widths(config)
    pixels = ((config.resolution or 0) // 2 ** (len(widths) - 1)) ** 2
    z, bottom, conditional = config.latent_size, widths[0] * pixels, config.classes is not None
    parts = [_convolution(z, bottom, z * bottom)]
    for a, b in pairwise(widths):
        parts += _generator_block(a, b, pixels, conditional=conditional)
        pixels *= 4
    last = pixels * widths[-1]
    to_image = [_convolution(last, 3 * pixels, 27 * widths[-1]), _activation(3 * pixels)]
    return _sum([*parts, _normalisation(last), _activation(last), *to_image])


def _generator_widths(config: TrialConfig) -> list[int]:
    factors = network_widths(config.resolution).generator
    return [config.generator_channels * factor for factor in factors]


def _tables(config: TrialConfig) -> int:
    """Scales and shifts per class of all of G's blocks."""
    return 2 * (config.classes or 0) * sum(a + b for a, b in pairwise(_generator_widths(config)))


def _generator_block(a: int, b: int, low: int, *, conditional: bool) -> list[Values]:
    """From a to b channels, from `low` pixels to four times as many."""
    high = 4 * low
    return [
        _normalisation(low * a, conditional=conditional),
        _activation(low * a),
        *_upsampled_convolution(a, b, low),
        _normalisation(high * b, conditional=conditional),
        _activation(high * b),
        _convolution(high * b, high * b, 9 * b * b),
        _convolution(low * a, low * b, a * b),
        _resampling(low * b, high * b),
        _sum_of_branches(high * b),
        _branching(low * a),
    ]


def _discriminator(config: TrialConfig) -> Values:
    shape = network_widths(config.resolution)
    widths = [config.channels * factor for factor in shape.discriminator]
    pixels = (config.resolution or 0) ** 2
    m = config.packing or 1
    parts = _first_block(3 * m, widths[0], pixels)
    if m > 1:
        parts.append(Values(2 * 3 * m * pixels, 0, 2 * 3 * m * pixels))
    pixels //= 4
    for block, (a, b) in enumerate(pairwise(widths), start=1):
        parts += _discriminator_block(a, b, pixels, down=block < shape.pooled)
        pixels //= 4 if block < shape.pooled else 1
    last = pixels * widths[-1]
    # The gradient of the sum over pixels is spread over them without being copied.
    head = Values(last, weights=widths[-1] * (1 + m * (config.classes or 0)))
    return _sum([*parts, Values(2 * last, 2 * last, 2 * last), head])


def _first_block(image: int, d: int, pixels: int) -> list[Values]:
    """From an image, or the channels of a pack of them, to d channels and a quarter of the pixels.
    Images need a gradient only where it goes on to G, and weights only where it does not."""
    low = pixels // 4
    return [
        _image_convolution(image * pixels, d * pixels, 9 * image * d),
        _activation(d * pixels),
        *_pooled_convolution(d, d, pixels),
        Values(image * (pixels + low), 0, image * (pixels + low)),
        _image_convolution(image * low, d * low, image * d),
        _sum_of_branches(d * low),
        Values(0, 0, 3 * image * pixels),
    ]


def _discriminator_block(a: int, b: int, pixels: int, *, down: bool) -> list[Values]:
    """From a to b channels; with `down` to a quarter of the pixels."""
    parts = [
        _activation(a * pixels),
        _convolution(a * pixels, a * pixels, 9 * a * a),
        _activation(a * pixels),
        _branching(a * pixels),
    ]
    if not down:
        parts += [_convolution(a * pixels, b * pixels, 9 * a * b), _sum_of_branches(b * pixels)]
        return parts
    low = pixels // 4
    return [
        *parts,
        *_pooled_convolution(a, b, pixels),
        _resampling(a * pixels, a * low),
        _convolution(a * low, b * low, a * b),
        _sum_of_branches(b * low),
    ]


def _points(inputs: int, width: int, outputs: int) -> Values:
    """Five linear layers with an activation after each but the last."""
    sizes = [inputs, width, width, width, width, outputs]
    layers = [_convolution(a, b, a * b) for a, b in pairwise(sizes)]
    return _sum([*layers, *[_activation(width)] * 4])


def _upsampled_convolution(a: int, b: int, low: int) -> list[Values]:
    """3x3 on four times as many pixels as came in; folded, the input is never made so large."""
    high = 4 * low
    if folds(math.isqrt(high)):
        return [_folded_convolution(low * a, high * b, a * b)]
    return [_resampling(low * a, high * a), _convolution(high * a, high * b, 9 * a * b)]


def _pooled_convolution(a: int, b: int, pixels: int) -> list[Values]:
    """3x3, of which a quarter of the pixels goes on; folded, the rest is never made."""
    low = pixels // 4
    if folds(math.isqrt(pixels)):
        return [_folded_convolution(a * pixels, b * low, a * b)]
    return [_convolution(a * pixels, b * pixels, 9 * a * b), _resampling(b * pixels, b * low)]


def _folded_convolution(inputs: float, outputs: float, pairs: int) -> Values:
    """Of so many pairs of an input and an output channel."""
    return _convolution(inputs, outputs, 9 * pairs)._replace(kernels=16 * pairs)


def _convolution(inputs: float, outputs: float, weights: float) -> Values:
    """Or a linear layer."""
    return Values(inputs + outputs, outputs + 2 * inputs, outputs + inputs, weights)


def _image_convolution(inputs: float, outputs: float, weights: float) -> Values:
    return Values(inputs + outputs, inputs + outputs, inputs + outputs, weights)


def _activation(n: float) -> Values:
    """Its derivative follows from its output."""
    return Values(2 * n, 3 * n, 3 * n)


def _normalisation(n: float, *, conditional: bool = False) -> Values:
    """Batch normalisation; `conditional` multiplies and adds per class after it."""
    return Values(6 * n, 10 * n) if conditional else Values(2 * n, 3 * n)


def _resampling(inputs: float, outputs: float) -> Values:
    """Nearest upsampling or average pooling."""
    return Values(*[inputs + outputs] * 3)


def _sum_of_branches(n: float) -> Values:
    """The gradient goes into both without being copied."""
    return Values(3 * n)


def _branching(n: float) -> Values:
    """A tensor that two branches read: their gradients are added."""
    return Values(0, 3 * n, 3 * n)


def _sum(parts: Iterable[Values]) -> Values:
    return Values(*map(sum, zip(*parts, strict=True)))
