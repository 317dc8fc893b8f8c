"""The flags on own pictures, which every command that trains has. Standard library only."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer.config.lookup import UsageError
from trainer.config.own_images import IMAGES, RESOLUTIONS, Reading

DEFAULT_RESOLUTION = 32
DATA_ROOT_HELP = (
    "where the data set lies, as torchvision unpacks it; of --dataset images a folder of pictures "
    "(folders in it are classes), a zip, a tar (WebDataset too), an .npz or .npy of uint8"
)


def add(p: argparse.ArgumentParser) -> None:
    """Adds the flags that name own pictures."""
    own = p.add_argument_group("your own pictures (--dataset images)")
    own.add_argument(
        "--resolution",
        type=int,
        metavar="N",
        help=f"side in pixels, {', '.join(map(str, RESOLUTIONS))} (default {DEFAULT_RESOLUTION})",
    )
    own.add_argument(
        "--conditional",
        action="store_true",
        help="train on the classes: folders, .cls files in a tar, labels of an .npz, or "
        "dataset.json",
    )


def add_reading(p: argparse.ArgumentParser) -> None:
    """Adds the flags on how pictures are read."""
    own = p.add_argument_group("how your own pictures are read")
    own.add_argument(
        "--fit",
        action="store_true",
        help="show the whole of a picture that is not square, not its centre",
    )
    own.add_argument(
        "--background",
        default="white",
        metavar="COLOUR",
        help="behind what is transparent, and around what --fit shows: a name or #rrggbb "
        "(default white)",
    )
    own.add_argument(
        "--skip-damaged",
        action="store_true",
        help="leave out what cannot be read, and name it (default: refuse to train)",
    )


def reading_of(args: argparse.Namespace) -> Reading:
    """How pictures are read, by the flags."""
    return Reading(fit=args.fit, background=args.background, skip_damaged=args.skip_damaged)


def check(args: argparse.Namespace, dataset: str | None) -> None:
    """Raises UsageError for flags on own pictures without --dataset images."""
    if dataset == IMAGES:
        return
    flags = {
        "--resolution": args.resolution is not None,
        "--conditional": args.conditional,
        "--fit": args.fit,
        "--background": args.background != "white",
        "--skip-damaged": args.skip_damaged,
    }
    if given := [flag for flag, is_given in flags.items() if is_given]:
        raise UsageError(f"{given[0]} is for --dataset {IMAGES}")


def shell_path(text: str) -> Path:
    """The path as the shell means it: `~` is the home folder, also in --flag=~/folder."""
    return Path(text).expanduser()
