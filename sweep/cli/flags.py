"""The flags of every command that trains, and the options that they set."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sweep.cli.commands import Parser
from sweep.plan.halving import DEFAULT_REDUCTION, Halving
from sweep.plan.inception_weights import Weights, find_weights
from sweep.plan.options import Options
from sweep.report.delivery import check_receiver
from trainer.config import code_flags, picture_flags
from trainer.config.availability import has_gpu, missing_reason
from trainer.config.lookup import UsageError, lookup
from trainer.config.own_code import OwnCode
from trainer.config.own_images import IMAGES, OwnImages
from trainer.config.settings import PROFILES

EVERY_SWEEP = """\

The same command again runs what is missing, whatever ended the last one. More seeds or settings
train only what is new. Results lie in --results, else in $SWEEP_RESULTS, else in ./results.
SIGTERM and Ctrl-C let each trial save at its next iteration; the command ends within 23 s.

exit code: 0 all trials completed or collapsed, 2 bad input, 3 some failed, 4 the cluster was lost
(the same command goes on), 130 interrupted
"""


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


def length_and_precision_flags(p: Parser) -> None:
    p.add_argument("--iterations", type=int, help="G updates (default: the profile's)")
    p.add_argument(
        "--precision",
        help="of products in training: float32 (default), tf32 on a GPU, or bf16; another "
        "precision is another trial",
    )
    p.add_argument(
        "--world-size",
        type=int,
        metavar="N",
        help="train each trial on N GPUs of one node, or N times its threads, data-parallel; "
        "another world size is another trial (default: a whole --gpus-per-trial above 1, else 1)",
    )


def world_size_of(args: argparse.Namespace) -> int | None:
    """The ranks of each trial: as many as it is given whole GPUs, unless they are named."""
    gpus: float | None = args.gpus_per_trial
    if args.world_size is None and gpus is not None and gpus > 1 and gpus.is_integer():
        return int(gpus)
    return args.world_size


def data_flags(p: Parser, *, takes_list: bool = False) -> None:
    """Adds the flags that say what is trained on, where it is not the settings' own."""
    p.add_argument(
        "--dataset",
        metavar="NAME,..." if takes_list else "NAME",
        help=f"train on {IMAGES}, your own at --data-root, or on a data set of the profile, "
        "instead of the settings' own: their sizes are taken over (default: the settings' own)",
    )
    p.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        help="default: the profile's; for your own pictures the CPU where no GPU is",
    )
    picture_flags.add(p)


def own_images_of(args: argparse.Namespace) -> OwnImages | None:
    """The own pictures that the flags name, which are read now if need be; None without them.

    Raises UsageError if they cannot be trained on.
    """
    picture_flags.check(args, args.dataset)
    if args.dataset != IMAGES:
        return None
    if not lookup("profile", PROFILES, args.profile).takes_own_images:
        raise UsageError(f"profile {args.profile} has its own data: give --profile small or paper")
    if missing := missing_reason(IMAGES, args.data_root):
        raise UsageError(missing)
    from trainer.data.preparation import prepare

    return prepare(
        args.data_root,
        args.resolution or picture_flags.DEFAULT_RESOLUTION,
        conditional=args.conditional,
        reading=picture_flags.reading_of(args),
    ).identity


def code_of(args: argparse.Namespace) -> OwnCode | None:
    """The networks, loss and augmentation that the flags name; None without any.

    Raises UsageError for a path that does not resolve.
    """

    def check() -> code_flags.Check:
        from trainer.own_code import checked

        return checked

    return code_flags.code_of(args, check)


def device_of(args: argparse.Namespace) -> str | None:
    """The device of the plan's trials; None is the profile's own."""
    if args.device is not None or args.dataset != IMAGES or args.profile != "paper":
        return args.device
    on_cluster = args.ray_address is not None or os.environ.get("RAY_ADDRESS")
    return "cuda" if on_cluster or has_gpu() else "cpu"


