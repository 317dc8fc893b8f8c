"""The sweeps that a campaign disturbs: real trials, as small as they can be, and their command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.config.trial import TrialConfig, trial_config

ROOT = Path(__file__).parents[2]
SETTING = "C_8-32"
METHODS = ("sn", "sr-static")
SEEDS = (0, 1)
NAME = "campaign"
# What would tie a command to another cluster or store.
SURROUNDINGS = ("RAY_ADDRESS", "RAY_JOB_ID", "RAY_JOB_CONFIG_JSON_ENV_VAR", "SWEEP_RESULTS")
# The server of the rounds on S3 takes any key.
OF_EVERY_PROCESS = {
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Four trials of the digits profile, with one evaluation at each of their iterations."""

    iterations: int

    @property
    def trials(self) -> list[TrialConfig]:
        return [
            trial_config("digits", SETTING, method, seed, iterations=self.iterations)
            for method in METHODS
            for seed in SEEDS
        ]

    def command(self, results: str) -> Sequence[str]:
        """The command that a person types, with its words as JSON."""
        return [
            *(sys.executable, "-m", "sweep.table1", "--profile=digits", "--json"),
            *(f"--settings={SETTING}", f"--methods={','.join(METHODS)}"),
            *(f"--seeds={','.join(map(str, SEEDS))}", f"--iterations={self.iterations}"),
            *("--no-stop-on-collapse", f"--name={NAME}", f"--results={results}"),
        ]


# Where hosts are cut off the trials are to last longer than a cut.
PLANS = {"kill": Plan(6), "s3": Plan(6), "hosts": Plan(20)}


def environment(temporary: Path) -> dict[str, str]:
    """The environment of a command whose Ray keeps its files in `temporary`."""
    kept = {name: value for name, value in os.environ.items() if name not in SURROUNDINGS}
    return kept | {
        "HOME": str(temporary),
        "RAY_TMPDIR": str(temporary),
        **OF_EVERY_PROCESS,
    }
