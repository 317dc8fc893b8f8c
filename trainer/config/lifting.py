"""Which singular values a trial lifts, layer by layer, by its configuration alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from trainer.config.settings import TOY_HIDDEN_LAYERS, network_widths
from trainer.config.trial import TrialConfig


def layer_ranks(config: TrialConfig) -> tuple[int, ...]:
    """r = min(out, in * kh * kw) of D's regularised layers, layer_0 first."""
    if config.network_facts is not None:
        return config.network_facts.ranks
    return tuple(min(rows, columns) for rows, columns in _matrices(config))


def lifted_counts(config: TrialConfig) -> tuple[int, ...] | None:
    """i = max(1, floor(i_ratio * r)) of every layer; None where the method lifts no first i."""
    i_ratio = config.i_ratio
    if i_ratio is None:
        return None
    return tuple(max(1, math.floor(i_ratio * rank)) for rank in layer_ranks(config))


def lifts_nothing(config: TrialConfig) -> bool:
    """True if i is 1 in every layer: only sigma_1 is lifted, and that to itself."""
    counts = lifted_counts(config)
    return bool(counts) and set(counts) == {1}


def warnings(trials: Iterable[TrialConfig]) -> list[str]:
    """A line on those of `trials` whose i is 1 in every layer, for each method of them."""
    methods = Counter(config.method for config in trials if lifts_nothing(config))
    return [
        f"i is 1 in every layer of D in {count} trial{'s' * (count > 1)} of {method}: no singular "
        f"value is lifted, and the numbers are those of {_WITHOUT_LIFT[method]}; a larger "
        "--i-ratio lifts some"
        for method, count in methods.items()
    ]


# Whose numbers a method has where its lift does nothing.
_WITHOUT_LIFT = {"sr-static": "sn-renorm", "sr-lift": "sn", "sr-static-reparam": "sn"}


def _matrices(config: TrialConfig) -> Iterator[tuple[int, int]]:
    """Rows and columns of the weight matrices, in the order of D's `regularised_layers`."""
    packing = config.packing or 1
    if config.resolution is None:
        if config.dataset == "affine":
            return
        sizes = [2 * packing, *TOY_HIDDEN_LAYERS * [config.channels]]
        yield from ((out, features) for features, out in pairwise(sizes))
        return
    shape = network_widths(config.resolution)
    widths = [config.channels * factor for factor in shape.discriminator]
    yield from _block(3 * packing, widths[0], widths[0], shortcut=True)
    for block, (narrow, wide) in enumerate(pairwise(widths), start=1):
        yield from _block(narrow, narrow, wide, shortcut=block < shape.pooled)


def _block(features: int, inner: int, out: int, *, shortcut: bool) -> Iterator[tuple[int, int]]:
    yield inner, 9 * features
    yield out, 9 * inner
    if shortcut:
        yield out, features
