"""What importing the service brings with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_imports_are_light() -> None:
    heavy = "torch ray pandas plotly optuna sklearn torchvision"
    script = f"import sys, api.app; print(sorted(set({heavy.split()}) & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.stdout == "[]\n", done.stderr


def test_of_the_trainer_only_the_settings_are_read() -> None:
    script = (
        "import sys, api.app; names = [m for m in sys.modules if m.split('.')[0] == 'trainer']; "
        "print(sorted(m for m in names if m != 'trainer' and m.split('.')[1] != 'config'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.stdout == "[]\n", done.stderr
