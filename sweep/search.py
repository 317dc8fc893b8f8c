"""`python -m sweep.search`: Optuna over i, or over all that shapes D.

A search is a sweep whose plan grows: each suggestion is in the plan before it starts. The plan and
the rows of its trials are all that the next start of the command needs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweep.cli import flags
from sweep.cli.commands import run, store_of
from sweep.plan.grid import Plan, missing_data
from sweep.plan.options import Options
from sweep.plan.remaining import check_name, to_run
from sweep.plan.search_space import (
    COMPENSATIONS,
    I_STEPS,
    RATE_FACTORS,
    Space,
    available_spaces,
    search_name,
    spaces_over_everything,
    spaces_over_i,
)
from sweep.store.index import trial_rows
from sweep.store.retry import PATIENCE_SECONDS
from sweep.store.store import Store, StoreError
from sweep.store.vocabulary import study_path
from trainer.config import code_flags
from trainer.config.lookup import UsageError
from trainer.config.own_images import OwnImages
from trainer.config.trial import TrialConfig

METHOD = "sr-static"
DESCRIPTION = f"""\
Search for the share i of lifted singular values that is best for a setting, or for the best of
compensation, i, batch size, width and D's learning rate on a data set. The objective is the best
FID (digits: FD-digits) before mode collapse; a trial without one counts as a fixed, worse number.

--space i: a study per setting, i_ratio in steps of 1/{I_STEPS}.
--space full: a study per data set over {", ".join(COMPENSATIONS)}; i_ratio where the
method lifts; the batch sizes and widths of Table I in every combination; and D's learning rate
times {", ".join(f"{factor:g}" for factor in RATE_FACTORS)} (sn at another rate is sn-ttur).
What is a row of Table I has its name and shares its trials with the other sweeps; the rest is
U_<batch>-<channels>.
"""
EXAMPLES = """\
examples:
  python -m sweep.search --profile digits --setting C_8-32 --trials 12
      i for one setting, on this machine's CPU
  python -m sweep.search --profile digits --space full --dataset digits8 --trials 60 --timeout 1h
      everything at once on the 8x8 digits, suggesting for an hour at most
  python -m sweep.search --setting B_64-64 --data-root /data --results /shared/r \\
      --inception-weights /data/weights-inception-2015-12-05-6726825d.pth
      the paper's own setting, on GPUs
"""


def parser() -> flags.Parser:
    p = flags.parser("search", DESCRIPTION, EXAMPLES)
    flags.profile_flag(p)
    flags.data_flags(p, takes_list=True)
    code_flags.add(p)
    p.add_argument("--space", choices=("i", "full"), default="i", help="default i")
    p.add_argument(
        "--settings",
        "--setting",
        metavar="GLOB,...",
        help="of --space i: rows of Table I, like C_8-32 or 'B_*' (default all)",
    )
    p.add_argument("--method", help=f"of --space i: one that lifts by rank (default {METHOD})")
    p.add_argument(
        "--trials",
        type=int,
        default=20,
        metavar="N",
        help="per study, in all: what earlier starts have run counts (default 20)",
    )
    p.add_argument(
        "--timeout",
        type=flags.duration,
        metavar="TIME",
        help="suggest nothing more after 90s, 30m, 2h or 1h30m; what runs then is finished",
    )
    p.add_argument("--seed", type=int, default=0, metavar="N", help="of the sampler (default 0)")
    p.add_argument(
        "--trial-seed",
        type=int,
        default=0,
        metavar="N",
        help="of every trial, the same for all: they see the same data and noise (default 0)",
    )
    flags.length_and_precision_flags(p)
    flags.scheduler_flags(p)
    flags.running_flags(p)
    p.set_defaults(share=False)  # what is suggested depends on what one start knows
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the search as the command line says; returns the exit code."""
    return run("search", lambda: _search(parser().parse_args(argv)))


def _search(args: argparse.Namespace) -> int:
    flags.check(args)
    _check(args)
    weights = flags.weights_of_objective(args, "a search")
    every = _spaces(args, weights.sha256, flags.own_images_of(args))
    name = args.name or search_name(every, args.space, args.profile, args.seed)
    spaces, skipped, missing = every, {}, {}
    if args.dry_run:
        datasets = (space.dataset for space in every)
        missing = missing_data(datasets, args.data_root, download=args.download)
    else:
        spaces, skipped = available_spaces(every, args.data_root, download=args.download)
    halving = flags.halving_of(args)
    options = replace(flags.options_of("search", args, weights), name=name, halving=halving)
    store = store_of(options.results)
    configs = {c.trial_id: c for space in every for c in space.trials.values()}
    ids = _planned(store, name, args, configs)
    trials = [configs[i] for i in ids]
    plan = Plan(profile=args.profile, trials=trials, skipped=skipped, missing=missing)
    if args.dry_run:
        return _show(args, spaces, plan, options, store)
    from sweep.run.launch import launch
    from sweep.run.study import Studies

    def keep(studies: Sequence[Mapping[str, Any]]) -> None:
        search = {"space": args.space, "sampler": "TPE", "seed": args.seed, "studies": studies}
        writer = store.with_patience(PATIENCE_SECONDS)
        writer.write(study_path(name), json.dumps(search).encode())

    studies = Studies(
        spaces, ids, trials=args.trials, seed=args.seed, timeout=args.timeout, keep=keep
    )
    return launch("search", plan, options, suggestions=studies)


