"""GPU memory that a trial needs, from its configuration alone. Standard library only.

A model: what autograd keeps for a backward pass is counted tensor by tensor as the networks of
`trainer.models` make them, and checked against torch on the CPU; what a GPU adds (workspaces of
its libraries, memory lost between blocks) is a margin. Values have 4 bytes, in bf16 too: an upper
bound there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from trainer.config.costs import (
    HESSIAN_IMAGES,
    folds,
    hessian_images,
    images_at_once,
    per_kind,
)
from trainer.config.methods import METHODS
from trainer.config.own_images import HELD_OUT_SHARE, RESIDENT_BYTES
from trainer.config.settings import network_widths
from trainer.config.trial import TrialConfig

VALUE = 4.0  # bytes
# Weight, gradient, Adam's two moments and the normalised weight of each parameter.
_COPIES = 5
# uint8 images that live on the device, training and held out, each 3x32x32; ImageNet streams.
_RESIDENT_IMAGES = {"cifar10": 60_000, "cifar10-conditional": 60_000, "stl10": 108_000}
_STREAMED_AT_ONCE = 3 * 512 + 64
# Lanczos: its basis of 20 vectors, and the graph of a gradient, in what a first-order pass keeps
# of G and of D: of whole searches on fake tensors at B_64-64, C_64-32, D_512-256, within 1 %.
_LANCZOS_STEPS = 20
_GRADIENT_GRAPH = (4.6, 1.8)
# What second derivatives keep over what the first do; measured on the CPU.
_SECOND_DERIVATIVES = {None: 1.0, "jare": 3.5, "conopt": 4.0}
# The Inception network on 64 images of 299x299: its weights, and the three largest layers alive.
_INCEPTION_BYTES = 1.5e9
# Gradients in flight take up to a fifth on the CPU. The rest is assumed: workspaces of cuDNN and
# cuBLAS, and what the allocator loses between its blocks.
WORKSPACE_BYTES, MARGIN = 0.5e9, 0.35


@per_kind
def memory_bytes(config: TrialConfig) -> float:
    """Peak bytes of one trial on its GPU, without its CUDA context.

    Weights, gradients, moments and G's moving average stay; on top comes the largest of an update
    of D, an update of G, a draw of samples for an evaluation, and their scoring.
    """
    g, d = parameters(config)
    resident = VALUE * (_COPIES * (g + d) + g) + _images_bytes(config)
    transient = [_training_bytes(config), _sampling_bytes(config)]
    if config.curve_protocol is not None:
        transient.append(_INCEPTION_BYTES)
    if config.hessian_k is not None:
        transient.append(_hessian_bytes(config, max(g, d)))
    return WORKSPACE_BYTES + (1 + MARGIN) * (resident + max(transient))


def parameters(config: TrialConfig) -> tuple[float, float]:
    """Numbers of parameters of G and of D; of the points' networks about."""
    if config.network_facts is not None:
        return config.network_facts.parameters
    g, d = config.generator_channels, config.channels
    if config.resolution is None:
        return config.latent_size * g + 3.0 * g * g, 3.0 * d * d
    classes, m = config.classes or 0, config.packing or 1
    bottom = config.resolution // 2 ** (len(_generator_widths(config)) - 1)
    first = _generator_widths(config)[0] * bottom**2
    generator = (config.latent_size + 1.0) * first + 27 * g + 3 + 2 * g
    for a, b in pairwise(_generator_widths(config)):
        generator += 9 * (a * b + b * b) + a * b + 3 * b + 2 * max(classes, 1) * (a + b)
    discriminator = 27.0 * m * d + 9 * d * d + 3 * m * d + 3 * d
    for a, b, _, down in _discriminator_blocks(config):
        discriminator += 9 * (a * a + a * b) + a + b + (a * b + b if down else 0)
    last = _discriminator_widths(config)[-1]
    return generator, discriminator + last + m * classes * last


def kept_by_generator(config: TrialConfig) -> float:
    """Bytes per image that a backward pass through G needs, weights aside.

    Of each block the inputs of both batch normalisations, the rectified maps and, where that is
    not folded, the upsampled one; batch normalisation per class keeps its output, too.
    """
    if config.network_facts is not None:
        return config.network_facts.kept_bytes[0]
    if config.resolution is None:
        return VALUE * 3 * config.generator_channels
    conditional = config.classes is not None
    values = 0.0
    for a, b, low in _generator_blocks(config):
        high = 4 * low
        values += low * 2 * a + high * (2 * b if _folded(high) else a + 2 * b)
        values += (low * a + high * b) if conditional else 0
    pixels = config.resolution**2
    return VALUE * (values + pixels * (2 * config.generator_channels + 3))


def kept_by_discriminator(config: TrialConfig) -> float:
    """Bytes per image that a backward pass through D needs, weights aside.

    A pack costs what one image does. Of each block its input where that is pooled, both rectified
    maps, the pooled input of the shortcut and, where that is not folded, the map before the pool.
    """
    if config.network_facts is not None:
        return config.network_facts.kept_bytes[1]
    if config.resolution is None:
        return VALUE * 3 * config.channels
    pixels, d, m = config.resolution**2, config.channels, config.packing or 1
    values = pixels * (3 * m + (d if _folded(pixels) else 2 * d)) + pixels / 4 * 3 * m
    side = pixels / 4
    for a, b, side, down in _discriminator_blocks(config):
        values += side * 2 * a
        if down:
            values += side * (a if _folded(side) else a + b) + side / 4 * a
    last = side / 4 if _discriminator_blocks(config)[-1][3] else side
    return VALUE * (values + last * _discriminator_widths(config)[-1]) / m