def running_flags(p: Parser) -> None:
    """Adds the flags on how a plan is run, where, and on which files; none changes a number."""
    execution_flags(p)
    p.add_argument(
        "--data-root", type=absolute_path, metavar="PATH", help=picture_flags.DATA_ROOT_HELP
    )
    p.add_argument("--download", action="store_true", help="download data sets that are missing")
    picture_flags.add_reading(p)
    p.add_argument(
        "--inception-weights",
        type=absolute_path,
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
    p.add_argument(
        "--controls",
        action="store_true",
        help="at the end, also score real images, noise and a constant (digits)",
    )


def execution_flags(p: Parser) -> None:
    """Adds the flags on how any plan is run and where."""
    p.add_argument("--results", metavar="DIR|URI", help="where results are kept")
    p.add_argument(
        "--ray-address",
        type=ray_address,
        metavar="HOST:PORT",
        help="the Ray cluster to run on, or auto: the one on this machine (default: RAY_ADDRESS; "
        "without both, Ray is started here and ends with the command)",
    )
    p.add_argument("--name", help="of the sweep (default: derived from the plan)")
    p.add_argument("--max-concurrent", type=int, metavar="N", help="default: as many as fit")
    p.add_argument(
        "--cpus-per-trial", type=float, metavar="N", help="default: the threads of a trial"
    )
    p.add_argument(
        "--gpus-per-trial",
        type=float,
        metavar="N",
        help="a share like 0.25, or a whole number: above 1 each trial is trained on all of them "
        "(default: what the trial is estimated to need)",
    )
    p.add_argument(
        "--time-budget",
        type=duration,
        metavar="TIME",
        help="like 90s, 30m, 8h or 1h30m: then every trial saves at its next iteration and stops, "
        "and the same command goes on another time",
    )
    p.add_argument(
        "--max-failures",
        type=int,
        default=3,
        metavar="N",
        help="leave a trial alone that has failed so often (default 3)",
    )
    p.add_argument(
        "--notify",
        metavar="URL|COMMAND",
        default=os.environ.get("SWEEP_NOTIFY"),
        help="told once of each collapse, failure, out_of_memory, stall and of the end: a POST of "
        "JSON (Slack, Discord, ntfy), or a command with it on standard input; `python -m "
        "sweep.notify --help` says more (default: $SWEEP_NOTIFY)",
    )
    p.add_argument("--dry-run", action="store_true", help="show the plan and start nothing")
    p.add_argument("--json", action="store_true", help="one JSON object per line on stdout")
    start = p.add_mutually_exclusive_group()
    start.add_argument(
        "--resume", action="store_true", help="go on from what these trials have (the default)"
    )
    start.add_argument(
        "--fresh", action="store_true", help="remove what these trials have and train them again"
    )
    p.add_argument(
        "--stop-on-collapse",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="end a trial when its verdict says so (default yes)",
    )


def scheduler_flags(p: Parser) -> None:
    p.add_argument(
        "--scheduler",
        choices=("none", "asha"),
        default="none",
        help="asha: asynchronous successive halving stops trials early, at rungs, by the "
        "objective so far; without it they go on (default none)",
    )
    p.add_argument(
        "--reduction",
        type=int,
        metavar="N",
        help=f"of asha: at each rung the best 1/N go on (default {DEFAULT_REDUCTION})",
    )
    p.add_argument(
        "--grace",
        type=int,
        metavar="N",
        help="of asha: iterations before the first rung; each further one is at --reduction times "
        "as many (default: rungs at 1/9 and 1/3 of the run, for a reduction of 3)",
    )


def halving_of(args: argparse.Namespace) -> Halving | None:
    """The rungs that the flags ask for. Raises UsageError for values that give none."""
    if args.scheduler == "none":
        for name in ("reduction", "grace"):
            if getattr(args, name) is not None:
                raise UsageError(f"--{name} is for --scheduler asha")
        return None
    reduction = DEFAULT_REDUCTION if args.reduction is None else args.reduction
    return Halving(reduction=reduction, grace=args.grace)


def share_flag(p: Parser) -> None:
    p.add_argument(
        "--share",
        action="store_true",
        help="share the trials with other starts of this command, such as the tasks of a Slurm "
        "array: each takes the next one that nobody trains, and ends when there is none",
    )


def check(args: argparse.Namespace) -> None:
    """Raises UsageError for a value that no run could use, and for flags that clash."""
    if args.share and args.fresh:
        raise UsageError("--share with --fresh would remove what the other starts have trained")
    if args.share and args.time_budget is not None:
        raise UsageError("--time-budget stops the whole sweep, which --share leaves to others too")
    if args.notify:
        check_receiver(args.notify)
    for name in ("max_concurrent", "max_failures"):
        value = getattr(args, name)
        if value is not None and value < 1:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} must be at least 1, but got {value}")


