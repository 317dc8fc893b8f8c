"""Layers of a checkpoint by the names that libraries give to weights and to what normalizes them.

| who | raw weight | beside it |
|---|---|---|
| torch | weight | |
| torch's old hooks, mimicry, StudioGAN | weight_orig; weight_v | weight_u, weight_v; weight_g |
| torch's parametrizations | parametrizations.weight.original(1) | 0._u, 0._v; original0 |
| BigGAN; older mimicry | weight | u0; sn_u |
| this trainer | weight | u, v |
| Chainer with the released links (SRGANs) | W | u |

Groups and transposed convolutions are not in a checkpoint: of R3GAN's grouped layer they are known
by its name, of others the reader names them.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from trainer.config.lookup import UsageError
from trainer.weights import layouts
from trainer.weights.layer import block_spectra
from trainer.weights.layouts import Layout
from trainer.weights.origins import row_norms, vector_norm

_RAW = re.compile(
    r"^(?P<name>.*?)[./]?(?P<raw>parametrizations\.\w+\.original1?|weight_orig|weight_v|W|"
    r"(?:\w+_)?weight)$"
)
_R3GAN_GROUPED = re.compile(r"LinearLayer2\.Layer$")


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """sigma[blocks, r] in float64 of the weight as its layer applies it, as far as the file tells:
    `weight` is `raw`, `spectral norm` or `weight norm`."""

    name: str
    shape: tuple[int, ...]
    weight: str
    sigma: Tensor


def stored_layers(
    tensors: Mapping[str, Tensor],
    *,
    patterns: Sequence[str] = ("*",),
    groups: Mapping[str, int] | None = None,
    transposed: Sequence[str] = (),
) -> list[StoredLayer]:
    """The layers with two singular values or more whose names match one of the shell patterns.

    `groups` and `transposed` tell by pattern which convolutions are. Raises UsageError where no
    layer is left, and for groups that do not divide a weight.
    """
    layers = []
    for key, tensor in tensors.items():
        match = _RAW.match(key)
        if match is None or tensor.dim() < 2:
            continue
        name = match["name"].replace("/", ".").strip(".") or key
        if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            continue
        layout = _layout(name, tensor, groups or {}, transposed)
        if layout.r < 2:
            continue
        kind, sigma = _applied(key, match["raw"], tensor, tensors, layout)
        layers.append(StoredLayer(name, tuple(tensor.shape), kind, sigma))
    if not layers:
        raise UsageError(
            f"no weights among the {len(tensors)} tensors"
            + (f" match {', '.join(patterns)}" if patterns != ("*",) else "")
            + f"; the first are {', '.join(list(tensors)[:3])}"
        )
    return layers


def _layout(
    name: str, tensor: Tensor, groups: Mapping[str, int], transposed: Sequence[str]
) -> Layout:
    count = next((g for pattern, g in groups.items() if fnmatch.fnmatch(name, pattern)), 1)
    if _R3GAN_GROUPED.search(name) and count == 1 and tensor.dim() == 4:
        count = max(1, tensor.shape[0] // tensor.shape[1])
    if count < 1 or tensor.shape[0] % count:
        raise UsageError(f"{name}: {count} groups do not divide its shape {tuple(tensor.shape)}")
    if tensor.dim() > 2 and any(fnmatch.fnmatch(name, pattern) for pattern in transposed):
        return layouts.transposed_convolution(tensor.shape, count)
    return layouts.convolution(tensor.shape, count)


def _applied(
    key: str, raw: str, tensor: Tensor, tensors: Mapping[str, Tensor], layout: Layout
) -> tuple[str, Tensor]:
    """(how the weight is normalised, its sigma[blocks, r])."""
    stem = key.removesuffix(raw)
    gain = _first(tensors, stem, _gains(raw))
    if gain is not None:
        axis = next(
            (a for a, side in enumerate(tensor.shape) if side == gain.numel() and side > 1), None
        )
        shape = [-1 if a == axis else 1 for a in range(tensor.dim())]
        factor = gain.double().flatten() / row_norms(tensor.double(), axis)
        weight = tensor.double() * factor.reshape(shape)
        return "weight norm", block_spectra(layout.matrices(weight))
    sigma = block_spectra(layout.matrices(tensor))
    u, v = _first(tensors, stem, _lefts(raw)), _first(tensors, stem, _rights(raw))
    if u is None:
        return "raw", sigma
    for axis in (0, 1):
        matrix = tensor.double().movedim(axis, 0).flatten(1)
        if u.numel() == matrix.shape[0] and (v is None or v.numel() == matrix.shape[1]):
            norm = vector_norm(matrix, u, v)
            # Vectors of zeros stand beside a weight that is not normalised.
            return ("spectral norm", sigma / norm) if norm else ("raw", sigma)
    return "raw", sigma


def _first(tensors: Mapping[str, Tensor], stem: str, names: Sequence[str]) -> Tensor | None:
    return next((tensors[stem + name] for name in names if stem + name in tensors), None)


def _gains(raw: str) -> tuple[str, ...]:
    if raw == "weight_v":
        return ("weight_g",)
    return (raw[:-1] + "0",) if raw.endswith("original1") else ()


def _lefts(raw: str) -> tuple[str, ...]:
    if raw.startswith("parametrizations"):
        return (raw.rpartition(".")[0] + ".0._u",)
    return ("weight_u",) if raw == "weight_orig" else ("u0", "sn_u", "u")


def _rights(raw: str) -> tuple[str, ...]:
    if raw.startswith("parametrizations"):
        return (raw.rpartition(".")[0] + ".0._v",)
    return ("weight_v",) if raw == "weight_orig" else ("v",)


def common_layers(files: Sequence[Sequence[StoredLayer]]) -> list[str]:
    """Names of the layers that every file has, in the order of the first."""
    names = [{layer.name for layer in layers} for layers in files]
    return [layer.name for layer in files[0] if all(layer.name in group for group in names)]
