"""Costs of a run, from its configuration alone. Standard library only.

Multiply-adds of convolutions and linear layers; a backward pass counts as two forward passes.
`operations` is what every method has in common, and orders trials by length. `work` adds what a
method's second derivatives and the evaluations cost, and `launches` counts the operators that a
device is told to run, for time that goes by however small the tensors are.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from itertools import pairwise
from operator import attrgetter

from trainer.config.methods import METHODS, OF_INPUT_GRADIENTS
from trainer.config.picture_gauge import is_gauged
from trainer.config.settings import LAYERS, USUAL_LAYERS, network_widths
from trainer.config.trial import TrialConfig

# From this side in pixels on, a 3x3 convolution after upsampling or before pooling is one 4x4
# convolution of stride 2: 16 taps for 4 pixels. Below it the fold does not pay on a CPU.
FOLDED_FROM = 16
# Forward passes (of G, of D) per image, counted by torch in the real updates. A penalised gradient
# adds these to those in `operations`, and so does bCR's pass of D on both augmented images; those
# of players that step at once are instead of them.
_GRADIENT_PENALTY = (0, 6)
# Forward passes of D per real and generated image and per update of D that G foresees.
_UNROLLED = 8.5
_SIMULTANEOUS = {None: (3, 8), "jare": (9, 26), "conopt": (11, 28)}
# 20 Lanczos products on each image, for G's Hessian and for D's (real and generated); at least
# these images, for its eigenvectors are noisy.
HESSIAN_IMAGES = 256
_HESSIAN_OF_G = (123, 62)
_HESSIAN_OF_D = (1, 246)
# Per evaluation: D(x) on 512 training, held-out and generated images, and a grid of 64 samples.
_MONITORED_BY_D, _MONITORED_FROM_G = 3 * 512, 512 + 64
# Images that an evaluation gives to a network at once, and their pixels: as many as 1,000 of 32x32
# have. More, of 128x128, would hold several times the memory of a training pass.
_MOST_AT_ONCE, _PIXELS_AT_ONCE = 1_000, 1_000 * 32**2
# Multiply-adds per 299x299 image of the Inception network that IS and FID come from.
_INCEPTION = 5.7e9
# The same of FD-pictures' extractor, whose pictures are 32x32: 196 patches of 108 values.
_GAUGE = 196 * 108 * (108 + 128)
# Operators on a CPU, lists of tensors counted each, per D update and per G update at up to 32
# pixels, at more by as much more as D has layers; where G is normalised, as on ImageNet, per
# iteration and per micro-batch in it. All with spectral normalisation; views do not count.
_SMALL_OPERATORS = (378, 305)
_LARGE_OPERATORS = (504, 1275)
# Per D update with a gradient penalty, which comes without spectral normalisation.
_PENALISED_OPERATORS = 440
# With D's updates foreseen: per D update, without spectral normalisation, and per foreseen one.
_UNROLLED_OPERATORS = (253, 1019)
# Of an update of D and of one of G with augmented images, and of D's with those beside.
_AUGMENTED_OPERATORS, _CONSISTENCY_OPERATORS = (67, 47), 262
# Per D update where the loss is one of pairs, which comes without spectral normalisation, too.
_PAIRED_OPERATORS = {None: 249, "r1r2": 357}
# The same of an iteration of players that step at once.
_SIMULTANEOUS_OPERATORS = {None: 376, "jare": 1852, "conopt": 2012}

# Launches on a GPU, lists of tensors in one, of the same iterations on fake tensors: per update of
# D, per part of its batch, per update of G, per part of its batch, at up to 32 pixels.
_SMALL_LAUNCHES = {
    "sn": (60, 122, 38, 139),
    "none": (33, 122, 33, 139),
    "wn": (33, 300, 33, 174),
    "orthonormal": (173, 122, 33, 139),
    "srip": (482, 122, 33, 139),
    "lecam": (66, 152, 38, 139),
    "bcr": (60, 235, 38, 139),
    "augments": (60, 180, 38, 186),
    "input gradients": (33, 301, 33, 141),
    "paired": (33, 118, 33, 171),
    "paired, r1r2": (33, 226, 33, 171),
}
# The same on ImageNet, where G is normalised.
_LARGE_LAUNCHES = (206, 275, 210, 408)
_FORESEEN_LAUNCHES = 993
_SIMULTANEOUS_LAUNCHES = {None: 286, "jare": 1751, "conopt": 1914}
# A projection of D's ten layers in stacks; SN's W_SR takes more of an update in place of it.
_PROJECTION_LAUNCHES, _REPARAM_LAUNCHES = 124, 342


# One core: fitted to 52 whole trials of the digits profile, two at a time on two cores of a Xeon
# (AVX-512) in November 2026. Half of them are within 7 % of it, all within a factor of 1.5.
CPU_LAUNCH_SECONDS = 55e-6
CPU_FLOPS_PER_SECOND = 54e9

# More kinds of trials than this are not remembered at once: thirty times Table I.
MOST_KINDS = 1600
_KIND = attrgetter(*(f.name for f in dataclasses.fields(TrialConfig) if f.name != "seed"))


def per_kind(cost: Callable[[TrialConfig], float]) -> Callable[[TrialConfig], float]:
    """Remembers a cost by all of the configuration but the seed, which changes none.

    A sweep of thousands of trials has few kinds, and asks for their costs again and again.
    """
    costs: dict[tuple[object, ...], float] = {}

    @functools.wraps(cost)
    def remembered(config: TrialConfig) -> float:
        kind = _KIND(config)
        if kind not in costs:
            if len(costs) >= MOST_KINDS:
                costs.clear()
            costs[kind] = cost(config)
        return costs[kind]

    return remembered


@per_kind
def operations(config: TrialConfig) -> float:
    """Multiply-adds of the whole run, forward and backward.

    D sees real and generated images in each of its updates and generated ones once more in G's.
    """
    generator, discriminator = network_operations(config)
    d_update = config.batch_size * (generator + 6 * discriminator)
    g_update = config.generator_batch_size * (3 * generator + 2 * discriminator)
    return config.iterations * (config.n_critic * d_update + g_update)


@per_kind
def work(config: TrialConfig) -> float:
    """Multiply-adds of all that a run does: its method's training, Hessians and evaluations.

    Left out for being small: singular values, power iterations, weight penalties.
    """
    generator, discriminator = network_operations(config)

    def passes(pair: tuple[int, int]) -> float:
        return pair[0] * generator + pair[1] * discriminator

    method = METHODS[config.method]
    total = operations(config)
    if method.simultaneous:
        total = config.iterations * config.batch_size * passes(_SIMULTANEOUS[method.penalty])
    elif method.penalty in (*OF_INPUT_GRADIENTS, "bcr"):
        updates = config.iterations * config.n_critic
        total += updates * config.batch_size * passes(_GRADIENT_PENALTY)
    if config.pairs_images:
        # D(x) on real images for G's update.
        total += config.iterations * config.batch_size * discriminator
    if config.unrolled_steps is not None:
        images = config.batch_size + config.generator_batch_size
        each = images * config.unrolled_steps * _UNROLLED * discriminator
        total += config.iterations * each
    return total + _hessian_work(config) + _evaluation(config, generator, discriminator)


def _hessian_work(config: TrialConfig) -> float:
    """Multiply-adds of all eigenvectors of the Hessian that NuGAN needs or that are logged."""
    (g_of_g, d_of_g), (g_of_d, d_of_d) = _HESSIAN_OF_G, _HESSIAN_OF_D
    generator, discriminator = network_operations(config)
    of_g = hessian_images(config) * (g_of_g * generator + d_of_g * discriminator)
    of_d = HESSIAN_IMAGES * (g_of_d * generator + d_of_d * discriminator)
    nudges = math.ceil(config.iterations / config.nudge_every) if config.nudge_every else 0
    logged = evaluations(config) if config.hessian_k else 0
    return nudges * of_g + logged * (of_g + of_d)


def hessian_warning(config: TrialConfig) -> str | None:
    """A line where the Hessian costs more than all the rest, as in a short run of NuGAN."""
    share = _hessian_work(config) / work(config)
    if share < 0.5:
        return None
    when = f"every {config.nudge_every} iterations" if config.nudge_every else "at evaluations"
    minutes = math.ceil(cpu_seconds(config) / 60)
    expected = f" of about {minutes} min in all" if config.device == "cpu" else ""
    return (
        f"{share:.0%} of the expected work{expected} is for eigenvectors of the Hessian, at the "
        f"start and then {when}"
    )


def evaluations(config: TrialConfig) -> int:
    """Number of evaluations from iteration 0 to the last."""
    return 1 + math.ceil(config.iterations / config.evaluate_every)


def hessian_images(config: TrialConfig, minimum: int = HESSIAN_IMAGES) -> int:
    """Number of images that the Hessian of G's loss is of: a part of its batch, or `minimum`."""
    return max(minimum, config.generator_batch_size * config.micro_batch // config.batch_size)


def images_at_once(config: TrialConfig) -> int:
    """Number of images, or points, that a network is given at once in an evaluation.

    On a CPU, which has more memory, as many of every size: parts would change last bits of D(x).
    """
    if config.device_type == "cpu":
        return _MOST_AT_ONCE
    pixels = (config.resolution or 1) ** 2
    return min(_MOST_AT_ONCE, max(1, _PIXELS_AT_ONCE // pixels))


def _evaluation(config: TrialConfig, generator: float, discriminator: float) -> float:
    """Of all evaluations together, with the scores of the final state."""
    n = evaluations(config)
    total = n * (_MONITORED_BY_D * discriminator + _MONITORED_FROM_G * generator)
    own_scores = config.resolution is None or config.dataset.startswith("digits")
    if config.scorer is None and not own_scores:
        return total
    scored = generator
    if not own_scores:
        scored += _GAUGE if is_gauged(config.scorer) else _INCEPTION
    # By G, and by its moving average.
    return total + 2 * (n * config.curve_samples + config.final_samples) * scored


@per_kind
def cpu_seconds(config: TrialConfig) -> float:
    """Seconds of the whole trial on a CPU like the one that was measured, as if several ranks lost
    no time to each other."""
    seconds = _operators(config) * CPU_LAUNCH_SECONDS
    seconds += 2 * work(config) / (CPU_FLOPS_PER_SECOND * config.threads)
    return seconds / config.ranks


@per_kind
def launches(config: TrialConfig) -> float:
    """Operators that a GPU is told to run in all training iterations, each a kernel or more."""
    parts = config.batch_size // config.micro_batch
    method = METHODS[config.method]
    layers = LAYERS.get(config.resolution or 0, USUAL_LAYERS)
    if config.network_facts is not None:
        return _operators(config)
    if method.simultaneous:
        each = parts * _SIMULTANEOUS_LAUNCHES[method.penalty] * layers / USUAL_LAYERS
        return float(config.iterations * each)
    is_large = config.generator_normalisation != "none"
    d, d_part, g, g_part = _LARGE_LAUNCHES if is_large else _SMALL_LAUNCHES[_kind(config)]
    if config.unrolled_steps is not None:
        g_part += _FORESEEN_LAUNCHES * config.unrolled_steps
    scale = 1 if is_large else layers / USUAL_LAYERS
    # Larger networks have more shapes of weights, too (fitted at 64 and 128 pixels, to 7 %).
    each = scale**1.5 * (config.n_critic * d + g)
    each += scale * parts * (config.n_critic * d_part + g_part)
    if method.reparametrised:
        each += _REPARAM_LAUNCHES
    elif config.projection_period is not None:
        each += _PROJECTION_LAUNCHES * config.n_critic / config.projection_period
    return float(config.iterations * each)


def _kind(config: TrialConfig) -> str:
    """The row of launches that the method belongs to."""
    method = METHODS[config.method]
    if config.loss == "relativistic":
        return "paired, r1r2" if method.penalty == "r1r2" else "paired"
    if method.penalty in OF_INPUT_GRADIENTS:
        return "input gradients"
    if method.penalty in _SMALL_LAUNCHES:
        return str(method.penalty)
    return "augments" if method.augments else method.normalisation


def _operators(config: TrialConfig) -> float:
    """Operators of all training iterations on a CPU, lists of tensors counted each."""
    parts = config.batch_size // config.micro_batch
    method = METHODS[config.method]
    if config.network_facts is not None:
        each = parts * _own_operators(config, *config.network_facts.operators)
    elif method.simultaneous:
        each = parts * _SIMULTANEOUS_OPERATORS[method.penalty]
    elif config.generator_normalisation != "none":
        fixed, part = _LARGE_OPERATORS
        each = fixed + parts * part * (1 + config.n_critic) / 2
    else:
        d, g = _SMALL_OPERATORS
        d = _PENALISED_OPERATORS if method.penalty in OF_INPUT_GRADIENTS else d
        if method.augments:
            d, g = d + _AUGMENTED_OPERATORS[0], g + _AUGMENTED_OPERATORS[1]
        d += _CONSISTENCY_OPERATORS if method.penalty == "bcr" else 0
        if config.unrolled_steps is not None:
            d, foreseen = _UNROLLED_OPERATORS
            g += foreseen * config.unrolled_steps
        d = _PAIRED_OPERATORS[method.penalty] if config.loss == "relativistic" else d
        layers = LAYERS.get(config.resolution or 0, USUAL_LAYERS)
        each = parts * (config.n_critic * d + g) * layers / USUAL_LAYERS
    return float(config.iterations * each)


def _own_operators(config: TrialConfig, g: float, d: float) -> float:
    """Operators of an iteration of a person's own networks, of g and d in a forward pass: twice as
    many on the way back, and for a gradient penalty once more both ways."""
    d_passes = 2 * 3.0 * d
    if METHODS[config.method].penalty in OF_INPUT_GRADIENTS:
        d_passes *= 2
    return config.n_critic * (g + d_passes) + 3 * (g + d)


def network_operations(config: TrialConfig) -> tuple[float, float]:
    """Multiply-adds per image of G and of D, one forward pass each; a pack shares D's."""
    if config.network_facts is not None:
        return config.network_facts.operations
    g, d, m = config.generator_channels, config.channels, config.packing or 1
    if config.resolution is None:
        return config.latent_size * g + 3.0 * g * g + 2 * g, 2 * d + (3.0 * d * d + d) / m
    return _generator(config), _discriminator(config)


def folds(side: int) -> bool:
    """True if a convolution is folded with its resampling, by the larger side in pixels."""
    return side >= FOLDED_FROM


def _resampled_taps(side: int) -> int:
    """Taps per pixel of the larger map of a 3x3 convolution after upsampling or before pooling."""
    return 4 if folds(side) else 9


def _generator(config: TrialConfig) -> float:
    factors = network_widths(config.resolution).generator
    widths = [config.generator_channels * factor for factor in factors]
    side = (config.resolution or 0) // 2 ** (len(widths) - 1)
    total = float(config.latent_size * widths[0] * side**2)
    for a, b in pairwise(widths):
        total += side**2 * a * b
        side *= 2
        total += side**2 * (_resampled_taps(side) * a * b + 9 * b * b)
    return total + side**2 * 27 * widths[-1]


def _discriminator(config: TrialConfig) -> float:
    shape = network_widths(config.resolution)
    widths = [config.channels * factor for factor in shape.discriminator]
    side, m = config.resolution or 0, config.packing or 1
    total = side**2 * (27.0 * m * widths[0] + _resampled_taps(side) * widths[0] ** 2)
    side //= 2
    total += side**2 * 3 * m * widths[0]
    for block, (a, b) in enumerate(pairwise(widths), start=1):
        down = block < shape.pooled
        total += side**2 * (9 * a * a + (_resampled_taps(side) if down else 9) * a * b)
        if down:
            side //= 2
            total += side**2 * a * b
    return (total + widths[-1]) / m
