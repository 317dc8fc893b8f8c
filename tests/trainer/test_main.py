"""`python -m trainer` as a user runs it: real processes, one of them killed."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
import torch

from trainer.__main__ import main

RUN = [sys.executable, "-m", "trainer", "--profile", "digits", "--setting", "C_8-32"]
RUN += ["--no-stop-on-collapse"]


def run(*arguments, **kwargs):
    return subprocess.run(
        [*RUN, *map(str, arguments)], capture_output=True, text=True, timeout=120, **kwargs
    )


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def timeless(record):
    return {k: v for k, v in record.items() if k != "seconds"}


def test_json_lines_when_piped(tmp_path):
    done = run("--method", "sr-static", "--iterations", 10, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    *evaluations, result = lines(done.stdout)
    assert [e["iteration"] for e in evaluations] == list(range(11))
    assert evaluations[0]["d_loss"] is None
    assert result["final"]["n_samples"] == 10_000
    stored = lines((tmp_path / "evaluations.jsonl").read_text())
    assert stored == [{k: v for k, v in e.items() if k != "verdict"} for e in evaluations]
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert len(list((tmp_path / "samples").glob("*.png"))) == 11
    spectra = json.loads((tmp_path / "spectra/10.json").read_text())
    assert [len(s) for s in spectra] == [16, 16, 3] + [16] * 7


def test_killed_run_goes_on_and_ends_in_the_same_numbers(tmp_path):
    arguments = ["--method", "sr-static", "--iterations", "20", "--seed", "1"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(*arguments, "--out", whole).returncode == 0
    process = subprocess.Popen(
        [*RUN, *arguments, "--out", str(killed)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    seen = [json.loads(process.stdout.readline())["iteration"] for _ in range(7)]
    process.send_signal(signal.SIGKILL)
    process.communicate()

    again = run(*arguments, "--out", killed)

    assert again.returncode == 0, again.stderr
    assert lines(again.stdout)[0]["iteration"] > seen[-2], "nothing checkpointed is done twice"
    for name in ("evaluations.jsonl", "result.json"):
        ours, theirs = (lines((d / name).read_text()) for d in (killed, whole))
        assert [timeless(r) for r in ours] == [timeless(r) for r in theirs]
    assert sorted(p.name for p in (killed / "spectra").iterdir()) == sorted(
        p.name for p in (whole / "spectra").iterdir()
    )


def test_progress_line_on_a_terminal():
    parent, child = pty.openpty()
    process = subprocess.Popen([*RUN, "--iterations", "3"], stdout=child, stderr=child)
    os.close(child)
    shown, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            shown += os.read(parent, 4096)
        except OSError:  # the other end is closed: Linux says so with EIO
            break
    os.close(parent)
    assert process.wait(10) == 0
    text = shown.decode()
    assert "\r\x1b[KC_8-32 sn seed 0  3/3  modes" in text
    assert "ETA 0:0" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--setting", "C_8-23"], "unknown setting 'C_8-23'; did you mean: C_8-32"),
        (["--method", "sr"], "unknown method 'sr'; did you mean: s"),
        (["--i-ratio", "0", "--method", "sr-static"], "i_ratio must be in (0, 1], but got 0"),
        (["--iterations", "0"], "iterations must be at least 1, but got 0"),
        (["--device", "cuda"], "no GPU is visible here"),
        (["--profile", "paper", "--device", "cpu"], "cifar10 is read from --data-root"),
        (["--out", "/proc/nowhere"], "cannot write to /proc/nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said, capsys):
    if "no GPU" in said and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main(["--profile", "digits", "--setting", "C_8-32", *arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert not out


def test_checkpoint_of_another_run_is_not_overwritten(tmp_path, capsys):
    arguments = ["--profile", "digits", "--setting", "C_8-32", "--out", str(tmp_path)]
    assert main([*arguments, "--iterations", "1"]) == 0
    before = (tmp_path / "checkpoint.pt").read_bytes()
    capsys.readouterr()
    assert main([*arguments, "--iterations", "1", "--seed", "1"]) == 2
    assert "the checkpoint belongs to digits.C_8-32.sn.-.s0" in capsys.readouterr().err
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_methods_and_controls_can_be_listed(capsys):
    assert main(["--list-methods"]) == 0
    assert "W_SN = W / sigma_1" in capsys.readouterr().out
    assert main(["--controls"]) == 0
    rows = lines(capsys.readouterr().out)
    assert {r["control"]: r["modes"] for r in rows} == {
        "held-out real": 1000,
        "noise": 0,
        "constant": 0,
    }


def test_help_starts_without_torch():
    script = (
        "import sys; from trainer.__main__ import parser; parser(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
