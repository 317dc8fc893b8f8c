"""The flags of every command that trains, and what they say on how a plan is run."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from sweep.options import Options
from sweep.weights import Weights, find_weights
from trainer.settings import PROFILES, UsageError

EVERY_SWEEP = """\

The same command again runs what is missing, whatever ended the last one. More seeds or settings
train only what is new. Results lie in --results, else in $SWEEP_RESULTS, else in ./results.

exit code: 0 all trials completed or collapsed, 2 bad input, 3 some failed, 130 interrupted
"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (--help lists what there is)")


def parser(name: str, description: str, examples: str) -> Parser:
    """A parser of `python -m sweep.NAME`, without flags yet."""
    return Parser(
        prog=f"python -m sweep.{name}",
        description=description,
        epilog=examples + EVERY_SWEEP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def profile_flag(p: Parser) -> None:
    p.add_argument("--profile", default="paper", help=f"{' or '.join(PROFILES)} (default paper)")


def running_flags(p: Parser) -> None:
    """How a plan is run and where; nothing here changes a number."""
    p.add_argument("--results", metavar="DIR|URI", help="where results are kept")
    p.add_argument("--name", help="of the sweep (default: derived from the plan)")
    p.add_argument("--max-concurrent", type=int, metavar="N", help="default: as many as fit")
    p.add_argument("--data-root", type=Path, metavar="DIR", help="where torchvision's data lie")
    p.add_argument("--download", action="store_true", help="download data sets that are missing")
    p.add_argument(
        "--inception-weights",
        type=Path,
        metavar="FILE",
        help="for IS and FID, at this path on every node (default: INCEPTION_WEIGHTS)",
    )
    p.add_argument(
        "--allow-other-weights",
        action="store_true",
        help="take a file that is not the reference one; every number is marked",
    )
    p.add_argument(
        "--require-scores", action="store_true", help="refuse to train without IS and FID"
    )
    p.add_argument("--dry-run", action="store_true", help="show the plan and start nothing")
    p.add_argument("--json", action="store_true", help="one JSON object per line on stdout")
    p.add_argument(
        "--fresh", action="store_true", help="remove what these trials have and train them again"
    )
    p.add_argument(
        "--stop-on-collapse",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="end a trial when its verdict says so (default yes)",
    )
    p.add_argument(
        "--controls",
        action="store_true",
        help="at the end, also score real images, noise and a constant (digits)",
    )


def check(args: argparse.Namespace) -> None:
    """Raises UsageError for a value that no run could use."""
    if args.max_concurrent is not None and args.max_concurrent < 1:
        raise UsageError(f"--max-concurrent must be at least 1, but got {args.max_concurrent}")


def weights_of(args: argparse.Namespace) -> Weights:
    """The Inception weights that the flags name. Raises UsageError."""
    return find_weights(
        args.profile,
        args.inception_weights,
        allow_other=args.allow_other_weights,
        required=args.require_scores,
    )


def options_of(name: str, args: argparse.Namespace, weights: Weights) -> Options:
    return Options(
        results=args.results,
        name=args.name,
        max_concurrent=args.max_concurrent,
        data_root=args.data_root,
        download=args.download,
        weights=weights,
        allow_other_weights=args.allow_other_weights,
        fresh=args.fresh,
        stop_on_collapse=args.stop_on_collapse,
        controls=args.controls,
        as_json=args.json,
        command=shlex.join(["python", "-m", f"sweep.{name}", *sys.argv[1:]]),
    )
