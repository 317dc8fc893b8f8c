"""Trains without Ray: `python -m trainer --profile digits --setting C_32-32 --method sr-static`.

Prints one JSON object per evaluation when piped, a progress line on a terminal.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from trainer.config import code_flags, picture_flags
from trainer.config.availability import missing_reason
from trainer.config.lookup import UsageError, lookup
from trainer.config.methods import METHODS, NUDGE_EVERY, NUDGE_GAMMA, NUDGE_K
from trainer.config.own_images import IMAGES
from trainer.config.picture_flags import shell_path
from trainer.config.protocols import missing_reason as no_scores_reason
from trainer.config.protocols import weights_hash, weights_path
from trainer.config.settings import (
    ALL_SETTINGS,
    DATASETS,
    PROFILES,
    SETTINGS,
    TOYS,
    setting_name,
)
from trainer.config.trial import PRECISIONS, TrialConfig, trial_config

USAGE, INTERRUPTED = 2, 130


class Parser(argparse.ArgumentParser):
    """Answers bad arguments in a line: its usage would take a screen."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}; --help lists the flags\n")


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m trainer",
        description="Train one GAN and record what happens to its discriminator's spectrum.",
        epilog="examples: python -m trainer --profile digits --setting C_32-32 --method sr-static "
        "--out runs/c32; python -m trainer --dataset ring8 --method jare; "
        "python -m trainer --setting A_64-128 --data-root data --download --out runs/a64. "
        "SIGTERM and Ctrl-C end a run at its next iteration and save it in --out, exit code 130; "
        "the same command goes on from there.",
    )
    trained = p.add_argument_group("what is trained")
    trained.add_argument(
        "--profile", help=f"{' or '.join(PROFILES)} (default paper; a toy problem has none)"
    )
    trained.add_argument(
        "--setting",
        metavar="NAME",
        help=f"row of Table I: {', '.join(SETTINGS)}; or other sizes as U_<batch>-<channels>, "
        "with --dataset",
    )
    trained.add_argument(
        "--dataset",
        metavar="NAME",
        help=f"instead of the setting's own: {IMAGES}, which are your own, or one of "
        f"{', '.join(DATASETS)}",
    )
    trained.add_argument(
        "--data-share",
        type=float,
        metavar="X",
        help="train on this share of the images, the same ones for every seed and method, the "
        "smaller share within the larger (default 1)",
    )
    trained.add_argument("--method", default="sn", help="see --list-methods (default sn)")
    trained.add_argument("--seed", type=int, default=0, help="default 0")
    trained.add_argument("--iterations", type=int, metavar="N", help="G updates")
    trained.add_argument(
        "--precision", help=f"{', '.join(PRECISIONS)} (default float32; tf32 on a GPU)"
    )
    trained.add_argument("--device", help="cpu or cuda (default: the profile's)")
    trained.add_argument("--threads", type=int, metavar="N", help="CPU threads (default 1)")
    trained.add_argument(
        "--micro-batch", type=int, metavar="N", help="images through the networks at once"
    )
    trained.add_argument(
        "--world-size",
        type=int,
        metavar="N",
        help="processes that train together on this machine, each on its share of the "
        "micro-batches and on a GPU, or so many threads, of its own (default 1)",
    )
    trained.add_argument("--evaluate-every", type=int, metavar="N", help="iterations")

    picture_flags.add(p)
    picture_flags.add_reading(p)
    code_flags.add(p)
    _method_flags(p)
    measured = p.add_argument_group("what is measured")
    measured.add_argument(
        "--hessian",
        type=int,
        metavar="K",
        help="log the K largest eigenvalues of both players' Hessians at every evaluation",
    )
    measured.add_argument(
        "--inception-weights",
        type=shell_path,
        metavar="FILE",
        help="for IS and FID (default: INCEPTION_WEIGHTS)",
    )
    measured.add_argument(
        "--allow-other-weights",
        action="store_true",
        help="take a file that is not the reference one; every number is marked",
    )
    measured.add_argument(
        "--require-scores", action="store_true", help="refuse to train without IS and FID"
    )
    measured.add_argument("--curve-protocol", metavar="NAME", help="default paper-5k")
    measured.add_argument("--final-protocol", metavar="NAME", help="default modern-50k")

    folders = p.add_argument_group("where from and to")
    folders.add_argument(
        "--out", type=shell_path, metavar="DIR", help="where to write; nothing without it"
    )
    folders.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from the checkpoint in --out (default), or refuse if there is one",
    )
    folders.add_argument(
        "--from-checkpoint",
        type=shell_path,
        metavar="FILE",
        help="branch off another run's checkpoint.pt, for example with another method",
    )
    folders.add_argument(
        "--data-root", type=shell_path, metavar="PATH", help=picture_flags.DATA_ROOT_HELP
    )
    folders.add_argument(
        "--download", action="store_true", help="download the data set if missing"
    )
    folders.add_argument(
        "--stop-on-collapse",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="end the run when the verdict says so (default yes)",
    )
    p.add_argument("--list-methods", action="store_true", help="print the methods and exit")
    p.add_argument(
        "--controls",
        action="store_true",
        help="print what the digits scores say of real images, noise and a constant, and exit",
    )
    return p


