"""`python -m sweep.status` over a store that holds every state."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sweep import status
from sweep.status import main
from sweep.store.store import Store


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) == 0
    return capsys.readouterr().out


def test_every_sweep_in_a_line(mixed: Store, write_sweep, trial, capsys) -> None:
    write_sweep(mixed, "a-new-one", [trial(trial_id="new", status="planned")])
    lines = said(capsys, "--results", mixed.root).splitlines()
    assert lines == [
        "mixed: interrupted, 56% done; 8 trials: 2 planned, 2 running (1 of them lost), 1",
        "  completed, 1 collapsed, 1 failed, 1 stopped",
        "a-new-one: planned, 0% done; 1 trials: 1 planned",
    ]


def test_one_sweep(mixed: Store, capsys) -> None:
    text = said(capsys, "mixed", "--results", mixed.root)
    assert text.startswith("mixed: Interrupted at ")
    assert "  56% of the work done, 0.3 CPU hours, 0.0 GPU hours\n  x\n" in text
    assert (
        "setting  sn  sr-static\n"
        "B_64-64  xs  ..\n"
        "C_32-32  c#  >?\n"
        ". planned  > running  ? lost  # completed  c collapsed  x failed  s stopped\n"
        "  (one mark per trial, by seed: 0, 1)\n"
    ) in text
    assert "C_32-32  sr-static     0   750/1500   900  5" in text
    assert "C_32-32  sr-static     1   750/1500   900  lost\n" in text
    assert "failed: B_64-64 sn seed 0: RuntimeError: no luck\n" in text
    assert max(map(len, text.splitlines())) <= 80


def test_what_waits_for_another_start(mixed: Store, write_sweep, trial, capsys) -> None:
    alive = {"state": "running", "heartbeat": datetime.now(UTC).isoformat(), "host": "h"}
    wait = {"trial_id": "digits.C_32-32.sn.-.s0-00000000", "host": "far", "pid": 7}
    write_sweep(mixed, "second", [trial(status="planned")], **alive, waiting=[wait])
    text = said(capsys, "second", "--results", mixed.root)
    assert "  waiting: digits.C_32-32.sn.-.s0-00000000 is trained by process 7 on far\n" in text
    (line,) = said(capsys, "second", "--json", "--results", mixed.root).splitlines()
    assert json.loads(line)["waiting"] == [wait]


def test_a_store_that_nobody_can_write_to_is_named(
    sweep_disk: Path, remount, write_sweep, trial, capsys
) -> None:
    root = sweep_disk / "r"
    driver = {"state": "running", "heartbeat": datetime.now(UTC).isoformat(), "host": "h"}
    write_sweep(Store(root), "s", [trial(status="planned")], **driver | {"eta_seconds": None})
    assert "read-only" not in said(capsys, "--results", str(root))
    remount(sweep_disk, "ro")
    for arguments in ([], ["s"], ["--json"]):
        text = " ".join(said(capsys, *arguments, "--results", str(root)).split())
        assert f"{root} is read-only: trials wait, and go on when it can be written." in text


def test_many_methods_do_not_overflow_the_page(mixed: Store, write_sweep, trial, capsys) -> None:
    methods = ("sn", "sr-static", "sr-dynamic", "sr-static-reparam", "sr-dynamic-reparam",
               "sn-renorm", "sr-lift", "orthonormal")  # fmt: skip
    rows = [trial(trial_id=f"{m}-{s}", method=m, seed=s) for m in methods for s in range(12)]
    write_sweep(mixed, "wide", rows)
    lines = said(capsys, "wide", "--results", mixed.root).splitlines()
    assert max(map(len, lines)) <= 80
    header = " ".join(line for line in lines if line.startswith("setting")).split()
    assert sorted(set(header) - {"setting"}) == sorted(methods)
    assert sum(line.count("#" * 12) for line in lines) == len(methods)


def test_the_answer_stands_at_the_end(mixed: Store, write_sweep, trial, capsys) -> None:
    ends = {"sn": 900.0, "sr-static": 500.0, "sn-renorm": 510.0}
    rows = [trial(trial_id=f"{m}-{s}", method=m, seed=s) for m in ends for s in range(3)]
    write_sweep(mixed, "three", rows)
    for row in rows:
        place = {"trial_id": row["trial_id"], "iteration": 675}
        distance = ends[row["method"]] + 10 * row["seed"]
        mixed.write_rows("evaluations", row["trial_id"], [place | {"fd_digits": distance}])
    text = " ".join(said(capsys, "three", "--results", mixed.root).split())
    assert "C_32-32 sr-static −400 [−400, −400] (n = 3) −10 [−10, −10] (n = 3)" in text
    assert "minus sn-renorm −10 [−10, −10] (n = 3) on C_32-32 (better)" in text
    assert text.endswith("a gain beyond a faster D is open, sn-ttur was not run beside it.")
    assert "minus sn" not in said(capsys, "--results", mixed.root)


def test_json(mixed: Store, capsys) -> None:
    (line,) = said(capsys, "mixed", "--json", "--results", mixed.root).splitlines()
    told = json.loads(line)
    assert (told["state"], told["counts"]["failed"], len(told["trials"])) == ("interrupted", 1, 8)
    assert [trial["lost"] for trial in told["trials"]].count(True) == 1
    assert told["trials"][1]["best"] is None, "NaN is not JSON"
    (line,) = said(capsys, "--json", "--results", mixed.root).splitlines()
    assert "trials" not in json.loads(line)


def test_what_a_sweep_cost(mixed: Store, write_sweep, trial, capsys) -> None:
    on_gpu = {"config": '{"device": "cuda"}', "seconds": 7200.0, "gpus": 0.25}
    write_sweep(mixed, "packed", [trial(trial_id=f"gpu-{seed}") | on_gpu for seed in range(4)])
    rates = ("--gpu-price", "2.5 USD", "--gpu-power", "700", "--results", mixed.root)
    text = said(capsys, "packed", *rates)
    assert "0.0 CPU hours, 2.0 GPU hours\n  cost: 5.00 USD at 2.5 USD a GPU-hour, 1.4 kWh" in text
    (line,) = said(capsys, "packed", "--json", *rates).splitlines()
    spent = json.loads(line)["expense"]
    assert (spent["money"], spent["currency"], spent["kwh"]) == (5.0, "USD", 1.4)
    assert "cost: not counted: it ran on CPUs alone\n" in said(capsys, "mixed", *rates)
    assert "cost" not in said(capsys, "packed", "--results", mixed.root)
    (line,) = said(capsys, "packed", "--json", "--results", mixed.root).splitlines()
    assert json.loads(line)["expense"] is None


def test_a_price_that_is_none_is_refused(mixed: Store, monkeypatch, capsys) -> None:
    assert main(["mixed", "--gpu-price", "2,5", "--results", mixed.root]) == 2
    assert capsys.readouterr().err.startswith("python -m sweep.status: --gpu-price '2,5' is no pr")
    monkeypatch.setenv("SWEEP_GPU_POWER", "a lot")
    assert main(["mixed", "--results", mixed.root]) == 2
    assert "SWEEP_GPU_POWER 'a lot' is no power of a GPU" in capsys.readouterr().err


def test_an_unreadable_file_is_named(mixed: Store, capsys) -> None:
    mixed.write("trials/torn.parquet", b"PAR1")
    said_of_all = said(capsys, "--results", mixed.root)
    assert "left out, as unreadable: 1 file of the store\n  trials/torn.parquet: " in said_of_all
    main(["--json", "--results", mixed.root])
    assert "trials/torn.parquet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("mixd",), "did you mean: mixed"),
        (("--results", "/nowhere/at/all"), "no sweep in /nowhere/at/all: `python -m sweep.table1"),
        (("--results", "ftp://x/y"), "cannot open results at ftp://x/y"),
        (("--sweep",), "--help lists what there is"),
    ],
)
def test_bad_input(mixed: Store, capsys, monkeypatch, arguments, hint) -> None:
    monkeypatch.setenv("SWEEP_RESULTS", mixed.root)
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), hint in err) == ("", 1, True)


def test_trials_without_a_sweep(tmp_path, trial, capsys) -> None:
    store = Store(tmp_path)
    store.write_rows("trials", "sn-0", [trial()])
    assert said(capsys, "--results", store.root) == f"no sweep in {tmp_path}, but 1 trials\n"


def test_watching_tells_what_changes_until_the_end(
    mixed: Store, write_sweep, trial, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(status, "WATCH_SECONDS", 0.05)
    write_sweep(mixed, "short", [trial(trial_id="short", status="planned")])

    def goes_on() -> None:
        time.sleep(0.5)
        end = {"state": "finished", "heartbeat": "2026-01-01T00:00:00+00:00"}
        write_sweep(mixed, "short", [trial(trial_id="short")], **end)

    thread = threading.Thread(target=goes_on)
    thread.start()
    lines = said(capsys, "short", "--watch", "--json", "--results", mixed.root).splitlines()
    thread.join()
    states = [json.loads(line)["state"] for line in lines]
    assert (states[0], states[-1]) == ("planned", "finished")
    assert len(lines) <= 3, "the same is not said twice"


def test_on_a_terminal(mixed: Store, environment: dict[str, str]) -> None:
    """A watched sweep that is over ends at once, coloured, nothing cut."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sweep.status", "mixed", "--watch", "--results", mixed.root],
        env=environment | {"TERM": "xterm-256color", "COLUMNS": "80"},
        stdout=follower,
    )
    os.close(follower)
    text = b""
    try:
        while chunk := os.read(leader, 4096):
            text += chunk
    except OSError:  # the other end was closed
        pass
    os.close(leader)
    assert process.wait(30) == 0
    assert b"\x1b[" in text
    assert b"RuntimeError: no luck" in text


