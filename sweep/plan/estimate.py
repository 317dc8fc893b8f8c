"""The cost of a plan: operations, GPU memory, seconds, GPU-hours, and its makespan.

Seconds are nominal ones, of stated constants, times how much longer or shorter trials like these
took: those of the store that have ended. Without any they are said to be not measured. Standard
library only.
"""

from __future__ import annotations

import heapq
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.plan.gpu_memory import memory_bytes
from sweep.plan.resources import LAUNCH_SECONDS, Share, share, sustained
from sweep.store.vocabulary import FINISHED
from trainer.config.costs import cpu_seconds, launches, work
from trainer.config.lookup import UsageError
from trainer.config.own_trial import AnyTrial
from trainer.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Measured over nominal seconds of n ended trials: median, least and most."""

    factor: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of one trial: `teraflops` and `whole_seconds` of all of it, of which the part
    `remaining` (0 to 1) is to come; `gpu_bytes` None without a GPU, `rate` None where nothing was
    measured."""

    teraflops: float
    gpu_bytes: float | None
    whole_seconds: float
    share: Share
    rate: Rate | None
    remaining: float

    @property
    def seconds(self) -> float:
        """Seconds that are to come."""
        return self.whole_seconds * self.remaining

    @property
    def gpu_hours(self) -> float:
        return self.seconds * self.share.gpus / 3600

    @property
    def cpu_hours(self) -> float:
        return self.seconds * self.share.cpus / 3600


class Measured:
    """Ended trials of a store, by what they can be compared with."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], gpu_bytes: float | None = None) -> None:
        """`rows` of the store's table `trials`; those that cannot be compared are left out.

        `gpu_bytes` is the size of the GPUs that are to be used, for nominal seconds.
        """
        self.gpu_bytes = gpu_bytes
        ratios: dict[tuple[str, ...], list[float]] = {}
        for row in rows:
            config = _comparable_config(row)
            if config is None:
                continue
            whole_seconds = row["seconds"] * config.iterations / row["iteration"]
            for key in _keys(config):
                ratio = whole_seconds / nominal_seconds(config, gpu_bytes)
                ratios.setdefault(key, []).append(ratio)
        self._rates = {key: _rate(each) for key, each in ratios.items()}

    def rate(self, config: TrialConfig) -> Rate | None:
        """The rate of the nearest kind of trials that there are: setting and method, setting,
        method, all of the profile; on the same type of device."""
        return next((self._rates[key] for key in _keys(config) if key in self._rates), None)


def _rate(ratios: Sequence[float]) -> Rate:
    return Rate(factor=statistics.median(ratios), low=min(ratios), high=max(ratios), n=len(ratios))


def _keys(config: TrialConfig) -> list[tuple[str, ...]]:
    # Without its precision and data set a trial is another one, even of the same setting.
    kind = (config.profile, config.device_type, config.precision)
    setting, method = f"setting {config.setting} {config.dataset}", f"method {config.method}"
    return [(*kind, setting, method), (*kind, setting), (*kind, method), kind]


def _comparable_config(row: Mapping[str, Any]) -> TrialConfig | None:
    """The configuration of a trial whose time can be compared; None of any other.

    A branch is left out: its clock begins with its own first iteration.
    """
    if row["status"] not in FINISHED or not row["iteration"] or not row["seconds"]:
        return None
    try:
        config = TrialConfig(**json.loads(row["config"]))
    except (TypeError, ValueError, KeyError, UsageError):
        return None  # of another version
    return None if config.parent else config


def nominal_seconds(config: TrialConfig, gpu_bytes: float | None = None) -> float:
    """Seconds of the whole trial by the stated constants, on a core or on a GPU of that size.

    As if launches and kernels took turns, which on a GPU is the most it can be, and as if several
    ranks lost no time to each other.
    """
    if config.device_type != "cuda":
        return cpu_seconds(config)
    rate = sustained(gpu_bytes, config.precision)
    return (launches(config) * LAUNCH_SECONDS + 2 * work(config) / rate) / config.ranks


def cost(
    config: TrialConfig,
    measured: Measured,
    *,
    done: int = 0,
    request: Share | None = None,
) -> Cost:
    """The cost of a trial of which `done` iterations are there, with the requested share."""
    start = config.parent_iteration or 0
    remaining = 1 - max(0, done - start) / (config.iterations - start)
    rate = measured.rate(config)
    seconds = nominal_seconds(config, measured.gpu_bytes) * (rate.factor if rate else 1)
    planned = (config.iterations - start) / config.iterations
    return Cost(
        teraflops=2 * work(config) * planned / 1e12,
        gpu_bytes=memory_bytes(config) if config.device_type == "cuda" else None,
        whole_seconds=seconds * planned,
        share=request or share(config, measured.gpu_bytes),
        rate=rate,
        remaining=remaining,
    )


def expected_seconds(
    trials: Sequence[AnyTrial],
    rows: Mapping[str, Mapping[str, Any]],
    slots: int,
    gpu_bytes: float | None = None,
) -> float | None:
    """Seconds until all these trials have ended, on so many slots; None without any of either,
    and for loops of their own, whose cost is not known.

    `rows` are those of the store's table `trials`, by trial id: how far each is, and how long
    those took that have ended.
    """
    trials_of_ours = [config for config in trials if isinstance(config, TrialConfig)]
    if not slots or not trials_of_ours or len(trials_of_ours) < len(trials):
        return None
    measured = Measured(rows.values(), gpu_bytes)
    iterations = ((rows.get(c.trial_id) or {}).get("iteration") or 0 for c in trials_of_ours)
    costs = [
        cost(config, measured, done=min(done, config.iterations))
        for config, done in zip(trials_of_ours, iterations, strict=True)
    ]
    return makespan([each.seconds for each in costs], slots)


def gpu_hours(configs: Iterable[TrialConfig], gpu_bytes: float) -> float:
    """GPU-hours of whole trials on GPUs of that size, by the stated constants alone."""
    return sum(
        nominal_seconds(config, gpu_bytes) * share(config, gpu_bytes).gpus / 3600
        for config in configs
    )


def makespan(seconds: Sequence[float], slots: int) -> float:
    """Seconds that trials take, started in this order, each on the slot that is free first."""
    free = [0.0] * max(1, slots)
    for duration in seconds:
        heapq.heappush(free, heapq.heappop(free) + duration)
    return max(free)
