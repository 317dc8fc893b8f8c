"""A sweep of own pictures as a person runs it: a folder, one command, a real local Ray."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep import ls, status
from sweep.store.store import Store
from tests.own_pictures import write_pictures

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_a_folder_becomes_a_comparison(
    table1: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, results = write_pictures(tmp_path / "pics", 40, ("cat", "dog")), tmp_path / "r"
    for path in [*pictures.rglob("*"), pictures]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    arguments = (
        "--profile=small", "--dataset=images", f"--data-root={pictures}", "--conditional",
        "--settings=C_8-32", "--iterations=2", f"--results={results}", "--name=pets",
    )  # fmt: skip
    done = table1(*arguments, "--json", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert "40 pictures of 2 classes" in done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    start = next(event for event in events if event["event"] == "start")
    assert start["expected_seconds"] > 0
    rows = [Store(results).read_rows("trials", f.key)[0] for f in Store(results).list("trials")]
    assert {(row["setting"], row["method"]) for row in rows} == {
        ("U_8-32", "sn"), ("U_8-32", "sr-static"),
    }  # fmt: skip
    for row in rows:
        config = json.loads(row["config"])
        assert row["dataset"] == f"images32-{config['data_sha256'][:8]}"
        assert config["data_classes"] == 2
        assert (row["status"], row["best_fid"], row["group"]) == ("completed", None, "U")
        assert "no Inception weights" in json.loads(row["protocol"])["reason"]
    assert events[-1]["event"] == "end"
    # Told again from the store alone, and by the same pictures in another place.
    assert status.main([f"--results={results}", "pets"]) == 0
    assert "U_8-32" in capsys.readouterr().out
    assert ls.main([f"--results={results}"]) == 0
    assert capsys.readouterr().out.count("U_8-32") == 2
    pictures.chmod(0o755)
    pictures.rename(tmp_path / "moved")
    again = [a.replace("pics", "moved") for a in arguments]
    dry = table1(*again, "--dry-run", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert "2 trials in" in dry.stdout
    assert "0 to run" in dry.stdout
