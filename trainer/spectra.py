"""Prints the spectrum of every layer of a checkpoint: `python -m trainer.spectra FILE...`.

Any state dict will do: PyTorch's, safetensors, Chainer's. Several files in order are a course.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.config.lookup import UsageError
from trainer.spectral import SUMMARIES
from trainer.weights.checkpoints import read_tensors
from trainer.weights.monitor import summaries
from trainer.weights.stored import StoredLayer, common_layers, stored_layers

USAGE = 2
TITLES = {
    "sigma1": "sigma_1",
    "sigma2_ratio": "sigma_2/sigma_1",
    "low_share": "share < 0.5",
    "mean_ratio": "mean/sigma_1",
    "stable_rank": "stable rank",
    "effective_rank": "effective rank",
}


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m trainer.spectra",
        description="Show the singular values of every layer of a checkpoint, as it applies its "
        "weight: spectral norm and weight norm are recognised by the names of torch, mimicry, "
        "StudioGAN, BigGAN, R3GAN, Chainer's SRGANs and this trainer; scales that a network "
        "applies at run time are not in a file. Nothing in a file is executed.",
        epilog="examples: python -m trainer.spectra D.pth; python -m trainer.spectra "
        "--layers 'discriminator.*' --png course.png runs/*/checkpoint.pt; python -m "
        "trainer.spectra snapshot_iter_40000 --layers '*dis*' --json",
    )
    p.add_argument("files", nargs="+", type=Path, metavar="FILE", help="in order of training")
    p.add_argument(
        "--layers",
        action="append",
        metavar="PATTERN",
        help="layers whose names match, e.g. 'discriminator.*' (default all; can be repeated)",
    )
    p.add_argument(
        "--groups",
        action="append",
        default=[],
        metavar="PATTERN=G",
        help="convolutions of G groups: a matrix per group (a checkpoint does not say)",
    )
    p.add_argument(
        "--transposed",
        action="append",
        default=[],
        metavar="PATTERN",
        help="transposed convolutions: their outputs are the second axis",
    )
    p.add_argument(
        "--summary",
        choices=tuple(TITLES),
        default="stable_rank",
        help="what a course shows of each layer (default stable_rank)",
    )
    p.add_argument("--json", action="store_true", help="all singular values as JSON instead")
    p.add_argument("--png", type=Path, metavar="PATH", help="draw them as well")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    try:
        groups = parsed_groups(args.groups)
        patterns = tuple(args.layers or ("*",))
        if args.png is not None and not args.png.absolute().parent.is_dir():
            raise UsageError(f"--png {args.png}: no folder {args.png.absolute().parent}")
        files = [_layers(path, patterns, groups, args.transposed) for path in args.files]
        names = common_layers(files)
        if not names:
            raise UsageError("the files have no layer in common")
        if args.png is not None:
            _draw(args.png, args.files, files, names)
    except UsageError as error:
        sys.stderr.write(f"python -m trainer.spectra: {error}\n")
        return USAGE
    except OSError as error:
        sys.stderr.write(f"python -m trainer.spectra: {error.filename}: {error.strerror}\n")
        return USAGE
    if args.json:
        text = json.dumps(as_json(args.files, files), indent=1, allow_nan=False)
    elif len(files) == 1:
        text = table(files[0])
    else:
        text = course(args.files, files, names, args.summary)
    sys.stdout.write(f"{text}\n")
    return 0


def parsed_groups(pairs: Sequence[str]) -> dict[str, int]:
    """`PATTERN=G` pairs; UsageError for anything else."""
    groups = {}
    for pair in pairs:
        pattern, _, count = pair.rpartition("=")
        if not pattern or not count.isdigit() or int(count) < 1:
            raise UsageError(f"--groups {pair}: a pattern and a number, e.g. 'conv2=32'")
        groups[pattern] = int(count)
    return groups


def _layers(
    path: Path, patterns: Sequence[str], groups: Mapping[str, int], transposed: Sequence[str]
) -> list[StoredLayer]:
    tensors = read_tensors(path)
    try:
        return stored_layers(tensors, patterns=patterns, groups=groups, transposed=transposed)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def table(layers: Sequence[StoredLayer]) -> str:
    """A line per layer with the summaries of its spectrum, of blocks their median."""
    rows = [("layer", "shape", "weight", "r", *TITLES.values())]
    for layer in layers:
        values = summaries({layer.name: layer.sigma})
        blocks, r = layer.sigma.shape
        rows.append(
            (
                layer.name,
                "x".join(map(str, layer.shape)),
                layer.weight,
                str(r) if blocks == 1 else f"{blocks} of {r}",
                *(f"{values[name][0]:.4g}" for name in TITLES),
            )
        )
    return aligned(rows)


def course(
    paths: Sequence[Path],
    files: Sequence[Sequence[StoredLayer]],
    names: Sequence[str],
    summary: str,
) -> str:
    """A column per file with one summary of every layer that all files have."""
    rows = [(TITLES[summary], *labels(paths))]
    by_name = [{layer.name: layer for layer in layers} for layers in files]
    for name in names:
        values = [summaries({name: group[name].sigma})[summary][0] for group in by_name]
        rows.append((name, *(f"{value:.4g}" for value in values)))
    return aligned(rows)


def labels(paths: Sequence[Path]) -> list[str]:
    """The names of the files, or what tells their paths apart where names are equal."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    common = os.path.commonpath([path.absolute().parent for path in paths])
    return [os.path.relpath(path.absolute(), common) for path in paths]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """The rows as columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def as_json(paths: Sequence[Path], files: Sequence[Sequence[StoredLayer]]) -> dict[str, Any]:
    """Files with their layers; what is not finite is null."""
    return {
        "files": [
            {"file": str(path), "layers": [_layer_as_json(layer) for layer in layers]}
            for path, layers in zip(paths, files, strict=True)
        ]
    }


def _layer_as_json(layer: StoredLayer) -> dict[str, Any]:
    values = summaries({layer.name: layer.sigma})
    return {
        "name": layer.name,
        "shape": list(layer.shape),
        "weight": layer.weight,
        **{name: _finite(values[name][0]) for name in ("sigma1", *SUMMARIES)},
        "sigma": [[_finite(value) for value in block] for block in layer.sigma.tolist()],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _draw(
    png: Path,
    paths: Sequence[Path],
    files: Sequence[Sequence[StoredLayer]],
    names: Sequence[str],
) -> None:
    """Writes the PNG beside its place and renames it, so that no half of it is ever seen."""
    try:
        import PIL  # noqa: F401

        from trainer.spectrum_plot import plot
    except ImportError as error:
        raise UsageError("--png needs Pillow: pip install 'srgan-sweep[trainer]'") from error
    by_name = [{layer.name: layer.sigma for layer in layers} for layers in files]
    content = plot({name: [group[name] for group in by_name] for name in names}, labels(paths))
    with tempfile.NamedTemporaryFile(dir=png.absolute().parent, delete=False) as file:
        file.write(content)
    os.replace(file.name, png)


if __name__ == "__main__":
    sys.exit(main())
