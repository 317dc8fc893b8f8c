"""Hours of GPUs and CPU threads, by hand."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from sweep.store.device_hours import DeviceHours, device_hours
from trainer.config.trial import trial_config


def row(device: str, threads: int = 1, **values: Any) -> dict[str, Any]:
    """A row as the sweep writes it, of an hour."""
    config = trial_config("digits", "C_8-32", "sn", 0, device=device, threads=threads)
    text = json.dumps(dataclasses.asdict(config), sort_keys=True)
    return {"seconds": 3600.0, "config": text, "gpus": None} | values


@pytest.mark.parametrize(
    ("rows", "gpu", "cpu"),
    [
        ([], 0, 0),
        ([row("cuda")], 1, 0),
        ([row("cuda:1", threads=8, gpus=1.0)], 1, 0),
        ([row("cuda", gpus=0.25, seconds=7200.0)] * 4, 2, 0),
        ([row("cpu", threads=4)], 0, 4),
        ([row("cpu", gpus=0.0), row("cuda", gpus=0.5)], 0.5, 1),
        ([row("cuda", seconds=None)], 0, 0),
        ([{"seconds": None, "config": None}], 0, 0),  # planned
        ([{"seconds": 3600.0, "config": '{"seed": 0}'}], 0, 1),  # of an early version
    ],
)
def test_an_hour(rows: list[dict[str, Any]], gpu: float, cpu: float) -> None:
    assert device_hours(rows) == DeviceHours(gpu=gpu, cpu=cpu)
