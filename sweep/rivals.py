"""`python -m sweep.rivals`: methods against each other, each tuned with the same budget first.

A contest is a sweep whose plan grows: each candidate is on record before its trials start. The
record, the plan and the rows of its trials are all that the next start of the command needs.
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
from sweep.plan.contest import Contest, contest
from sweep.plan.grid import Plan, missing_data, seeds
from sweep.plan.remaining import check_name
from sweep.plan.tuning_space import Candidate
from sweep.store.retry import PATIENCE_SECONDS
from sweep.store.store import Store, StoreError
from sweep.store.vocabulary import study_path
from trainer.config.lookup import UsageError
from trainer.config.settings import METHODS
from trainer.config.trial import TrialConfig, trial_config

RIVALS = (
    "sn,sn-ttur,sr-static,sn-renorm,sr-lift,sr-dynamic,sr-floor,sr-iso,pacgan,r1,rpgan,rpgan-r1r2,"
    "unrolled"
)
DESCRIPTION = """\
Compare methods fairly: each gets the same number of candidates (Optuna's TPE) over its own two
most important knobs and D's learning rate, on tuning seeds of one setting; then the winner of each
runs on fresh seeds, on every setting asked for.

The first candidate is the method as published, the next four are drawn at random, the others
follow from what these gave. A candidate is judged by the mean over the tuning seeds of the best
FID (digits: FD-digits) before mode collapse; a trial that failed, diverged (NaN) or never had a
score counts as 10000. sn has nothing to tune: at another rate of D it is sn-ttur.
"""
EXAMPLES = """\
examples:
  python -m sweep.rivals --profile digits --dry-run
      what the contest would train and what it costs, method by method
  python -m sweep.rivals --profile digits --methods sn,sr-static,pacgan --budget 6
      three methods on one setting, on this machine's CPU
  python -m sweep.rivals --tuning-setting B_64-64 --settings 'B_*' --data-root /data \\
      --results /shared/r --inception-weights /data/weights-inception-2015-12-05-6726825d.pth
      the paper's own settings, on GPUs
"""
SPACE = "rivals"


def parser() -> flags.Parser:
    p = flags.parser("rivals", DESCRIPTION, EXAMPLES)
    flags.profile_flag(p)
    flags.data_flags(p)
    p.add_argument(
        "--methods",
        default=RIVALS,
        metavar="GLOB,...",
        help=f"of {', '.join(METHODS)} (default {RIVALS})",
    )
    p.add_argument(
        "--budget",
        type=int,
        default=8,
        metavar="N",
        help="candidates per method, in all: what earlier starts have run counts (default 8); a "
        "method that has fewer runs them all",
    )
    p.add_argument(
        "--tuning-setting",
        default="C_32-32",
        metavar="NAME",
        help="row of Table I (default C_32-32)",
    )
    p.add_argument(
        "--tuning-seeds", default="0,1", metavar="0,1|0-4", help="of every candidate (default 0,1)"
    )
    p.add_argument(
        "--settings",
        "--setting",
        default="C_32-32",
        metavar="GLOB,...",
        help="rows of Table I on which the winners run, like C_32-32 or 'B_*' (default C_32-32)",
    )
    p.add_argument(
        "--seeds", default="10,11,12", metavar="0,1|0-4", help="of the winners (default 10,11,12)"
    )
    p.add_argument(
        "--sampler-seed", type=int, default=0, metavar="N", help="of the suggestions (default 0)"
    )
    flags.length_and_precision_flags(p)
    flags.scheduler_flags(p)
    flags.running_flags(p)
    p.set_defaults(share=False)  # what is suggested depends on what one start knows
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the contest as the command line says; returns the exit code."""
    return run("rivals", lambda: _compare(parser().parse_args(argv)))


def _compare(args: argparse.Namespace) -> int:
    flags.check(args)
    if args.budget < 1:
        raise UsageError(f"--budget must be at least 1, but got {args.budget}")
    if not 0 <= args.sampler_seed < 2**32:
        raise UsageError(f"--sampler-seed must be from 0 to 2^32 - 1, but got {args.sampler_seed}")
    weights = flags.weights_of_objective(args, "tuning")
    own = flags.own_images_of(args)
    chosen = {"dataset": args.dataset} if own is None else {"dataset": own.name, **own.fields}
    rivals = contest(
        args.profile,
        args.methods.split(","),
        budget=args.budget,
        tuning_setting=args.tuning_setting,
        tuning_seeds=seeds(args.tuning_seeds),
        settings=args.settings.split(","),
        seeds=seeds(args.seeds),
        sampler_seed=args.sampler_seed,
        iterations=args.iterations,
        precision=args.precision,
        world_size=flags.world_size_of(args),
        scorer=weights.sha256,
        device=flags.device_of(args),
        **chosen,
    )
    name = args.name or rivals.default_name
    halving = flags.halving_of(args)
    options = replace(flags.options_of("rivals", args, weights), name=name, halving=halving)
    store = store_of(options.results)
    candidates = _candidates_on_record(store, name, rivals)
    missing = _missing(rivals, args)
    if not args.dry_run:
        rivals = _available(rivals, missing)
    plan = _stored_plan(store, name, rivals, candidates, args.profile)
    if args.dry_run:
        from sweep.run.dryrun import visible_nodes
        from sweep.run.rivals_dryrun import show_contest

        nodes, problem = visible_nodes(options)
        plan_and_missing = replace(plan, missing=missing)
        return show_contest(rivals, plan_and_missing, options, store, nodes, problem)
    from sweep.run.launch import launch
    from sweep.run.rivals import Rivals

    def keep(methods: Sequence[Mapping[str, Any]]) -> None:
        content = {"space": SPACE, "sampler": "TPE", **rivals.record, "methods": methods}
        writer = store.with_patience(PATIENCE_SECONDS)
        writer.write(study_path(name), json.dumps(content).encode())

    suggestions = Rivals(rivals, [c.trial_id for c in plan.trials], candidates, keep)
    return launch("rivals", plan, options, suggestions=suggestions)


def _missing(rivals: Contest, args: argparse.Namespace) -> dict[str, str]:
    """Says why data sets are not there. Raises UsageError if the tuning cannot start for it."""
    settings = (rivals.tuning_setting, *rivals.settings)
    datasets = (_dataset(rivals, setting) for setting in settings)
    missing = missing_data(datasets, args.data_root, download=args.download)
    reason = missing.get(_dataset(rivals, rivals.tuning_setting))
    if reason is not None and not args.dry_run:
        raise UsageError(f"the data set of --tuning-setting is not there: {reason}")
    return missing


def _dataset(rivals: Contest, setting: str) -> str:
    space = rivals.spaces[0]
    return trial_config(space.profile, setting, "sn", 0, **space.changes).dataset


def _available(rivals: Contest, missing: Mapping[str, str]) -> Contest:
    """The contest without the settings whose data set is not there, which are named."""
    reasons = {
        setting: missing[dataset]
        for setting in rivals.settings
        if (dataset := _dataset(rivals, setting)) in missing
    }
    settings = [setting for setting in rivals.settings if setting not in reasons]
    if not settings:
        raise UsageError(f"no data set of --settings is there: {next(iter(reasons.values()))}")
    return replace(rivals, settings=settings, skipped={**reasons, **rivals.skipped})


def _candidates_on_record(store: Store, name: str, rivals: Contest) -> dict[str, list[Candidate]]:
    """Candidates of earlier starts by method, in their order.

    Raises UsageError if the name is that of another contest or search.
    """
    try:
        record = json.loads(store.read(study_path(name)) or b"{}")
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read sweep {name!r} in {store.root}: {error}") from error
    if not record:
        return {}
    elsewhere = f"sweep {name!r} is another one: it has "
    if record.get("space") != SPACE:
        raise UsageError(f"sweep {name!r} is a search and no contest: give another --name")
    for key, value in rivals.identity.items():
        if record[key] != value:
            raise UsageError(f"{elsewhere}{key} {record[key]}, not {value}: give another --name")
    candidates = {
        method["method"]: [candidate["values"] for candidate in method["candidates"]]
        for method in record["methods"]
    }
    for space in rivals.spaces:
        for candidate in candidates.get(space.method, ()):
            levels = {knob.name: knob.levels for knob in space.knobs}
            if candidate.keys() != levels.keys() or any(
                value not in levels[knob] for knob, value in candidate.items()
            ):
                raise UsageError(
                    f"{elsewhere}tuned {space.method} to {candidate}, which this version has no "
                    "levels for: give another --name"
                )
    return candidates


def _stored_plan(
    store: Store,
    name: str,
    rivals: Contest,
    candidates: Mapping[str, Sequence[Candidate]],
    profile: str,
) -> Plan:
    """The stored plan with its configurations, in its order; empty if there is none.

    Raises UsageError if it holds a trial of none of the candidates.
    """
    try:
        planned = [row["trial_id"] for row in store.read_rows("sweeps", name)]
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read sweep {name!r} in {store.root}: {error}") from error
    configs: dict[str, TrialConfig] = {}
    if planned:
        for space in rivals.spaces:
            for candidate in [*candidates.get(space.method, ()), space.published()]:
                trials = rivals.tuning_trials(space, candidate)
                # A winner of earlier starts may have been another candidate.
                trials += rivals.final_trials(space, candidate)
                configs |= {config.trial_id: config for config in trials}
    everything = Plan(profile=profile, trials=[*configs.values()], skipped=rivals.skipped)
    check_name(store, name, everything)
    return replace(everything, trials=[configs[trial_id] for trial_id in planned])


if __name__ == "__main__":
    sys.exit(main())
