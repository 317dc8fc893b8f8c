"""The flags on a person's own networks, loss and augmentation. Standard library only."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from trainer.config.own_code import NetworkFacts, NetworkSizes, OwnCode, source_hash

Check = Callable[[OwnCode, NetworkSizes], NetworkFacts | None]


def add(p: argparse.ArgumentParser) -> None:
    """Adds the flags that name a person's own code."""
    own = p.add_argument_group("your own code (import paths, from the current folder too)")
    own.add_argument(
        "--networks",
        metavar="MODULE:FUNCTION",
        help="of a function that builds (G, D): it is called with those of resolution, channels, "
        "generator_channels, latent_size and classes that it names; G(z[B, latent_size]) are "
        "images [B, 3, H, H] in [-1, 1], and D of images is [B] or [B, 1]; with classes both take "
        "labels, too",
    )
    own.add_argument(
        "--loss",
        metavar="MODULE:FUNCTION",
        help="of a function loss(real, fake) -> (L_D, L_G) of D's outputs [B] on real and on "
        "generated images, each a mean over B, in the place of the method's",
    )
    own.add_argument(
        "--augment",
        metavar="MODULE:FUNCTION",
        help="of a differentiable function augment(images) -> images, through which D sees every "
        "image in training; it draws from torch's own random numbers",
    )


def code_of(args: argparse.Namespace, check: Callable[[], Check]) -> OwnCode | None:
    """The code that the flags name, resolved now; None without any. `check` gives what tries it.

    Raises UsageError for a path that does not resolve.
    """
    entries = {name: getattr(args, name) for name in ("networks", "loss", "augment")}
    given = {name: entry for name, entry in entries.items() if entry is not None}
    if not given:
        return None
    sources = {f"{name}_source": source_hash(entry) for name, entry in given.items()}
    return OwnCode(**given, **sources, check=check())