def absolute_path(text: str) -> Path:
    """The path as the shell means it: workers have working folders of their own."""
    return Path(text).expanduser().absolute()


def ray_address(text: str) -> str:
    """`10.0.0.1:6379`, `ray://head:10001` or `auto`, as ray.init() takes them."""
    if text == "auto" or re.fullmatch(r"(ray://)?[^\s/]+:\d+", text):
        return text
    raise argparse.ArgumentTypeError(
        f"a Ray cluster is at HOST:PORT, at ray://HOST:PORT, or auto, not {text!r}"
    )


def duration(text: str) -> float:
    """`90s`, `30m`, `8h`, `2d` or `1h30m` in s."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    seconds = sum(float(number) * units[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or not seconds:
        raise argparse.ArgumentTypeError(f"a time is like 90s, 30m, 8h or 1h30m, not {text!r}")
    return seconds


def weights_of(args: argparse.Namespace, *, required: bool = False) -> Weights:
    """The Inception weights that the flags name; a dry run may lack them. Raises UsageError."""
    return find_weights(
        args.profile,
        args.inception_weights,
        allow_other=args.allow_other_weights,
        required=required or args.require_scores,
        only_planned=args.dry_run,
    )


def weights_of_objective(args: argparse.Namespace, purpose: str) -> Weights:
    """The weights for what optimises a score. Raises UsageError, with the purpose, without any."""
    try:
        return weights_of(args, required=True)
    except UsageError as error:
        if not PROFILES[args.profile].scored_by_inception:
            raise
        raise UsageError(f"{purpose} needs FID as its objective: {error}") from error


def options_of(name: str, args: argparse.Namespace, weights: Weights) -> Options:
    """The options that the flags name. --ray-address becomes RAY_ADDRESS, which Ray reads too."""
    if args.ray_address is not None:
        os.environ["RAY_ADDRESS"] = args.ray_address
    return Options(
        results=args.results,
        name=args.name,
        max_concurrent=args.max_concurrent,
        cpus_per_trial=args.cpus_per_trial,
        gpus_per_trial=args.gpus_per_trial,
        time_budget=args.time_budget,
        max_failures=args.max_failures,
        data_root=args.data_root,
        download=args.download,
        weights=weights,
        allow_other_weights=args.allow_other_weights,
        fresh=args.fresh,
        stop_on_collapse=args.stop_on_collapse,
        controls=args.controls,
        as_json=args.json,
        share=args.share,
        reading=picture_flags.reading_of(args),
        notify=args.notify or None,
        command=shlex.join(["python", "-m", f"sweep.{name}", *without_receiver(sys.argv[1:])]),
    )


def without_receiver(arguments: Sequence[str]) -> list[str]:
    """Drops --notify: the command is kept and shown, and who knows the address can write to it."""
    arguments_without: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if len(name) > len("--n") and "--notify".startswith(name) and name != "--name":
            if not equals:
                next(rest, None)
            continue
        arguments_without.append(argument)
    return arguments_without
