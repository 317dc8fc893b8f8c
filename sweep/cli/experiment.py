"""The command of an experiment: its parser, its plan, and its launch or dry run.

An experiment is a declaration: which settings, methods and shares i it runs by default.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from sweep.cli import flags
from sweep.cli.commands import Parser, run
from sweep.plan.grid import Plan, grid, ratios, seeds
from sweep.plan.inception_weights import Weights
from trainer.config import code_flags
from trainer.config.settings import METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """`settings`, `methods` and `i_ratios` are the defaults of the flags of the same names."""

    name: str
    description: str
    examples: str
    settings: str
    methods: str
    i_ratios: str = "0.5"


def parser(experiment: Experiment) -> Parser:
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
        help=f"of {', '.join(METHODS)}, or sr, as the paper used it: static on CIFAR-10 and "
        f"STL-10, dynamic on ImageNet (default {experiment.methods})",
    )
    p.add_argument(
        "--i-ratios",
        default=experiment.i_ratios,
        metavar="I,...",
        help="shares of singular values that methods which lift are run with "
        f"(default {experiment.i_ratios})",
    )
    flags.data_flags(p)
    code_flags.add(p)
    p.add_argument(
        "--data-shares",
        default="1",
        metavar="X,...",
        help="shares of the training images to train on, like 0.1,1: the same images for every "
        "seed and method, the smaller share within the larger (default 1)",
    )
    p.add_argument("--seeds", default="0", metavar="0,1|0-4", help="default 0")
    flags.length_and_precision_flags(p)
    flags.running_flags(p)
    flags.share_flag(p)
    return p


def main(experiment: Experiment, argv: list[str] | None = None) -> int:
    """Runs the experiment as the command line says; returns the exit code."""
    return execute(experiment.name, parser(experiment), _grid, argv)


def execute(
    name: str,
    p: Parser,
    prepare: Callable[[argparse.Namespace], tuple[Plan, Weights]],
    argv: list[str] | None = None,
) -> int:
    """Plans by the flags and launches, or shows the plan; returns the exit code."""

    def command() -> int:
        args = p.parse_args(argv)
        flags.check(args)
        plan, weights = prepare(args)
        options = flags.options_of(name, args, weights)
        if args.dry_run:
            from sweep.run.dryrun import show_plan, visible_nodes

            nodes, problem = visible_nodes(options)
            return show_plan(name, plan, options, nodes, problem)
        from sweep.run.launch import launch

        return launch(name, plan, options)

    return run(name, command)


def _grid(args: argparse.Namespace) -> tuple[Plan, Weights]:
    weights, own = flags.weights_of(args), flags.own_images_of(args)
    plan = grid(
        args.profile,
        args.settings.split(","),
        args.methods.split(","),
        seeds(args.seeds),
        i_ratios=ratios(args.i_ratios),
        data_shares=ratios(args.data_shares, "--data-shares"),
        iterations=args.iterations,
        precision=args.precision,
        world_size=flags.world_size_of(args),
        scorer=weights.sha256,
        data_root=args.data_root,
        download=args.download,
        only_shown=args.dry_run,
        dataset=args.dataset,
        own=own,
        device=flags.device_of(args),
        code=flags.code_of(args),
    )
    return plan, weights
