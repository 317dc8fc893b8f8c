"""A dry run on a store of trials that ended, were stopped, or are not there."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sweep.plan.estimate import nominal_seconds
from sweep.plan.grid import Plan, grid
from sweep.plan.inception_weights import find_weights
from sweep.plan.options import Options
from sweep.run.dryrun import show_plan, visible_nodes
from sweep.store.store import Store
from tests.conftest import free_port
from trainer.config.protocols import REFERENCE_SHA256

PLAN = grid("digits", ["C_8-32", "C_16-32"], ["sn", "sr-static"], [0, 1])


TWO_CPUS = [{"CPU": 2.0}]


def options(root: Path, **changes: Any) -> Options:
    values: dict[str, Any] = {
        "results": str(root),
        "name": None,
        "max_concurrent": None,
        "cpus_per_trial": None,
        "gpus_per_trial": None,
        "time_budget": None,
        "max_failures": 3,
        "data_root": None,
        "download": False,
        "weights": find_weights("digits", None, allow_other=False, required=False),
        "allow_other_weights": False,
        "fresh": False,
        "stop_on_collapse": True,
        "controls": False,
        "as_json": False,
        "command": "",
    }
    return Options(**(values | changes))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One trial done in twice its nominal time, one stopped in the middle."""
    store = Store(tmp_path / "r")
    done, stopped = PLAN.trials[0], PLAN.trials[1]
    for config, status, part in ((done, "completed", 1.0), (stopped, "stopped", 0.5)):
        row = {
            "trial_id": config.trial_id,
            "status": status,
            "iteration": int(part * config.iterations),
            "seconds": 2 * part * nominal_seconds(config),
            "config": json.dumps(dataclasses.asdict(config)),
        }
        store.write_rows("trials", config.trial_id, [row])
    return tmp_path / "r"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_one_line_per_setting_and_method(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_plan("table1", PLAN, options(root), TWO_CPUS) == 0
    said = lines(capsys)
    head, *groups = said[: said.index("")]
    assert [line.split()[:2] for line in groups] == [
        ["C_16-32", "sn"],
        ["C_16-32", "sr-static"],
        ["C_8-32", "sn"],
        ["C_8-32", "sr-static"],
    ]
    assert head.split()[3:6] == ["done", "resume", "run"]
    assert groups[0].split()[2:5] == ["1", "1", "0"]
    assert groups[1].split()[2:6] == ["0.5", "0", "0", "2"]
    assert all(len(line) <= 100 for line in groups)


def test_seconds_come_from_the_trials_that_ended(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_plan("table1", PLAN, options(root, as_json=True), TWO_CPUS)
    found = {line["trial_id"]: line for line in map(json.loads, lines(capsys))}
    assert len(found) == len(PLAN.trials)
    for config in PLAN.trials[2:]:
        line = found[config.trial_id]
        assert line["state"] == "to run"
        assert line["seconds"] == pytest.approx(2 * nominal_seconds(config))
        assert line["measured"]["n"] == 1
    done, stopped = (found[config.trial_id] for config in PLAN.trials[:2])
    assert (done["state"], done["seconds"]) == ("done", 0)
    assert stopped["state"] == "to resume"
    assert stopped["seconds"] == pytest.approx(nominal_seconds(PLAN.trials[1]))


def test_fresh_runs_all_of_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_plan("table1", PLAN, options(root, as_json=True, fresh=True), TWO_CPUS)
    assert {json.loads(line)["state"] for line in lines(capsys)} == {"to run"}


def test_without_any_measurement_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_plan("table1", PLAN, options(tmp_path / "r"), TWO_CPUS)
    said = "\n".join(lines(capsys))
    assert "seconds of 8 trials not measured" in said
    assert "on 2 slots" in said
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("nodes", "given", "said"),
    [
        ([{"CPU": 4.0}], {}, "on 4 slots"),
        ([{"CPU": 2.0}, {"CPU": 1.0}], {}, "on 3 slots"),
        ([{"CPU": 4.0}], {"max_concurrent": 2}, "on 2 slots"),
        ([{"CPU": 4.0}], {"cpus_per_trial": 4.0}, "on 1 slot"),
        ([], {"max_concurrent": 5}, "on 5 slots"),
        ([], {}, "no node has room"),
    ],
)
def test_how_long_it_takes_on_the_nodes(
    nodes: list[dict[str, float]],
    given: dict[str, Any],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_plan("table1", PLAN, options(tmp_path / "r", **given), nodes)
    assert sum(said in line for line in lines(capsys)) == 1


def test_what_is_missing_is_planned_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither data nor weights nor the cluster are where a plan is looked at."""
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    weights = find_weights(
        "paper", tmp_path / "no.pth", allow_other=False, required=True, only_planned=True
    )
    plan = grid(
        "paper", ["A_64-128", "E_64-*"], ["sn"], [0, 1], scorer=weights.sha256, only_shown=True
    )
    given = options(tmp_path / "r", weights=weights)
    assert show_plan("table1", plan, given, *visible_nodes(given)) == 0
    said = lines(capsys)
    assert [line.split()[0] for line in said[1:3]] == ["A_64-128", "E_64-128"]
    missing = [line.removeprefix("missing here: ") for line in said if "missing here" in line]
    beginnings = ("no Inception weights at", "cifar10 is read from", "stl10 is read", "cannot re")
    assert len(missing) == len(beginnings)
    for line, beginning in zip(missing, beginnings, strict=True):
        assert line.startswith(beginning)
    assert missing[1].endswith("; 2 trials need it")
    assert any("4 trials in" in line and "4 to run" in line for line in said)
    assert {config.scorer for config in plan.trials} == {REFERENCE_SHA256}


def test_only_cpus_that_the_process_may_use_count(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})  # as `taskset -c 0` does
    try:
        show_plan("table1", PLAN, options(root), *visible_nodes(options(root)))
    finally:
        os.sched_setaffinity(0, everywhere)
    assert any(line.endswith("on 1 slot") for line in lines(capsys))


def test_of_gpus_it_says_that_it_is_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = grid("paper", ["A_1024-128", "C_8-32"], ["sn"], [0], data_root=tmp_path, download=True)
    show_plan("table1", plan, options(tmp_path / "r"), TWO_CPUS)
    said = "\n".join(lines(capsys))
    assert "not measured: a model of GPUs of 16 GB" in said
    assert "too small for A_1024-128" in said
    assert " on A100-80G" in said
    show_plan(
        "table1",
        plan,
        options(tmp_path / "r"),
        [{"CPU": 8.0, "GPU": 1.0, "accelerator_type:H200": 1.0}],
    )
    said = "\n".join(lines(capsys))
    assert "a model of GPUs of 141 GB" in said
    assert "too small" not in said


def test_nothing_to_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(profile="digits", trials=PLAN.trials[:1], skipped={})
    show_plan("table1", plan, options(root), TWO_CPUS)
    assert "to run: nothing" in lines(capsys)


def test_planned_trials_cost_no_request_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    read, infos = Store.read, Store._infos

    def note(store: Store, path: str) -> None:
        if store.root == str(tmp_path):  # and not of a thread that another test has left
            asked.append(path)

    monkeypatch.setattr(Store, "read", lambda s, path: note(s, path) or read(s, path))
    monkeypatch.setattr(Store, "_infos", lambda s, path: note(s, path) or infos(s, path))
    for flags in ({}, {"fresh": True}):
        counts = []
        for seeds in (1, 20):
            asked.clear()
            plan = grid("digits", ["C_*"], ["sn", "sr-static"], range(seeds))
            show_plan("table1", plan, options(tmp_path, name="s", **flags), TWO_CPUS)
            assert f"{len(plan.trials)} trials in" in capsys.readouterr().out
            counts.append(len(asked))
        assert counts[0] == counts[1] < 10, asked
