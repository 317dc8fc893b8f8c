"""`python -m sweep.table1` as a person runs it: real processes, a real local Ray."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sweep import export, ls, status
from sweep.store.store import Store
from tests.processes import descendants, living
from tests.stored_rows import TABLES, lasting_rows
from trainer.config.trial import trial_config

Command = Callable[..., subprocess.CompletedProcess[str]]

ITERATIONS = 4
PLAN = (
    "--profile=digits",
    "--settings=C_8-32,C_16-32",
    f"--iterations={ITERATIONS}",
    "--no-stop-on-collapse",
)
IDS = [
    trial_config("digits", setting, method, 0, iterations=ITERATIONS).trial_id
    for setting in ("C_8-32", "C_16-32")
    for method in ("sn", "sr-static")
]
BROKEN = IDS[0]


def results(root: Path) -> dict[str, Any]:
    """All rows and samples of the plan, without times, host and attempt; NaN as text."""
    store = Store(root)
    found: dict[str, Any] = {}
    for trial_id in IDS:
        for table in TABLES:
            found[f"{table} {trial_id}"] = lasting_rows(store, table, trial_id)
        for sample in store.list(f"samples/{trial_id}"):
            found[sample.path] = store.read(sample.path)
    return found


Whole = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def whole(table1: Command, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A sweep that nothing disturbs, and what it said."""
    root = tmp_path_factory.mktemp("whole") / "results"
    return root, table1(*PLAN, f"--results={root}")


def test_a_sweep_runs_its_plan(whole: Whole) -> None:
    root, run = whole
    assert run.returncode == 0, run.stderr
    rows = Store(root).read_all("trials", IDS)
    assert {i: row["status"] for i, row in rows.items()} == dict.fromkeys(IDS, "completed")
    for trial_id in IDS:
        evaluations = Store(root).read_rows("evaluations", trial_id)
        assert [row["iteration"] for row in evaluations] == list(range(ITERATIONS + 1))
    assert Store(root).list("claims") == []


def test_piped_output_is_plain_lines_and_ends_with_the_comparison(whole: Whole) -> None:
    said = whole[1].stdout
    assert "\x1b" not in said
    assert "4 trials" in said
    assert "0 done, 4 to run" in said
    assert f"completed {ITERATIONS}/{ITERATIONS}" in said
    assert "sr-static minus sn, same seed and iteration" in said
    assert "published: FID 80 SN, 66.05 SR" in said
    assert "FD-digits is no FID" in said
    assert "slots" in said
    assert "curl 'http://localhost:8000/results?setting=" in said


def test_the_plan_and_the_end_are_on_record(whole: Whole) -> None:
    root, _ = whole
    (name,) = [file.key for file in Store(root).list("sweeps") if file.path.endswith(".json")]
    plan = Store(root).read_rows("sweeps", name)
    assert {row["trial_id"] for row in plan} == set(IDS)
    assert [row["position"] for row in plan] == [0, 1, 2, 3]
    lengths = [row["operations"] for row in plan]
    assert lengths == sorted(lengths, reverse=True)
    record = json.loads((root / f"sweeps/{name}.json").read_text())
    assert (record["state"], record["counts"]) == ("finished", {"completed": 4})
    assert set(record) >= {"sweep", "host", "pid", "started_at", "heartbeat", "command", "slots"}
    assert record["command"].startswith("python -m sweep.table1 --profile=digits")


