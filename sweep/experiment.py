"""What every `python -m sweep.NAME` shares: its flags, its plan, and `--dry-run`.

An experiment is a declaration: which settings, methods and shares i it runs unless told otherwise.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sweep.space import Plan, grid, ratios, seeds
from sweep.weights import Weights, find_weights
from trainer.settings import METHODS, PROFILES, UsageError

_EVERY_SWEEP = """\

The same command again runs what is missing, whatever ended the last one. More seeds or settings
train only what is new. Results lie in --results, else in $SWEEP_RESULTS, else in ./results.

exit code: 0 all trials completed or collapsed, 2 bad input, 3 some failed, 130 interrupted
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """`settings`, `methods` and `i_ratios` are the defaults of the flags of the same names."""

    name: str
    description: str
    examples: str
    settings: str
    methods: str
    i_ratios: str = "0.5"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (--help lists what there is)")


def parser(experiment: Experiment) -> argparse.ArgumentParser:
    p = _Parser(
        prog=f"python -m sweep.{experiment.name}",
        description=experiment.description,
        epilog=experiment.examples + _EVERY_SWEEP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--profile", default="paper", help=f"{' or '.join(PROFILES)} (default paper)")
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
    return p


def main(experiment: Experiment, argv: list[str] | None = None) -> int:
    """Runs the experiment as the command line says; returns the exit code."""
    from sweep.results import StoreError

    try:
        args = parser(experiment).parse_args(argv)
        if args.max_concurrent is not None and args.max_concurrent < 1:
            raise UsageError(f"--max-concurrent must be at least 1, but got {args.max_concurrent}")
        weights = find_weights(
            args.profile,
            args.inception_weights,
            allow_other=args.allow_other_weights,
            required=args.require_scores,
        )
        plan = grid(
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
        if args.dry_run:
            return show_plan(experiment, plan, weights, args)
        return _launch(experiment, plan, weights, args)
    except (UsageError, StoreError) as error:
        sys.stderr.write(f"python -m sweep.{experiment.name}: {error}\n")
        return 2


def _launch(experiment: Experiment, plan: Plan, weights: Weights, args: argparse.Namespace) -> int:
    from sweep.launch import Options, launch

    options = Options(
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
        command=shlex.join(["python", "-m", f"sweep.{experiment.name}", *sys.argv[1:]]),
    )
    return launch(experiment.name, plan, options)


def show_plan(
    experiment: Experiment, plan: Plan, weights: Weights, args: argparse.Namespace
) -> int:
    """Prints what the command would do; reads the store, writes nothing."""
    from sweep.results import Store
    from sweep.standing import check_name, default_name, own_files, results_root, to_run

    root = results_root(args.results)
    name = args.name or default_name(experiment.name, plan)
    rows, files = {}, {}
    if root is not None:
        store = Store(root)
        check_name(store, name, plan)
        ids = [config.trial_id for config in plan.trials]
        rows = store.read_all("trials", ids)
        files = own_files(store, ids) if args.fresh else {}
    todo = {
        config.trial_id
        for config in to_run(plan, rows, stop_on_collapse=args.stop_on_collapse, fresh=args.fresh)
    }
    for config in plan.trials:
        row = rows.get(config.trial_id)
        at = row["iteration"] if row and not args.fresh else 0
        state = "done" if config.trial_id not in todo else "to resume" if at else "to run"
        line = {
            "trial_id": config.trial_id,
            "state": state,
            "iteration": at,
            "iterations": config.iterations,
            "operations": config.operations,
        }
        text = f"{state:10}{config.trial_id:50}{at}/{config.iterations}"
        sys.stdout.write((json.dumps(line) if args.json else text) + "\n")
    notes = [weights.note] if weights.note else []
    notes += [f"skipped {what}: {reason}" for what, reason in plan.skipped.items()]
    notes += [f"--fresh would remove the {len(p)} files of {i}" for i, p in files.items()]
    notes.append(
        f"sweep {name}: {len(plan.trials)} trials in "
        f"{root or '~/sweep-results, on a cluster of one node'}, {len(todo)} to run; "
        "nothing was started"
    )
    out = sys.stderr if args.json else sys.stdout
    out.write("\n".join(notes) + "\n")
    return 0