COMMANDS = {"status": ["mixed"], "ls": [], "export": ["mixed", "--format", "latex"]}


@pytest.mark.parametrize("name", COMMANDS)
def test_neither_torch_nor_ray_is_imported(name: str, mixed: Store, environment) -> None:
    code = (
        f"import sys; from sweep.{name} import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert not {'torch', 'ray', 'optuna', 'pandas'} & set(sys.modules)"
    )
    arguments = [*COMMANDS[name], "--results", mixed.root]
    subprocess.run([sys.executable, "-c", code, *arguments], env=environment, check=True)
    helped = subprocess.run(
        [sys.executable, "-m", f"sweep.{name}", "--help"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"python -m sweep.{name}" in helped.stdout


def test_a_reader_that_leaves_is_no_error(mixed: Store, environment) -> None:
    ended = subprocess.run(
        f"{sys.executable} -m sweep.ls --results {mixed.root} | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_misspelt_bucket_is_no_empty_store(bucket_root: str, capsys) -> None:
    assert main(["--results", bucket_root.replace("s3://sweeps/", "s3://sweps/")]) == 2
    assert capsys.readouterr().err.endswith("there is no bucket 'sweps'\n")


def test_rungs_that_stopped_trials_are_told(mixed: Store, capsys) -> None:
    (row,) = [r for r in all_rows(mixed) if r["status"] == "stopped"]
    reason = {"rung": 2, "rung_budget": 350, "stop_reason": "rung 2"}
    mixed.write_rows("trials", row["trial_id"], [row | reason])
    assert status.main(["mixed", f"--results={mixed.root}"]) == 0
    assert "1 trial stopped at rung 2, after 350 iterations" in capsys.readouterr().out
    assert status.main(["mixed", f"--results={mixed.root}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rungs"] == [[2, 350, 1]]


def all_rows(store: Store) -> list[dict]:
    return [row for file in store.list("trials") for row in store.read_rows("trials", file.key)]