def test_the_store_alone_tells_of_it(whole: Whole, capsys: pytest.CaptureFixture[str]) -> None:
    root, _ = whole
    (name,) = [file.key for file in Store(root).list("sweeps") if file.path.endswith(".json")]
    results = f"--results={root}"
    assert status.main([name, results]) == 0
    assert f"{name}: Finished at " in (said := capsys.readouterr().out)
    assert "C_8-32   #   #\nC_16-32  #   #\n" in said
    assert "100% of the work done" in said
    assert ls.main([results, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["trial_id"] for row in rows} == set(IDS)
    assert all(row["iteration"] == ITERATIONS and row["final"] for row in rows)
    assert export.main([name, results, "--format=markdown"]) == 0
    assert "| C_8-32 | sr-static | 4.93 ± 0.20 | 66.05 ± 2.12 | " in capsys.readouterr().out


def test_when_everything_is_there_nothing_starts(whole: Whole, table1: Command) -> None:
    root, _ = whole
    before = results(root)
    run = table1(*PLAN, f"--results={root}", "--json")
    assert run.returncode == 0, run.stderr
    events = [json.loads(line) for line in run.stdout.splitlines()]
    assert [event["event"] for event in events] == ["start", "end"]
    assert (events[0]["planned"], events[0]["done"], events[0]["slots"]) == (4, 4, 0)
    (row,) = [row for row in events[1]["table2"] if row["setting"] == "C_8-32"]
    assert row["measured"]["digits"]["sn"]["n"] == 1
    assert row["published"]["sn_fid"] == 80.0
    assert results(root) == before


# Agents of Ray that take up to a minute to see that their raylet has gone, and then end.
RAYS_OWN = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


def command_of(pid: int) -> str:
    """The first word of its command line; empty if the process has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Started:
    """A sweep in a process of its own, ended from outside."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        self.family: dict[int, int] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sweep.table1", *PLAN, f"--results={root}"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_checkpoints(self, more_than: int) -> None:
        deadline = time.monotonic() + 200
        while len(list(self.root.glob("checkpoints/*/*.pt"))) <= more_than:
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        alive = living()
        members = {self.process.pid, *descendants(self.process.pid)}
        self.family = {pid: alive[pid][1] for pid in members if pid in alive}
        assert len(self.family) > 3, "Ray's processes are among them"

    def end(self, number: int) -> int:
        os.kill(self.process.pid, number)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def orphans(self) -> list[str]:
        alive = living()
        left = [p for p, start in self.family.items() if alive.get(p, (0, 0))[1] == start]
        return [name for p in left if (name := command_of(p)) and name not in RAYS_OWN]


def assert_no_orphans(*ended: Started) -> None:
    deadline = time.monotonic() + 30
    while (left := [p for e in ended for p in e.orphans()]) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left == []


def test_a_driver_that_is_killed_is_resumed_exactly(
    whole: Whole, table1: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    """The same command again: every row once, and the numbers of an uninterrupted sweep.

    One trial, of those that had not begun, fails then: the others finish all the same.
    """
    killed = Started(tmp_path, environment)
    killed.wait_for_checkpoints(more_than=3)
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    (path,) = tmp_path.glob("sweeps/*.json")
    assert json.loads(path.read_text())["state"] == "running"
    assert 0 < len(Store(tmp_path).read_all("trials", IDS)) < 4
    broken = tmp_path / "checkpoints" / BROKEN / "2.pt"
    broken.parent.mkdir()
    broken.write_bytes(b"no checkpoint")

    resumed = table1(*PLAN, f"--results={tmp_path}")
    assert resumed.returncode == 3, resumed.stderr
    assert f"failed: {BROKEN}" in resumed.stdout
    (row,) = Store(tmp_path).read_rows("trials", BROKEN)
    assert row["status"] == "failed"
    assert "Traceback" in row["traceback"]
    there, expected = (
        {key: value for key, value in results(root).items() if BROKEN not in key}
        for root in (tmp_path, whole[0])
    )
    assert there == expected
    assert Store(tmp_path).list("claims") == []
    assert_no_orphans(killed)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_sweep_says_so_and_goes_on(
    whole: Whole, table1: Command, environment: dict[str, str], tmp_path: Path, number: int
) -> None:
    interrupted = Started(tmp_path, environment)
    interrupted.wait_for_checkpoints(more_than=3)
    assert interrupted.end(number) == 130
    (path,) = tmp_path.glob("sweeps/*.json")
    assert json.loads(path.read_text())["state"] == "interrupted"
    rows = Store(tmp_path).read_all("trials", IDS)
    assert rows
    assert {row["status"] for row in rows.values()} <= {"stopped", "completed"}
    assert Store(tmp_path).list("claims") == []
    assert_no_orphans(interrupted)
    assert table1(*PLAN, f"--results={tmp_path}").returncode == 0
    assert results(tmp_path) == results(whole[0])


@pytest.mark.slow
def test_a_sweep_that_is_asked_to_stop_does_and_goes_on(
    whole: Whole, table1: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    asked = Started(tmp_path, environment)
    asked.wait_for_checkpoints(more_than=3)
    (path,) = tmp_path.glob("sweeps/*.parquet")
    command = [sys.executable, "-m", "sweep.control", path.stem, "stop", f"--results={tmp_path}"]
    subprocess.run(command, env=environment, check=True, timeout=60)
    asked.process.communicate(timeout=120)
    assert asked.process.returncode == 130
    (path,) = (p for p in tmp_path.glob("sweeps/*.json") if ".control" not in p.name)
    assert json.loads(path.read_text())["state"] == "interrupted"
    rows = Store(tmp_path).read_all("trials", IDS)
    assert "stopped" in {row["status"] for row in rows.values()}
    assert {row["status"] for row in rows.values()} <= {"stopped", "completed"}
    assert table1(*PLAN, f"--results={tmp_path}").returncode == 0
    assert results(tmp_path) == results(whole[0])


@pytest.mark.slow
def test_one_cpu_runs_one_trial_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    """Where `taskset`, Slurm or a container leave one."""
    cpu = str(min(os.sched_getaffinity(0)))
    plan = ("--profile=digits", "--settings=C_8-32", "--iterations=2", f"--results={tmp_path}")
    command = ["taskset", "-c", cpu, sys.executable, "-m", "sweep.table1", *plan, "--json"]
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=200, check=True
    )
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [event["slots"] for event in events if event["event"] == "start"] == [1]
    first, second = sorted(
        pq.read_table(tmp_path / "trials").to_pylist(), key=lambda row: row["started_at"]
    )
    assert first["updated_at"] <= second["started_at"]


@pytest.mark.slow
def test_under_uv_workers_run_in_the_folder_and_not_in_a_copy(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Ray looks for a parent whose command line begins with `uv run`."""
    (tmp_path / "ballast").write_bytes(os.urandom(2**20))
    plan = f"--profile=digits --settings=C_8-32 --methods=sn --iterations=2 --results={tmp_path}/r"
    (tmp_path / "run").write_text(f"{sys.executable} -m sweep.table1 {plan} && exit 0\nexit 1\n")
    ray_folder = Path(tempfile.mkdtemp(dir="/tmp"))
    ended = subprocess.run(
        ["uv", "run"], executable="/bin/bash", cwd=tmp_path, capture_output=True, text=True,
        env=environment | {"RAY_TMPDIR": str(ray_folder)}, timeout=200, check=False,
    )  # fmt: skip
    packages = [*ray_folder.rglob("_ray_pkg_*")]
    shutil.rmtree(ray_folder)
    assert ended.returncode == 0, ended.stderr
    assert packages == []


@pytest.mark.parametrize("arguments", [("--help",), (*PLAN, "--dry-run"), ("--settings=C_9-32",)])
def test_neither_ray_nor_torch_is_needed_to_look(
    environment: dict[str, str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv[0] = 'sweep.table1'\n"
        "try: runpy.run_module('sweep.table1', run_name='__main__')\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'ray', 'torch', 'numpy', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy - {'numpy'} else code)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments, f"--results={tmp_path / 'r'}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == (2 if "C_9" in arguments[0] else 0), run.stderr
    assert "imported" not in run.stderr
    assert not (tmp_path / "r").exists()


def test_a_dry_run_tells_what_is_done(whole: Whole, table1: Command) -> None:
    root, _ = whole
    run = table1(*PLAN, "--seeds=0,1", "--dry-run", "--json", f"--results={root}")
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    states = {line["trial_id"]: line["state"] for line in lines}
    assert len(states) == 8
    assert {i for i, state in states.items() if state == "done"} == set(IDS)
    assert "4 to run; nothing was started" in run.stderr


def test_fresh_says_what_it_would_remove(whole: Whole, table1: Command) -> None:
    root, _ = whole
    run = table1(*PLAN, "--fresh", "--dry-run", f"--results={root}")
    assert run.stdout.count("--fresh would remove the") == 4
    assert all(i in run.stdout for i in IDS)
    assert "4 to run" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--settings=C_9-32",), "unknown setting 'C_9-32'; did you mean: C_"),
        (("--methods=sr-statik",), "did you mean: sr-static"),
        (("--profile=digit",), "unknown profile 'digit'; did you mean: digits"),
        (("--seeds=-1",), "seeds are whole numbers from 0"),
        (("--iterations=0",), "iterations must be at least 1, but got 0"),
        (("--iterations=x",), "invalid int value: 'x'"),
        (("--max-concurrent=0",), "--max-concurrent must be at least 1"),
        (("--profile=paper",), "--data-root"),
        (("--name=../x",), "--name '../x' may hold letters"),
    ],
)
def test_bad_input_is_one_line(
    table1: Command, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    run = table1("--profile=digits", *arguments, f"--results={tmp_path / 'r'}")
    assert run.returncode == 2
    assert says in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""
    assert not list((tmp_path / "r").rglob("*"))


def test_results_that_cannot_be_written(table1: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = table1(*PLAN, f"--results={tmp_path / 'file' / 'r'}")
    assert run.returncode == 2
    assert run.stderr.startswith("python -m sweep.table1: cannot write results to")
    assert run.stderr.count("\n") == 1


def test_a_name_that_is_taken(whole: Whole, table1: Command) -> None:
    root, _ = whole
    (name,) = [file.key for file in Store(root).list("sweeps") if file.path.endswith(".json")]
    run = table1(*PLAN[:1], "--settings=B_8-64", f"--name={name}", f"--results={root}")
    assert run.returncode == 2
    assert f"sweep '{name}' has 4 trials that are not in this plan" in run.stderr
    assert run.stderr.count("\n") == 1


def test_in_a_job_results_do_not_go_with_the_job(table1: Command) -> None:
    run = table1(*PLAN, "--results=here", RAY_JOB_CONFIG_JSON_ENV_VAR="{}")
    assert run.returncode == 2
    assert "give an absolute path or a URI" in run.stderr
