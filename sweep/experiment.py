"""What every `python -m sweep.NAME` shares.

An experiment is a declaration: which settings, methods and shares i it runs unless told otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

from sweep import flags
from sweep.space import Plan, grid, ratios, seeds
from sweep.weights import Weights
from trainer.settings import METHODS, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """`settings`, `methods` and `i_ratios` are the defaults of the flags of the same names."""

    name: str
    description: str
    examples: str
    settings: str
    methods: str
    i_ratios: str = "0.5"


def parser(experiment: Experiment) -> flags.Parser:
    p = flags.parser(experiment.name, experiment.description, experiment.examples)
    flags.profile_flag(p)
    p.add_argument(
        "--settings",
        default=experiment.settings,
        metavar="GLOB,...",
        help=f"rows of Table I, like C_32-32 or 'B_*' (default {experiment.settings})",
    )
    p.add_argument(
        "--methods",
        default=experiment.methods,
        metavar="GLOB,...",
        help=f"of {', '.join(METHODS)} (default {experiment.methods})",
    )
    p.add_argument(
        "--i-ratios",
        default=experiment.i_ratios,
        metavar="I,...",
        help="shares of singular values that methods which lift are run with "
        f"(default {experiment.i_ratios})",
    )
    p.add_argument("--seeds", default="0", metavar="0,1|0-4", help="default 0")
    p.add_argument("--iterations", type=int, help="G updates (default: the profile's)")
    flags.running_flags(p)
    return p


def main(experiment: Experiment, argv: list[str] | None = None) -> int:
    """Runs the experiment as the command line says; returns the exit code."""
    return run(experiment.name, parser(experiment), _grid, argv)


def run(
    name: str,
    p: flags.Parser,
    plan_of: Callable[[argparse.Namespace, Weights], Plan],
    argv: list[str] | None = None,
) -> int:
    """Plans by the flags and launches, or shows the plan; returns the exit code."""
    from sweep.results import StoreError

    try:
        args = p.parse_args(argv)
        flags.check(args)
        weights = flags.weights_of(args)
        plan = plan_of(args, weights)
        options = flags.options_of(name, args, weights)
        if args.dry_run:
            from sweep.dryrun import show_plan

            return show_plan(name, plan, options)
        from sweep.launch import launch

        return launch(name, plan, options)
    except (UsageError, StoreError) as error:
        sys.stderr.write(f"{p.prog}: {error}\n")
        return 2


def _grid(args: argparse.Namespace, weights: Weights) -> Plan:
    return grid(
        args.profile,
        args.settings.split(","),
        args.methods.split(","),
        seeds(args.seeds),
        i_ratios=ratios(args.i_ratios),
        iterations=args.iterations,
        scorer=weights.sha256,
        data_root=args.data_root,
        download=args.download,
    )
