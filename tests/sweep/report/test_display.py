"""Output of a sweep on a terminal, in a pipe and as JSON."""

from __future__ import annotations

import json
import math
import os
import pty
import subprocess
import sys

import pytest

from sweep.report.display import duration, plain, trial_line
from sweep.report.progress import Progress, TrialProgress, progress_of
from trainer.config.trial import trial_config

FAST = trial_config("digits", "C_8-32", "sn", 0, iterations=100)
SLOW = trial_config("digits", "D_512-256", "sn", 0, iterations=100)


def reported(**changes) -> tuple[Progress, TrialProgress]:
    """A sweep of two of which one has reported its 50th iteration."""
    progress = progress_of([SLOW, FAST], {})
    base = {"trial": FAST.trial_id, "status": "running", "iteration": 50, "resumed_at": 0}
    return progress, progress.report(base | {"spent": 10.0, "verdict": "healthy"} | changes)


def test_a_line() -> None:
    line = trial_line(*reported(modes=12, distance=900.4, spectrum_left=0.914))
    assert line.startswith("[0/2]  C_8-32 sn seed 0:  running 50/100  modes 12  FD 900")
    assert "spectrum 0.91  healthy" in line
    assert "FD 21.15" in trial_line(*reported(distance=21.154)), "a FID"
    assert "FD" not in trial_line(*reported(modes=12)), "a distance that is not finite"


def test_another_i_is_told() -> None:
    for i, name in ((0.25, "sr-static i 0.25"), (None, "sr-static")):
        config = trial_config("digits", "C_8-32", "sr-static", 0, i_ratio=i)
        progress = progress_of([config], {})
        assert f"C_8-32 {name} seed 0" in trial_line(progress, progress.trials[config.trial_id])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (0.4, "0 s"),
        (98, "98 s"),
        (100, "2 min"),
        (3600, "60 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_json_has_no_nan() -> None:
    assert plain({"a": [1.0, math.nan], "b": (math.inf, None, "x")}) == {
        "a": [1.0, None],
        "b": [None, None, "x"],
    }
    json.dumps(plain({"a": math.nan}), allow_nan=False)


def test_the_live_table_on_a_terminal(environment: dict[str, str]) -> None:
    code = (
        "from sweep.report.display import display\n"
        "from sweep.report.progress import Progress, TrialProgress, progress_of\n"
        "from trainer.config.trial import trial_config\n"
        "config = trial_config('digits', 'C_8-32', 'sn', 0)\n"
        "progress = progress_of([config], {})\n"
        "with display(as_json=False) as show:\n"
        "    show('start', text='sweep s: 1 trials')\n"
        "    trial = progress.report({'trial': config.trial_id, 'status': 'running',\n"
        "        'iteration': 75, 'resumed_at': 0, 'spent': 1.0, 'modes': 123,\n"
        "        'verdict': 'mode collapse at 75'})\n"
        "    show('trial', progress=progress, trial=trial)\n"
        "    show('end', text='that was [it]')\n"
    )
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb") as terminal:
        run = subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment | {"TERM": "xterm", "COLUMNS": "120", "LINES": "30"},
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        output = b""
        try:
            while part := terminal.read1(65536):
                output += part
        except OSError:  # the terminal's other end is closed
            pass
    assert run.wait(30) == 0, output.decode()
    for text in (b"sweep s: 1 trials", b"1 running", b"123", b"mode collapse at 75", b"[it]"):
        assert text in output
