"""Trials that are not as a page would like them, and their ids."""

from __future__ import annotations

from typing import Any

from tests.api.stores import identity


def _trials() -> dict[str, dict[str, Any]]:
    methods = {
        "healthy": "sr-static",
        "diverged": "sn",
        "failed": "sn",
        "planned": "sn",
        "running": "sr-static",
        "foreign": "sn",
        "branch": "sr-dynamic",
    }
    trials = {
        name: identity("C_32-32", method, seed)
        for seed, (name, method) in enumerate(methods.items())
    }
    trials["twin"] = identity("C_32-32", "sn", 0)
    trials["foreign"] |= {"profile": "paper", "dataset": "imagenet", "setting": "E_512-64"}
    trials["branch"] |= {"parent": trials["failed"]["trial_id"], "parent_iteration": 150}
    return trials


TRIALS = _trials()


def id_of(name: str) -> str:
    return TRIALS[name]["trial_id"]
