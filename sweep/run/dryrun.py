"""`--dry-run`: what a command would do and cost. Reads the store, writes and starts nothing."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sweep.plan import resources
from sweep.plan.estimate import Cost, Measured, cost, gpu_hours, makespan
from sweep.plan.grid import Plan
from sweep.plan.options import Options
from sweep.plan.remaining import check_name, default_name, own_files, results_root, to_run
from sweep.plan.resources import CONTEXT_BYTES, GPU_BYTES, UNKNOWN_GPU, share, sustained
from sweep.report.progress import method_in_words
from sweep.run import unused_nodes
from sweep.store.index import rows_of_trials
from sweep.store.store import Store, StoredFile
from sweep.store.vocabulary import Row
from trainer import machine_limits
from trainer.config import lifting
from trainer.config.costs import operations
from trainer.config.lookup import UsageError
from trainer.config.trial import TrialConfig

# What a plan and its cost need to know of a stored trial.
COLUMNS = ("trial_id", "status", "iteration", "seconds", "config", "diverged_at", "rung")
# Trials of other sweeps in the store tell how long this one's take; so many are read at most.
MOST_READ = 300
# GPU types for which GPU-hours are shown while no GPU is known.
SHOWN_GPUS = ("T4", "A100-80G", "H200")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A trial of the plan: `state` is done, to resume or to run; `iteration` the last stored."""

    config: TrialConfig
    state: str
    iteration: int
    cost: Cost


def show_plan(
    experiment: str,
    plan: Plan,
    options: Options,
    nodes: Sequence[Mapping[str, float]],
    problem: str | None = None,
) -> int:
    """Prints what would become of the plan and what it costs on these nodes, whose resources are
    as Ray gives them, and what is missing; returns the exit code. `problem` says why the nodes
    are not known."""
    gpu_bytes = resources.gpu_bytes(nodes)
    root = results_root(options.results)
    name = options.name or default_name(experiment, plan)
    rows: dict[str, Row] = {}
    files, measured = {}, Measured((), gpu_bytes)
    if root is not None:
        store = Store(root)
        check_name(store, name, plan)
        ids = [config.trial_id for config in plan.trials]
        in_store = rows_of_trials(store, files_of_profile(store, plan.profile, ids), COLUMNS)
        rows = {trial_id: in_store[trial_id] for trial_id in ids if trial_id in in_store}
        files = own_files(store, ids) if options.fresh else {}
        measured = Measured(in_store.values(), gpu_bytes)
    planned = _planned(plan, rows, measured, options)
    todo = [trial for trial in planned if trial.state != "done"]
    room = resources.slots([trial.cost.share for trial in todo], nodes)
    slots = min(filter(None, (room, options.max_concurrent)), default=None)
    if options.as_json:
        lines = [json.dumps(_record(trial)) for trial in planned]
    else:
        lines = [*_table(planned), "", *_totals(todo, slots), *_gpu_lines(todo, gpu_bytes)]
    sys.stdout.write("".join(line + "\n" for line in lines))
    notes = [options.weights.note] if options.weights.note else []
    notes += [f"missing here: {reason}" for reason in [*_missing_data(plan), problem] if reason]
    if not options.remote and (text := unused_nodes.warning(shared=options.share)) is not None:
        notes.append(text)
    notes += lifting.warnings(plan.trials)
    notes += [f"skipped {item}: {reason}" for item, reason in plan.skipped.items()]
    notes += [f"--fresh would remove the {len(p)} files of {i}" for i, p in files.items()]
    notes.append(
        f"sweep {name}: {len(plan.trials)} trials in "
        f"{root or '~/sweep-results, on a cluster of one node'}, {len(todo)} to run; "
        "nothing was started"
    )
    out = sys.stderr if options.as_json else sys.stdout
    out.write("\n".join(notes) + "\n")
    return 0


def _missing_data(plan: Plan) -> list[str]:
    """Lines on the data sets that are not there, each with what a sweep would leave out."""
    counts = Counter(config.dataset for config in plan.trials if config.dataset in plan.missing)
    return [f"{plan.missing[name]}; {n} trials need it" for name, n in counts.items()]


def visible_nodes(options: Options) -> tuple[list[dict[str, float]], str | None]:
    """The nodes that the trials would run on: those of the cluster that is there, else the
    CPUs that this process may use. None and the reason if the cluster cannot be reached."""
    if not options.remote:
        return [{"CPU": float(machine_limits.cpus())}], None
    from sweep.run import ray_cluster

    try:
        ray_cluster.connect(is_awaited=False)
    except UsageError as error:
        return [], str(error)
    nodes = ray_cluster.nodes()
    ray_cluster.disconnect()
    return nodes, None


def files_of_profile(store: Store, profile: str, trial_ids: Collection[str]) -> list[StoredFile]:
    """The files of the planned trials, and of others of the profile in the store."""
    ids = set(trial_ids)
    files = [file for file in store.list("trials") if file.key.startswith(f"{profile}.")]
    other_files = (file for file in files if file.key not in ids)
    return [file for file in files if file.key in ids] + [*islice(other_files, MOST_READ)]


def _planned(
    plan: Plan,
    rows: Mapping[str, Mapping[str, Any]],
    measured: Measured,
    options: Options,
) -> list[Planned]:
    todo = {
        config.trial_id
        for config in to_run(
            plan, rows, stop_on_collapse=options.stop_on_collapse, fresh=options.fresh
        )
    }
    planned = []
    for config in plan.trials:
        row = rows.get(config.trial_id)
        iteration = row["iteration"] if row and not options.fresh else 0
        finished = config.trial_id not in todo
        state = "done" if finished else "to resume" if iteration else "to run"
        done = config.iterations if finished else iteration
        request = share(
            config,
            measured.gpu_bytes,
            gpus=options.gpus_per_trial,
            cpus=options.cpus_per_trial,
        )
        trial_cost = cost(config, measured, done=done, request=request)
        planned.append(Planned(config=config, state=state, iteration=iteration, cost=trial_cost))
    return planned


