"""`python -m sweep.rescue`: continues collapsed trials with another method, the paper's Fig. 6.

Each collapsed trial of a sweep is branched from its last snapshot before the collapse. The parent
itself shows what becomes of it without a rescue.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from sweep.cli import flags
from sweep.cli.commands import Parser, store_of
from sweep.cli.experiment import execute
from sweep.plan.grid import Plan, missing_data, ratios
from sweep.plan.inception_weights import Weights
from sweep.report.inventory import inventory
from sweep.store.store import Store
from sweep.store.vocabulary import Row
from trainer.config.costs import operations
from trainer.config.lookup import UsageError, select
from trainer.config.settings import METHODS, SETTINGS
from trainer.config.trial import TrialConfig, trial_config

EXAMPLES = """\
examples:
  python -m sweep.rescue --from-sweep demo
      every trial of the sweep `demo` that collapsed, from its last healthy snapshot, with
      dynamic compensation as in the paper
  python -m sweep.rescue --from-sweep demo --settings 'C_*' --methods sr-dynamic,sn-renorm
      narrow discriminators only, and a control beside it
"""
# What a branch takes over from its parent, beside networks, optimiser and iteration.
# Fields of a configuration that are there where a person's own code ran.
OWN_SOURCES = ("networks_source", "loss_source", "augment_source")
INHERITED = (
    "dataset",
    "data_share",
    "iterations",
    "micro_batch",
    "evaluate_every",
    "curve_samples",
    "final_samples",
    "curve_protocol",
    "final_protocol",
    "scorer",
    "precision",
    "world_size",
    "device",
    "threads",
    "data_sha256",
    "data_images",
    "data_classes",
)


def parser() -> Parser:
    p = flags.parser("rescue", "Go on with collapsed trials by another method.", EXAMPLES)
    p.add_argument(
        "--from-sweep", required=True, metavar="NAME", help="whose collapsed trials are rescued"
    )
    p.add_argument(
        "--settings", default="*", metavar="GLOB,...", help="of them only these (default all)"
    )
    p.add_argument(
        "--methods",
        default="sr-dynamic",
        metavar="GLOB,...",
        help=f"to go on with, of {', '.join(METHODS)} (default sr-dynamic, as in the paper)",
    )
    p.add_argument(
        "--i-ratios",
        default="0.5",
        metavar="I,...",
        help="shares of singular values that methods which lift are run with (default 0.5)",
    )
    flags.running_flags(p)
    flags.share_flag(p)
    return p


def main(argv: list[str] | None = None) -> int:
    return execute("rescue", parser(), prepare, argv)


def prepare(args: argparse.Namespace) -> tuple[Plan, Weights]:
    """The branches of the sweep's collapsed trials. Raises UsageError if there is none."""
    store = store_of(args.results)
    parents = collapsed(store, args.from_sweep, args.settings.split(","))
    args.profile = parents[0]["profile"]
    weights = flags.weights_of(args)
    methods = select("method", METHODS, args.methods.split(","))
    skipped: dict[str, str] = {}
    trials: list[TrialConfig] = []
    datasets = (parent["dataset"] for parent in parents)
    missing = missing_data(datasets, args.data_root, download=args.download)
    for parent in parents:
        if parent["dataset"] in missing and not args.dry_run:
            skipped[parent["setting"]] = missing[parent["dataset"]]
            continue
        if any(json.loads(parent["config"]).get(source) for source in OWN_SOURCES):
            skipped[parent["trial_id"]] = (
                "it is of code of your own: python -m trainer --from-checkpoint goes on with it"
            )
            continue
        healthy_iteration = last_healthy(store, parent)
        if healthy_iteration is None:
            skipped[parent["trial_id"]] = (
                f"it has no snapshot before its collapse at iteration {parent['mode_collapse_at']}"
            )
            continue
        trials += branches(parent, healthy_iteration, methods, ratios(args.i_ratios))
    if not trials:
        raise UsageError(f"nothing can be rescued: {'; '.join(skipped.values())}")
    trials.sort(key=operations, reverse=True)
    plan = Plan(
        profile=args.profile,
        trials=trials,
        skipped=skipped,
        missing=missing if args.dry_run else {},
    )
    return plan, weights


def collapsed(store: Store, sweep: str, settings: list[str]) -> list[Row]:
    """Rows of the sweep's trials with a mode collapse. Raises UsageError if there is none."""
    rows = inventory(store, sweep=sweep).trials.values()
    present = {**SETTINGS, **dict.fromkeys(row["setting"] for row in rows)}
    setting_names = select("setting", present, settings)
    collapsed_rows = [row for row in rows if row["mode_collapse_at"] is not None]
    collapsed_rows = [
        row for row in collapsed_rows if row["setting"] in setting_names and row["parent"] is None
    ]
    if not collapsed_rows:
        raise UsageError(
            f"of the {len(rows)} trials that sweep {sweep!r} has begun, none of these settings "
            "collapsed: there is nothing to rescue"
        )
    return collapsed_rows


def last_healthy(store: Store, parent: Row) -> int | None:
    """The iteration of its newest checkpoint before the collapse, if one was kept."""
    iterations = [int(file.key) for file in store.list(f"checkpoints/{parent['trial_id']}")]
    return max(
        (iteration for iteration in iterations if 0 < iteration < parent["mode_collapse_at"]),
        default=None,
    )


def branches(
    parent: Row, iteration: int, methods: list[str], i_ratios: list[float]
) -> Iterator[TrialConfig]:
    """The parent from `iteration` on with each method."""
    config = json.loads(parent["config"])
    inherited = {name: config.get(name) for name in INHERITED}
    for method in methods:
        for i in i_ratios if METHODS[method].lifts else [None]:
            yield trial_config(
                parent["profile"],
                parent["setting"],
                method,
                parent["seed"],
                i_ratio=i,
                parent=parent["trial_id"],
                parent_iteration=iteration,
                **inherited,
            )


if __name__ == "__main__":
    sys.exit(main())