def _check(args: argparse.Namespace) -> None:
    """Raises UsageError for a flag that the other space has, and for what no search could use."""
    if args.trials < 1:
        raise UsageError(f"--trials must be at least 1, but got {args.trials}")
    if not 0 <= args.seed < 2**32:
        raise UsageError(f"--seed must be from 0 to 2^32 - 1, but got {args.seed}")
    if args.space == "i" and "," in (args.dataset or ""):
        raise UsageError("--space i takes one --dataset; --space full takes several")
    if args.space == "full" and args.settings is not None:
        raise UsageError("--settings is for --space i; --space full takes --dataset")
    if args.space == "full" and args.method is not None:
        raise UsageError("--method is for --space i; --space full searches over the methods")


def _spaces(args: argparse.Namespace, scorer: str | None, own: OwnImages | None) -> list[Space]:
    changes: dict[str, Any] = {
        "iterations": args.iterations,
        "precision": args.precision,
        "world_size": flags.world_size_of(args),
        "scorer": scorer,
        "device": flags.device_of(args),
        "code": flags.code_of(args),
    }
    dataset = args.dataset
    if own is not None:
        dataset, changes = own.name, {**changes, **own.fields}
    if args.space == "i":
        settings = "*" if args.settings is None else args.settings
        method = METHOD if args.method is None else args.method
        return spaces_over_i(
            args.profile, settings.split(","), method, args.trial_seed, dataset=dataset, **changes
        )
    datasets = None if dataset is None else dataset.split(",")
    return spaces_over_everything(args.profile, datasets, args.trial_seed, **changes)


def _planned(
    store: Store, name: str, args: argparse.Namespace, configs: Mapping[str, TrialConfig]
) -> list[str]:
    """Ids of the stored plan, in its order. Raises UsageError if the name is another sweep's."""
    everything = Plan(profile=args.profile, trials=[*configs.values()], skipped={})
    try:
        check_name(store, name, everything)
        planned = [row["trial_id"] for row in store.read_rows("sweeps", name)]
        record = json.loads(store.read(study_path(name)) or b"{}")
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise StoreError(f"cannot read sweep {name!r} in {store.root}: {error}") from error
    if record.get("space", args.space) != args.space:
        raise UsageError(
            f"sweep {name!r} is a search with --space {record['space']}: give another --name"
        )
    return planned


def _show(
    args: argparse.Namespace,
    spaces: Sequence[Space],
    plan: Plan,
    options: Options,
    store: Store,
) -> int:
    """Prints the dry run: what each study has, and what is left of it."""
    planned = [config.trial_id for config in plan.trials]
    todo = to_run(
        plan,
        trial_rows(store, planned, ("trial_id", "status", "diverged_at", "rung")),
        stop_on_collapse=options.stop_on_collapse,
        stop_at_rungs=options.halving is not None,
        fresh=options.fresh,
    )
    for space in spaces:
        own = space.parameters()
        mine, first = (sum(i in own for i in ids) for ids in (planned, [c.trial_id for c in todo]))
        line = {
            "study": space.name,
            "dataset": space.dataset,
            "space": space.in_words(),
            "possible": len(own),
            "planned": mine,
            "done": mine - first,
            "to_run_first": first,
            "left": max(0, min(args.trials, len(own)) - mine),
        }
        text = (
            "study {study} on {dataset}: {space}; {possible} trials are possible\n"
            "    {planned} planned so far, {done} done and {to_run_first} to run first; "
            "{left} left to suggest"
        )
        sys.stdout.write((json.dumps(line) if options.as_json else text.format(**line)) + "\n")
    notes = [options.weights.note] if options.weights.note else []
    notes += [f"missing here: {reason}" for reason in plan.missing.values()]
    notes.append(f"sweep {options.name} in {store.place}; nothing was started")
    out = sys.stderr if options.as_json else sys.stdout
    out.write("\n".join(notes) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
