"""`python -m sweep.own package.module:function`: anybody's training function as a sweep.

The function is called as `function(config, run)`, with a configuration of the space and the run to
log into (sweep.recording.Run). Trials are found again by configuration and source.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sweep.cli import flags
from sweep.cli.commands import run, store_of
from sweep.plan.entry import entry_function, source_of
from sweep.plan.grid import Plan, seeds
from sweep.plan.inception_weights import Weights
from sweep.plan.options import Options
from sweep.plan.own_space import OwnSpace, read_space
from sweep.plan.remaining import check_name, default_name, to_run
from sweep.recording.run import directions
from sweep.store.index import trial_rows
from sweep.store.store import Store
from trainer.config.lookup import UsageError
from trainer.config.own_images import Reading
from trainer.config.own_trial import PROFILE, OwnTrial, plain_config, source_version

NAME = "own"
DESCRIPTION = """\
Run a training function of your own as a sweep: function(config, run), where `config` is a point of
--space and `run` a sweep.recording.Run. It logs by run.log(iteration, fid=.., spectra=..), and
ends when run.should_stop says so. A run that collapses is stopped, one that failed is tried again.

--space FILE.py: `grid`, a dictionary of lists, of which every combination is run; or a function
`space(trial)` that suggests what it needs of an Optuna trial, and returns a dictionary.
"""
EXAMPLES = """\
examples:
  python -m sweep.own mypackage.train:train --space grid.py --seeds 0-2 --iterations 10000
      every point of a grid with three seeds, on this machine's CPUs
  python -m sweep.own mypackage.train:train --space space.py --trials 20 --score fid \\
      --iterations 10000 --gpus-per-trial 0.25
      Optuna over a space, four trials on a GPU