def _record(trial: Planned) -> dict[str, Any]:
    config, costs = trial.config, trial.cost
    return {
        "trial_id": config.trial_id,
        "state": trial.state,
        "iteration": trial.iteration,
        "iterations": config.iterations,
        "operations": operations(config),
        "teraflops": costs.teraflops,
        "gpu_bytes": costs.gpu_bytes,
        "cpus": costs.share.cpus,
        "gpus": costs.share.gpus,
        "seconds": costs.seconds,
        "gpu_hours": costs.gpu_hours,
        "measured": None
        if costs.rate is None
        else {"n": costs.rate.n, "low": costs.rate.low, "high": costs.rate.high},
    }


def _table(planned: Sequence[Planned]) -> list[str]:
    """One line per setting, method, share of the images and i: how many trials, and what each
    one and all cost."""
    groups: dict[tuple[str, str, str], list[Planned]] = {}
    for trial in planned:
        c = trial.config
        i = "" if c.i_ratio is None else f"{c.i_ratio:g}"
        method = method_in_words(c.method, None, c.data_share)
        groups.setdefault((c.setting, method, i), []).append(trial)
    head = (
        f"{'setting':11}{'method':18}{'i':>5}{'done':>5}{'resume':>7}{'run':>5}"
        f"{'TFLOP':>12}{'GPU GB':>8}{'GPU':>6}{'each':>9}{'left':>9}"
    )
    lines = [head]
    for (setting, method, i), trials in groups.items():
        count = [sum(t.state == s for t in trials) for s in ("done", "to resume", "to run")]
        first_cost = trials[0].cost
        memory = "-" if first_cost.gpu_bytes is None else f"{first_cost.gpu_bytes / 1e9:.1f}"
        gpus = f"{first_cost.share.gpus:.3g}" if first_cost.share.gpus else "-"
        whole_seconds = [t.cost.whole_seconds for t in trials]
        lines.append(
            f"{setting:11}{method:18}{i:>5}{count[0]:5}{count[1]:7}{count[2]:5}"
            f"{figure(first_cost.teraflops):>12}{memory:>8}{gpus:>6}"
            f"{hours_in_words(sum(whole_seconds) / len(whole_seconds)):>9}"
            f"{hours_in_words(sum(t.cost.seconds for t in trials)):>9}"
        )
    return lines


def _totals(todo: Sequence[Planned], slots: int | None) -> list[str]:
    costs = [trial.cost for trial in todo]
    lines = [
        f"to run: {figure(sum(c.teraflops * c.remaining for c in costs))} TFLOP, "
        f"{hours_in_words(sum(c.seconds for c in costs))} of trials, "
        f"{figure(sum(c.gpu_hours for c in costs))} GPU-hours, "
        f"{figure(sum(c.cpu_hours for c in costs))} CPU-hours"
    ]
    if not todo:
        return ["to run: nothing"]
    if slots is None:
        lines.append("no node has room: --max-concurrent N says how long N at once take")
    else:
        seconds = makespan([c.seconds for c in costs], slots)
        lines.append(
            f"expected: {hours_in_words(seconds)} on {slots} slot{'s' if slots > 1 else ''}"
        )
    return lines + _sources(todo)


def _sources(todo: Sequence[Planned]) -> list[str]:
    """Where the seconds come from, and that about GPUs nothing was measured."""
    rates = [trial.cost.rate for trial in todo if trial.cost.rate is not None]
    lines = []
    if rates:
        low, high = (
            min(rate.low / rate.factor for rate in rates),
            max(rate.high / rate.factor for rate in rates),
        )
        n = max(rate.n for rate in rates)
        lines.append(
            f"seconds of {len(rates)} trials from up to {n} ended ones like them in the store, "
            f"which took {low:.2f} to {high:.2f} times as long as their median"
        )
    if len(rates) < len(todo):
        lines.append(
            f"seconds of {len(todo) - len(rates)} trials not measured: by the stated constants of "
            "sweep/plan/estimate.py"
        )
    return lines


def _gpu_lines(todo: Sequence[Planned], gpu_bytes: float | None) -> list[str]:
    """Which GPU is assumed, and GPU-hours by the model on others if none is known."""
    configs = [trial.config for trial in todo if trial.cost.gpu_bytes]
    if not configs:
        return []
    size = GPU_BYTES[UNKNOWN_GPU] if gpu_bytes is None else gpu_bytes
    lines = [
        f"GPU memory, shares and rates not measured: a model of GPUs of {size / 1e9:.0f} GB "
        f"at {sustained(size, configs[0].precision) / 1e12:.0f} TFLOP/s"
    ]
    too_big = {
        trial.config.setting
        for trial in todo
        if (trial.cost.gpu_bytes or 0) + CONTEXT_BYTES > size
    }
    if too_big:
        lines.append(f"by that model they are too small for {', '.join(sorted(too_big))}")
    if gpu_bytes is None:
        hours = ", ".join(
            f"{figure(gpu_hours(configs, GPU_BYTES[name]))} on {name}" for name in SHOWN_GPUS
        )
        lines.append(f"no GPU is known yet; GPU-hours of whole trials by that model: {hours}")
    return lines


def figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def hours_in_words(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{figure(seconds / 3600)} h"