def _method_flags(p: argparse.ArgumentParser) -> None:
    numbers = p.add_argument_group("the method's numbers")
    numbers.add_argument(
        "--i-ratio", type=float, help="share of singular values lifted (default 0.5)"
    )
    numbers.add_argument(
        "--spectral-floor", type=float, help="of sr-floor, a share of sigma_1 (default 0.5)"
    )
    numbers.add_argument(
        "--projection-period", type=int, metavar="N", help="iterations between two (default 5)"
    )
    numbers.add_argument(
        "--projection-burst",
        action=argparse.BooleanOptionalAction,
        help="project after every D update of each Nth iteration, as released (default), or after "
        "every Nth D update",
    )
    numbers.add_argument(
        "--penalty-weight", type=float, metavar="GAMMA", help="default: the source's"
    )
    numbers.add_argument(
        "--discriminator-rate-factor",
        type=float,
        metavar="X",
        help="D's learning rate over the profile's (default 1; sn-ttur: 4)",
    )
    numbers.add_argument(
        "--packing", type=int, metavar="M", help="images that D judges together (default 2)"
    )
    numbers.add_argument(
        "--unrolled-steps", type=int, metavar="K", help="updates of D that G foresees (default 5)"
    )
    numbers.add_argument(
        "--nudge-k", type=int, metavar="K", help=f"directions (default {NUDGE_K})"
    )
    numbers.add_argument(
        "--nudge-every", type=int, metavar="N", help=f"iterations (default {NUDGE_EVERY})"
    )
    numbers.add_argument(
        "--nudge-gamma",
        type=float,
        metavar="GAMMA",
        help=f"what is left of the gradient along them (default {NUDGE_GAMMA}; 1 is plain Adam)",
    )


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        if args.list_methods:
            for name, method in METHODS.items():
                sys.stdout.write(f"{name:18}  {method.formula}\n{'':18}  [{method.source}]\n")
            return 0
        if args.controls:
            from trainer.run import print_controls

            return print_controls()
        config = configuration(args)
        from trainer.run import run

        return run(config, args)
    except UsageError as error:
        sys.stderr.write(f"python -m trainer: {error}\n")
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED  # before the run, which has its own way to end
    except BrokenPipeError:
        # Whoever read stdout has gone, as `| head` does. Python flushes it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def configuration(args: argparse.Namespace) -> TrialConfig:
    """The trial that the arguments name. Raises UsageError if it cannot be, or lacks its data."""
    profile, setting = args.profile or "paper", args.setting
    dataset, device, own = args.dataset, args.device, {}
    picture_flags.check(args, dataset)
    if dataset == IMAGES:
        setting, dataset, own = _own_images(args)
        if device is None and profile == "paper":
            device = _available_device()
    elif dataset is not None:
        lookup("data set", DATASETS, dataset)
    if args.dataset in TOYS:
        if setting is not None:
            raise UsageError(f"{args.dataset} is no data set for a row of Table I: drop --setting")
        if args.profile is not None:
            raise UsageError(
                f"{args.dataset} is a toy problem and has sizes of its own, not those of the "
                f"{args.profile} profile: drop --profile"
            )
        profile, setting = "toy", args.dataset
    if setting is None:
        raise UsageError("--setting is missing; for example --setting C_32-32")
    parent, parent_iteration = _parent(args.from_checkpoint)
    config = trial_config(
        profile,
        setting,
        args.method,
        args.seed,
        dataset=dataset,
        iterations=args.iterations,
        data_share=args.data_share,
        world_size=args.world_size,
        device=device,
        precision=args.precision,
        threads=args.threads,
        micro_batch=args.micro_batch,
        evaluate_every=args.evaluate_every,
        i_ratio=args.i_ratio,
        projection_period=args.projection_period,
        projection_burst=args.projection_burst,
        penalty_weight=args.penalty_weight,
        discriminator_rate_factor=args.discriminator_rate_factor,
        spectral_floor=args.spectral_floor,
        packing=args.packing,
        unrolled_steps=args.unrolled_steps,
        nudge_k=args.nudge_k,
        nudge_every=args.nudge_every,
        nudge_gamma=args.nudge_gamma,
        hessian_k=args.hessian,
        scorer=_inception(args, profile),
        curve_protocol=args.curve_protocol,
        final_protocol=args.final_protocol,
        parent=parent,
        parent_iteration=parent_iteration,
        code=code_flags.code_of(args, _check_of_code),
        **own,
    )
    if missing := missing_reason(config.dataset, args.data_root, download=args.download):
        raise UsageError(missing)
    return config


