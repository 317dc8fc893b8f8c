"""Arrow starts without pandas, and pandas still works afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from sweep.store.arrow_start import keep_arrow_from_pandas
keep_arrow_from_pandas()
from sweep.store.tables import columns, csv_of
csv_of(columns("trials", [{"trial_id": "a", "best_fid": 1.0}]))
print("pandas" in sys.modules)
import pandas
print(pandas.DataFrame([1]).shape)
"""


def test_arrow_does_not_load_pandas() -> None:
    pytest.importorskip("pandas")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("False\n(1, 1)\n", "")
