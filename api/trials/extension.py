"""More trials like one: the words in which the server of orders is asked for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.reading.snapshot import Row
from api.trials.models import Trial
from trainer.config.settings import ALL_SETTINGS, METHODS, PROFILES

MORE_SEEDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """`shared` are the values of an order that stay; `seeds` are new ones, `own_seed` the
    trial's; `methods` are the others that there are."""

    shared: Mapping[str, str]
    method: str
    seeds: str
    own_seed: int
    methods: Sequence[str]


def extension(record: Row, same_but_seed: Sequence[Trial]) -> Extension | None:
    """What could be ordered beside a trial; None of one that no order can name: recorded by a
    loop of its own, branched off another, on own pictures, or of another version's method."""
    profile, row = PROFILES.get(record["profile"]), ALL_SETTINGS.get(record["setting"])
    if profile is None or row is None or record["method"] not in METHODS:
        return None
    if record["parent"] is not None or record["dataset"] == "images":
        return None
    usual = None if row.dataset is None else profile.dataset.get(row.dataset)
    values = {
        "profile": record["profile"],
        "settings": record["setting"],
        "i_ratios": record["i_ratio"],
        "data_shares": record["data_share"],
        "dataset": None if record["dataset"] == usual else record["dataset"],
        "iterations": record["iterations"],
        "precision": record["precision"],
    }
    first = 1 + max(record["seed"], *(trial.seed for trial in same_but_seed), 0)
    return Extension(
        shared={name: str(value) for name, value in values.items() if value is not None},
        method=record["method"],
        seeds=",".join(str(first + k) for k in range(MORE_SEEDS)),
        own_seed=record["seed"],
        methods=[name for name in METHODS if name != record["method"]],
    )