def kernel_bytes(config: TrialConfig) -> tuple[float, float]:
    """Bytes of the 4x4 kernels of folded convolutions, of G and of D, which autograd keeps."""
    if config.resolution is None or config.network_facts is not None:
        return 0.0, 0.0
    generator = sum(a * b for a, b, low in _generator_blocks(config) if _folded(4 * low))
    pooled = [(config.channels, config.channels, config.resolution**2, True)]
    pooled += _discriminator_blocks(config)
    discriminator = sum(a * b for a, b, side, down in pooled if down and _folded(side))
    return VALUE * 16 * generator, VALUE * 16 * discriminator


def _folded(pixels: float) -> bool:
    return folds(math.isqrt(int(pixels)))


def _training_bytes(config: TrialConfig) -> float:
    """Bytes of the larger of both updates, for one micro-batch."""
    method = METHODS[config.method]
    real = config.micro_batch
    if method.simultaneous:
        return _SECOND_DERIVATIVES[method.penalty] * _saved_bytes(config, real, 2 * real)
    judged = 4 * real if method.penalty in ("r1", "r1r2", "bcr", "wgan-gp") else 2 * real
    fakes = config.generator_batch_size * real / config.batch_size
    # Of each update of D that G foresees, the graph of its gradient too.
    foreseen = 3 * (config.unrolled_steps or 0) * (real + fakes)
    return max(
        _saved_bytes(config, 0, judged) + _transient_bytes(config, real),
        _saved_bytes(config, fakes, fakes + foreseen),
    )


def _saved_bytes(config: TrialConfig, generated: float, judged: float) -> float:
    maps = generated * kept_by_generator(config) + judged * kept_by_discriminator(config)
    return maps + sum(kernel_bytes(config))


def _hessian_bytes(config: TrialConfig, parameters: float) -> float:
    """Bytes of a search for the sharpest directions of G, or of D, which sees real images too.

    Of D's graph it is assumed that it is to a pass as G's is.
    """
    n, (of_g, of_d) = hessian_images(config), _GRADIENT_GRAPH
    graph = n * (of_g * kept_by_generator(config) + of_d * kept_by_discriminator(config))
    graph_of_d = 2 * HESSIAN_IMAGES * of_g * kept_by_discriminator(config)
    return max(graph, graph_of_d) + VALUE * _LANCZOS_STEPS * parameters


def _sampling_bytes(config: TrialConfig) -> float:
    return _transient_bytes(config, min(config.curve_samples, images_at_once(config)))


def _transient_bytes(config: TrialConfig, n: float) -> float:
    """Bytes of G's largest block for n images without gradients; of networks without blocks all
    that a backward pass would need."""
    if config.resolution is None or config.network_facts is not None:
        return n * kept_by_generator(config)
    maps = 5 if config.classes is not None else 3
    largest = max(
        low * a + 4 * low * max(0 if _folded(4 * low) else a + b, maps * b)
        for a, b, low in _generator_blocks(config)
    )
    return n * VALUE * largest


def _images_bytes(config: TrialConfig) -> float:
    if (own := config.own_images) is not None:
        each = 3.0 * own.resolution**2
        resident = each * own.images / (1 - HELD_OUT_SHARE)
        return resident if resident <= RESIDENT_BYTES else each * config.batch_size
    if config.resolution == 128:
        # The images of D's update wait for G's where the loss is one of pairs.
        kept = VALUE * config.batch_size if config.pairs_images else 0
        return (_STREAMED_AT_ONCE + kept) * 3.0 * 128**2
    return _RESIDENT_IMAGES.get(config.dataset, 2_000) * 3.0 * 32**2


def _generator_widths(config: TrialConfig) -> list[int]:
    factors = network_widths(config.resolution).generator
    return [config.generator_channels * factor for factor in factors]


def _discriminator_widths(config: TrialConfig) -> list[int]:
    factors = network_widths(config.resolution).discriminator
    return [config.channels * factor for factor in factors]


def _generator_blocks(config: TrialConfig) -> Iterator[tuple[int, int, int]]:
    """(width in, width out, pixels in) of each block."""
    widths = _generator_widths(config)
    side = (config.resolution or 0) // 2 ** (len(widths) - 1)
    for a, b in pairwise(widths):
        yield a, b, side**2
        side *= 2


def _discriminator_blocks(config: TrialConfig) -> list[tuple[int, int, float, bool]]:
    """(width in, width out, pixels in, pooled?) of each block after the first."""
    widths = _discriminator_widths(config)
    pooled = network_widths(config.resolution).pooled - 1  # the first block is not among them
    side = (config.resolution or 0) ** 2 / 4
    blocks = []
    for n, (a, b) in enumerate(pairwise(widths)):
        blocks.append((a, b, side, n < pooled))
        side /= 4 if n < pooled else 1
    return blocks