"""


def parser() -> flags.Parser:
    p = flags.parser(NAME, DESCRIPTION, EXAMPLES)
    p.add_argument("entry", metavar="PACKAGE.MODULE:FUNCTION", help="called with (config, run)")
    p.add_argument("--space", type=flags.absolute_path, metavar="FILE.py", help="see above")
    p.add_argument(
        "--iterations",
        type=int,
        required=True,
        metavar="N",
        help="that the function trains for, in its config; progress and verdicts rest on it",
    )
    p.add_argument("--seeds", default="0", metavar="0,1|0-4", help="in its config (default 0)")
    p.add_argument(
        "--trials", type=int, metavar="N", help="of an Optuna space, in all: those before count"
    )
    p.add_argument(
        "--sampler-seed", type=int, default=0, metavar="N", help="of Optuna's (default 0)"
    )
    p.add_argument(
        "--score",
        action="append",
        default=[],
        metavar="NAME[=lower|higher]",
        help="that the function logs, repeatable: the first decides what is best, and all "
        "together speak of a mode collapse; names of the store know which way is better",
    )
    p.add_argument(
        "--version",
        metavar="WORD",
        help="of the code, in the identity of its trials (default: the hash of the file that the "
        "function stands in; what it imports is no part of that)",
    )
    flags.scheduler_flags(p)
    flags.execution_flags(p)
    # What commands that train here have: a function of its own reads and scores what it likes.
    unused = dict.fromkeys(("download", "allow_other_weights", "controls", "share"), False)
    p.set_defaults(data_root=None, **unused, **asdict(Reading()))
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the sweep as the command line says; returns the exit code."""
    return run(NAME, lambda: _own(parser().parse_args(argv)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that the trials of the sweep share."""

    entry: str
    version: str
    scores: Mapping[str, str]
    iterations: int
    gpus: bool

    def trial(
        self, point: Mapping[str, Any], seed: int, parameters: Mapping[str, Any] | None = None
    ) -> OwnTrial:
        """The trial of a point of the space, whose own keys go before the flags'."""
        config = plain_config({"iterations": self.iterations, "seed": seed, **point})
        return OwnTrial(
            name=self.entry,
            config=config,
            version=self.version,
            scores=self.scores,
            entry=self.entry,
            parameters=parameters,
            gpus=self.gpus,
        )


def _own(args: argparse.Namespace) -> int:
    flags.check(args)
    function = entry_function(args.entry)
    recipe = Recipe(
        entry=args.entry,
        version=args.version or source_version(source_of(function)),
        scores=_scores(args.score),
        iterations=args.iterations,
        gpus=bool(args.gpus_per_trial),
    )
    space, seed_list = read_space(args.space), seeds(args.seeds)
    _check(args, recipe, space, seed_list)
    halving = flags.halving_of(args)
    options = replace(flags.options_of(NAME, args, Weights()), halving=halving)
    if space.define is None:
        return _run_grid(recipe, space, seed_list, options, dry=args.dry_run)
    return _search(args, recipe, space, seed_list[0], options)


def _scores(texts: Sequence[str]) -> dict[str, str]:
    scores: dict[str, str] = {}
    for text in texts:
        name, equals, direction = text.partition("=")
        scores |= directions({name: direction} if equals else [name])
    return scores


def _check(
    args: argparse.Namespace, recipe: Recipe, space: OwnSpace, seed_list: Sequence[int]
) -> None:
    """Raises UsageError for flags that the kind of the space does not take."""
    if space.define is None:
        for name, default in (("trials", None), ("scheduler", "none"), ("sampler_seed", 0)):
            if getattr(args, name) != default:
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag} is for a space(trial) of Optuna, and there is none")
        return
    if args.trials is None or args.trials < 1:
        raise UsageError("a space(trial) of Optuna needs --trials N, at least 1")
    if not recipe.scores:
        raise UsageError("a search needs --score NAME, which the function logs, as its objective")
    if len(seed_list) > 1:
        raise UsageError("a search takes one of --seeds: its trials share what is not suggested")


def _run_grid(
    recipe: Recipe, space: OwnSpace, seed_list: Sequence[int], options: Options, *, dry: bool
) -> int:
    trials = {
        trial.trial_id: trial
        for point in space.points
        for seed in seed_list
        for trial in [recipe.trial(point, seed)]
    }
    plan = Plan(profile=PROFILE, trials=[*trials.values()], skipped={})
    experiment = recipe.entry.rpartition(":")[2]
    if dry:
        return _show(plan, options, options.name or default_name(experiment, plan), left=0)
    from sweep.run.launch import launch

    return launch(experiment, plan, options)


def _search(
    args: argparse.Namespace, recipe: Recipe, space: OwnSpace, seed: int, options: Options
) -> int:
    assert space.define is not None
    from sweep.run.own_study import OwnStudy

    name = options.name or _search_name(args, recipe, seed)
    options = replace(options, name=name)
    planned = _planned(store_of(options.results), name, recipe)
    plan = Plan(profile=PROFILE, trials=[*planned], skipped={})
    study = OwnStudy(
        space.define,
        lambda point, parameters: recipe.trial(point, seed, parameters),
        planned,
        trials=args.trials,
        seed=args.sampler_seed,
    )
    if args.dry_run:
        return _show(plan, options, name, left=max(0, args.trials - len(planned)))
    from sweep.run.launch import launch

    return launch(NAME, plan, options, suggestions=study)


def _search_name(args: argparse.Namespace, recipe: Recipe, seed: int) -> str:
    """The name of a search: equal for the same function, space, scores and seeds."""
    space = source_version(args.space)
    parts = [recipe.entry, recipe.version, space, dict(recipe.scores), recipe.iterations, seed]
    digest = hashlib.sha256(json.dumps([*parts, args.sampler_seed]).encode()).hexdigest()
    return f"search-{PROFILE}-{digest[:6]}"


def _planned(store: Store, name: str, recipe: Recipe) -> list[OwnTrial]:
    """The stored trials of the search, as its plan has them. Raises UsageError for another's."""
    rows = store.read_rows("sweeps", name)
    trials = []
    for row in rows:
        if row["parameters"] is None:
            raise UsageError(f"sweep {name!r} is no search over a function: give another --name")
        config, parameters = json.loads(row["config"]), json.loads(row["parameters"])
        trial = recipe.trial(config, config["seed"], parameters)
        if trial.trial_id != row["trial_id"]:
            raise UsageError(
                f"sweep {name!r} is of another function or version, for example "
                f"{row['trial_id']}: give another --name"
            )
        trials.append(trial)
    return trials


def _show(plan: Plan[OwnTrial], options: Options, name: str, *, left: int) -> int:
    """Prints the dry run: each planned trial, what would become of it, and what it is given."""
    store = store_of(options.results)
    check_name(store, name, plan)
    ids = [trial.trial_id for trial in plan.trials]
    rows = trial_rows(store, ids, ("trial_id", "status", "diverged_at", "rung"))
    todo = to_run(
        plan,
        rows,
        stop_on_collapse=options.stop_on_collapse,
        stop_at_rungs=options.halving is not None,
        fresh=options.fresh,
    )
    todo_ids = {trial.trial_id for trial in todo}
    for trial in plan.trials:
        state = "to run" if trial.trial_id in todo_ids else "done"
        line = {"trial_id": trial.trial_id, "state": state, "config": dict(trial.config)}
        text = f"{trial.trial_id}  {state}  {json.dumps(line['config'])}"
        sys.stdout.write((json.dumps(line) if options.as_json else text) + "\n")
    out = sys.stderr if options.as_json else sys.stdout
    more = f", {left} left to suggest" if left else ""
    out.write(
        f"sweep {name}: {len(ids)} trials in {store.place}, {len(todo)} to run{more}; what they "
        "cost is not known; nothing was started\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
