"""The cost of a contest before it starts, on nodes as Ray gives them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep import rivals
from sweep.cli import flags
from sweep.plan.contest import contest
from sweep.plan.grid import Plan
from sweep.run.dryrun import hours_in_words
from sweep.run.rivals_dryrun import show_contest
from sweep.run.rows import identity_row
from sweep.store.store import Store


def shown(
    capsys: pytest.CaptureFixture[str], root: Path, *arguments: str, done: int = 0, cpus: int = 4
) -> tuple[str, list[Any]]:
    """The dry run as text and as JSON; `done` tuning trials of sr-static are in the store."""
    three = contest(
        "digits", ["sn", "sr-static", "unrolled"], budget=6, tuning_setting="C_32-32",
        tuning_seeds=[0, 1], settings=["C_32-32", "A_64-128"], seeds=[10, 11, 12], sampler_seed=0,
    )  # fmt: skip
    args = rivals.parser().parse_args(["--profile=digits", *arguments])
    options = replace(flags.options_of("rivals", args, flags.weights_of(args)), name="three")
    store = Store(root)
    trials = three.tuning_trials(three.spaces[1], three.spaces[1].published())[:done]
    for config in trials:
        row = identity_row(config) | {"status": "completed", "iteration": config.iterations}
        store.write_rows("trials", config.trial_id, [row])
    plan = Plan(profile="digits", trials=trials, skipped={})
    texts = []
    for as_json in (False, True):
        how = replace(options, as_json=as_json)
        assert show_contest(three, plan, how, store, [{"CPU": cpus}], None) == 0
        texts.append(capsys.readouterr().out)
    return texts[0], [json.loads(line) for line in texts[1].splitlines()]


def test_trials_iterations_and_hours_stand_by_method(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text, methods = shown(capsys, tmp_path)
    sn, sr, unrolled = methods
    assert [m["tuning_trials"] for m in methods] == [0, 12, 12]
    assert [m["final_trials"] for m in methods] == [6, 6, 6]
    assert [m["iterations"] for m in methods] == [6_000, 18_000, 18_000]
    assert sn["seconds"] < sr["seconds"] < unrolled["seconds"], "unrolling costs more"
    total = sum(m["seconds"] for m in methods)
    assert "24 tuning trials on C_32-32, seeds 0, 1; 18 trials of winners on " in text
    assert "42,000 trial-iterations" in text
    assert f"expected: at least {hours_in_words(total / 4)} on 4 slots" in text
    assert "0 trials planned so far, 0 done; nothing was started" in text
    text, _ = shown(capsys, tmp_path, "--max-concurrent=1")
    assert f"{hours_in_words(total)} on 1 slot\n" in text


def test_what_is_done_is_not_left(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text, methods = shown(capsys, tmp_path, done=2)
    sr = methods[1]
    assert sr["done"] == 2
    assert 0 < sr["seconds_left"] < sr["seconds"]
    assert "2 trials planned so far, 2 done" in text


def test_without_room_no_time_is_promised(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "no node has room: --max-concurrent N" in shown(capsys, tmp_path, cpus=0)[0]