def _own_images(args: argparse.Namespace) -> tuple[str, str, Mapping[str, Any]]:
    """(setting, data set, fields of the configuration) of the own pictures at --data-root."""
    name = args.profile or "paper"
    p = lookup("profile", PROFILES, name)
    if not p.takes_own_images:
        raise UsageError(f"profile {name} has its own data: give --profile small or paper")
    if args.setting is None:
        raise UsageError("--setting is missing; for example --setting C_32-32, a row's sizes")
    sizes = lookup("setting", ALL_SETTINGS, args.setting)
    if missing := missing_reason(IMAGES, args.data_root):
        raise UsageError(missing)
    from trainer.data.preparation import prepare

    own = prepare(
        args.data_root,
        args.resolution or picture_flags.DEFAULT_RESOLUTION,
        conditional=args.conditional,
        reading=picture_flags.reading_of(args),
    ).identity
    name = setting_name(p, own.name, sizes.batch_size, sizes.channels)
    return name, own.name, own.fields


def _check_of_code() -> code_flags.Check:
    from trainer.own_code import checked

    return checked


def _available_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _inception(args: argparse.Namespace, profile: str) -> str | None:
    """The hash of the Inception weights; None for a profile, or a run, without such scores."""
    if profile not in PROFILES or not PROFILES[profile].scored_by_inception:
        return None
    weights = weights_path(args.inception_weights)
    if reason := no_scores_reason(weights):
        if args.require_scores or args.inception_weights is not None:
            raise UsageError(reason)
        return None
    assert weights is not None
    return weights_hash(weights)


def _parent(checkpoint: Path | None) -> tuple[str | None, int | None]:
    if checkpoint is None:
        return None, None
    from trainer.run import read
    from trainer.state import origin

    return origin(read(checkpoint))


if __name__ == "__main__":
    sys.exit(main())
