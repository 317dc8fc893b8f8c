"""`python -m trainer.generate`: draws images with a trained generator."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from trainer.config.lookup import UsageError
from trainer.data.images import quantise
from trainer.generator_file import TrainedGenerator, load_generator
from trainer.randomness import generator
from trainer.run import check_device

EPILOG = """\
examples:
  python -m trainer.generate run/checkpoint.pt --n 10 --out pictures
  curl -o best.safetensors http://localhost:8000/trials/ID/generator
  python -m trainer.generate best.safetensors --n 10000 --out samples.npz
An image depends on its number and the seed alone: the first 10 of 10000 are those of --n 10. A
folder and a zip hold PNGs 00000.png and on; an npz holds arr_0, uint8 [n, H, W, 3], as tools for
FID read it, and where training is conditional arr_1, the labels.
exit code: 0, 2 bad input, 130 interrupted
"""
# Images that are drawn together; part of which image has which number.
AT_ONCE = 250
MOST_IMAGES = 10_000_000
PROGRESS_SECONDS = 5.0


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (--help lists what there is)")


def parser() -> Parser:
    p = Parser(
        prog="python -m trainer.generate",
        description="Draws images with the generator of a checkpoint, or of a .safetensors file "
        "from the service.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help=".pt or .safetensors")
    p.add_argument("--n", type=int, default=64, help="images (default 64)")
    p.add_argument(
        "--out", type=Path, required=True, metavar="DIR|FILE", help="a new folder, .npz or .zip"
    )
    p.add_argument("--seed", type=int, default=0, help="default 0")
    p.add_argument(
        "--label", type=int, metavar="K", help="of every image, where training was conditional"
    )
    p.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    p.add_argument(
        "--networks",
        metavar="MODULE:FUNCTION",
        help="that the run was trained with, if they were your own",
    )
    return p


def main(argv: list[str] | None = None) -> int:
    """Draws and writes; returns the exit code."""
    try:
        return _generate(parser().parse_args(argv))
    except UsageError as error:
        sys.stderr.write(f"python -m trainer.generate: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"python -m trainer.generate: cannot write: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _generate(args: argparse.Namespace) -> int:
    if not 1 <= args.n <= MOST_IMAGES:
        raise UsageError(f"--n is 1 to {MOST_IMAGES}, not {args.n}")
    if args.seed < 0:
        raise UsageError(f"--seed is 0 or more, not {args.seed}")
    check_device(args.device)
    check_out(args.out)
    trained = load_generator(args.checkpoint, args.device, args.networks)
    if trained.config.resolution is None:
        raise UsageError(
            f"{trained.trial_id} draws points in the plane, not images: its samples are pictures"
        )
    classes = trained.config.classes
    if args.label is not None and (classes is None or not 0 <= args.label < classes):
        there = (
            "its training had no labels" if classes is None else f"labels are 0 to {classes - 1}"
        )
        raise UsageError(f"--label {args.label}: {there}")
    drawn = images(trained, args.n, args.seed, args.label)
    write(args.out, _with_progress(drawn, args.n), args.n)
    sys.stdout.write(
        f"{args.out}: {args.n} images of {trained.trial_id} at iteration {trained.iteration}\n"
    )
    return 0


def check_out(out: Path) -> None:
    """Raises UsageError for a place that is taken, or whose folder is not there."""
    if out.is_dir() and out.suffix not in (".npz", ".zip") and not any(out.iterdir()):
        return
    if out.exists():
        raise UsageError(f"{out} is there already: name a new folder, .npz or .zip")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"cannot write {out}: there is no folder {out.parent}")


Batch = tuple[Tensor, Tensor | None]


@torch.no_grad()
def images(
    trained: TrainedGenerator, n: int, seed: int, label: int | None = None
) -> Iterator[Batch]:
    """Draws (uint8 [b, H, W, 3], labels [b] or None) until there are `n`.

    Latent vectors are drawn on the CPU, whatever the device.
    """
    config = trained.config
    for k in range(0, n, AT_ONCE):
        rng = generator("cpu", seed, k // AT_ONCE, "generated images")
        z = torch.randn(AT_ONCE, config.latent_size, generator=rng)
        labels = None
        if config.classes is not None:
            labels = torch.randint(config.classes, (AT_ONCE,), generator=rng)
            labels = labels if label is None else torch.full_like(labels, label)
        # Always as many at once, that an image is the same bits in any number of them.
        on_device = None if labels is None else labels.to(config.device)
        pixels = quantise(trained.network(z.to(config.device), on_device))
        b = min(AT_ONCE, n - k)
        yield pixels[:b].permute(0, 2, 3, 1).cpu(), None if labels is None else labels[:b]


def _with_progress(batches: Iterable[Batch], n: int) -> Iterator[Batch]:
    done, last = 0, time.monotonic()
    for batch in batches:
        yield batch
        done += len(batch[0])
        if time.monotonic() - last > PROGRESS_SECONDS:
            last = time.monotonic()
            sys.stderr.write(f"{done} of {n} images\n")


def write(out: Path, batches: Iterable[Batch], n: int) -> None:
    """Writes the images as the ending of `out` says: whole, or nothing."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        if out.suffix == ".npz":
            _write_npz(temporary, batches)
        elif out.suffix == ".zip":
            with zipfile.ZipFile(temporary, "w") as archive:
                for name, content in _pngs(batches, n):
                    archive.writestr(name, content)
        else:
            temporary.mkdir()
            for name, content in _pngs(batches, n):
                (temporary / name).write_bytes(content)
        temporary.replace(out)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write_npz(path: Path, batches: Iterable[Batch]) -> None:
    parts, labels = [], []
    for pixels, of_labels in batches:
        parts.append(pixels.numpy())
        if of_labels is not None:
            labels.append(of_labels.numpy())
    arrays = [np.concatenate(parts), *([np.concatenate(labels)] if labels else [])]
    with path.open("wb") as file:
        np.savez(file, *arrays)


def _pngs(batches: Iterable[Batch], n: int) -> Iterator[tuple[str, bytes]]:
    """Yields (name, PNG), numbered with as many digits as the last one has, 5 at least."""
    from PIL import Image

    digits, number = max(5, len(str(n - 1))), 0
    for pixels, _ in batches:
        for image in pixels.numpy():
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            yield f"{number:0{digits}}.png", buffer.getvalue()
            number += 1


if __name__ == "__main__":
    sys.exit(main())
