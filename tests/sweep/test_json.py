"""`--json` on every command: what it writes is documented, and keeps its shape."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sweep import control, export, notify
from sweep.cli.experiment import Experiment
from sweep.run.rows import plan_rows
from sweep.store.ownership import acquire
from sweep.store.store import Store
from trainer.config.trial import trial_config

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
(ROOMS,) = [c["layers"] for c in CONTRACTS["contracts"] if c.get("containers") == ["sweep"]]
COMMANDS = [name for layer in ROOMS[: ROOMS.index("cli")] for name in layer.split(" | ")]
TRIAL = trial_config("digits", "C_8-32", "sn", 0, iterations=2)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    # `sweep.publish` becomes the process of the service's own command.
    module = importlib.import_module(
        "api.publish.__main__" if name == "publish" else f"sweep.{name}"
    )
    experiments = [value for value in vars(module).values() if isinstance(value, Experiment)]
    if "experiment" not in inspect.signature(module.main).parameters:
        experiments = []
    with pytest.raises(SystemExit) as ended:
        module.main(*experiments, ["--help"])
    assert ended.value.code == 0
    assert re.search(r"\s--json\b", capsys.readouterr().out)


def test_every_command_is_described() -> None:
    section = (ROOT / "sweep/README.md").read_text().partition("## JSON")[2].partition("\n## ")[0]
    assert [name for name in COMMANDS if f"`{name}`" not in section] == []


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.write_rows("sweeps", "s", plan_rows("s", [TRIAL]))
    return store


def lines(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_control(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    ownership = acquire(store, "sweeps/s.json", state="running")
    assert ownership is not None
    try:
        assert control.main(["s", "stop", "--json", f"--results={store.root}"]) == 0
    finally:
        ownership.release("finished")
    assert lines(capsys) == [{"sweep": "s", "action": "stop-sweep", "trial_id": None}]


@pytest.mark.parametrize("flags", [["--json"], ["--format", "json"]])
def test_export(
    store: Store, flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rows.jsonl"
    assert export.main(["s", *flags, "--out", str(out), f"--results={store.root}"]) == 0
    (row,) = map(json.loads, out.read_text().splitlines())
    assert (row["trial_id"], row["status"], row["nonfinite"]) == (TRIAL.trial_id, "planned", {})
    assert lines(capsys) == []


def test_notify(capsys: pytest.CaptureFixture[str]) -> None:
    sent = {"event": "end", "refused": None}
    notify.write_json(sent)
    assert lines(capsys) == [sent]
