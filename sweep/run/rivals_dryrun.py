"""`sweep.rivals --dry-run`: how many trials each method gets and what they cost. Reads the store,
writes and starts nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sweep.plan import resources
from sweep.plan.contest import Contest
from sweep.plan.estimate import Measured, cost
from sweep.plan.grid import Plan
from sweep.plan.options import Options
from sweep.plan.remaining import to_run
from sweep.plan.resources import share
from sweep.plan.tuning_space import TuningSpace
from sweep.run.dryrun import COLUMNS, figure, files_of_profile, hours_in_words
from sweep.store.index import rows_of_trials
from sweep.store.store import Store
from trainer.config.knobs import tuning_note
from trainer.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCost:
    """The cost of a method in a contest. Trials and iterations are of all of it, `done` and
    `seconds_left` say how far it is; the candidates to come are priced as published."""

    method: str
    knobs: Sequence[str]
    note: str | None
    candidates: int
    tuning_trials: int
    final_trials: int
    iterations: int
    done: int
    seconds: float
    seconds_left: float
    gpu_hours: float


def show_contest(
    contest: Contest,
    plan: Plan,
    options: Options,
    store: Store,
    nodes: Sequence[Mapping[str, float]],
    problem: str | None,
) -> int:
    """Prints the cost of each method and of all; returns the exit code.

    `plan` is what is stored of the sweep, `nodes` what Ray gives of them, `problem` why they are
    not known.
    """
    gpu_bytes = resources.gpu_bytes(nodes)
    ids = [config.trial_id for config in plan.trials]
    profile = contest.spaces[0].profile
    in_store = rows_of_trials(store, files_of_profile(store, profile, ids), COLUMNS)
    todo = to_run(
        plan,
        in_store,
        stop_on_collapse=options.stop_on_collapse,
        stop_at_rungs=options.halving is not None,
        fresh=options.fresh,
    )
    left_ids = {config.trial_id for config in todo}
    done = [config for config in plan.trials if config.trial_id not in left_ids]
    measured = Measured(in_store.values(), gpu_bytes)
    costs = [_cost(contest, space, done, measured, options) for space in contest.spaces]
    shares = [
        _share(space.trial(space.published(), 0), measured, options)
        for space, each in zip(contest.spaces, costs, strict=True)
        for _ in range(each.tuning_trials + each.final_trials)
    ]
    room = resources.slots(shares, nodes)
    slots = min(filter(None, (room, options.max_concurrent)), default=None)
    lines = [json.dumps(asdict(each)) for each in costs]
    if not options.as_json:
        lines = [*_table(costs), "", *_totals(contest, costs, slots)]
    sys.stdout.write("".join(line + "\n" for line in lines))
    notes = [options.weights.note] if options.weights.note else []
    notes += [f"missing here: {reason}" for reason in [*plan.missing.values(), problem] if reason]
    notes += [f"skipped {item}: {reason}" for item, reason in contest.skipped.items()]
    notes.append(
        f"sweep {options.name} in {store.place}: {len(plan.trials)} trials planned so far, "
        f"{len(done)} done; nothing was started"
    )
    out = sys.stderr if options.as_json else sys.stdout
    out.write("\n".join(notes) + "\n")
    return 0


def _cost(
    contest: Contest,
    space: TuningSpace,
    done: Sequence[TrialConfig],
    measured: Measured,
    options: Options,
) -> MethodCost:
    published = space.published()
    n_candidates = contest.candidates(space)
    tuning = contest.tuning_trials(space, published) * n_candidates
    finals = contest.final_trials(space, published)
    costs = [
        cost(config, measured, request=_share(config, measured, options))
        for config in [*tuning, *finals]
    ]
    own_done = [config for config in done if config.method == space.method]
    seconds = sum(each.seconds for each in costs)
    seconds_done = sum(
        cost(config, measured, request=_share(config, measured, options)).seconds
        for config in own_done
    )
    return MethodCost(
        method=space.method,
        knobs=[knob.range_in_words for knob in space.knobs],
        note=tuning_note(space.method),
        candidates=n_candidates,
        tuning_trials=len(tuning),
        final_trials=len(finals),
        iterations=sum(config.iterations for config in [*tuning, *finals]),
        done=len(own_done),
        seconds=seconds,
        seconds_left=max(0.0, seconds - seconds_done),
        gpu_hours=sum(each.gpu_hours for each in costs),
    )


def _share(config: TrialConfig, measured: Measured, options: Options) -> resources.Share:
    return share(
        config, measured.gpu_bytes, gpus=options.gpus_per_trial, cpus=options.cpus_per_trial
    )


def _table(costs: Sequence[MethodCost]) -> list[str]:
    """One line per method, and one on each of its knobs."""
    lines = [
        f"{'method':18}{'candidates':>11}{'trials':>8}{'final':>7}{'done':>6}"
        f"{'iterations':>12}{'all':>9}{'left':>9}"
    ]
    for each in costs:
        lines.append(
            f"{each.method:18}{each.candidates:11}{each.tuning_trials:8}{each.final_trials:7}"
            f"{each.done:6}{each.iterations:12,}{hours_in_words(each.seconds):>9}"
            f"{hours_in_words(each.seconds_left):>9}"
        )
        lines += [f"    {words}" for words in [*each.knobs, each.note] if words]
    return lines


def _totals(contest: Contest, costs: Sequence[MethodCost], slots: int | None) -> list[str]:
    tuning, finals = (
        sum(getattr(each, name) for each in costs) for name in ("tuning_trials", "final_trials")
    )
    tuning_seeds, final_seeds = (
        ", ".join(map(str, numbers)) for numbers in (contest.tuning_seeds, contest.seeds)
    )
    seconds_left = sum(each.seconds_left for each in costs)
    lines = [
        f"{tuning} tuning trials on {contest.tuning_setting}, seeds {tuning_seeds}; "
        f"{finals} trials of winners on {', '.join(contest.settings)}, seeds {final_seeds}; "
        f"{sum(each.iterations for each in costs):,} trial-iterations",
        f"left: {hours_in_words(seconds_left)} of trials"
        + (
            f", {figure(hours)} GPU-hours in all"
            if (hours := sum(each.gpu_hours for each in costs))
            else ""
        )
        + "; candidates to come are priced as published",
    ]
    if slots is None:
        return [*lines, "no node has room: --max-concurrent N says how long N at once take"]
    wall = hours_in_words(seconds_left / slots)
    return [*lines, f"expected: at least {wall} on {slots} slot{'s' if slots > 1 else ''}"]
