"""What Slurm sets, leaves out, or sets to something else."""

from __future__ import annotations

import pytest

from sweep.run.slurm_variables import number


@pytest.mark.parametrize(
    ("text", "value"), [(None, 7), ("", 7), ("many", 7), ("-1", 7), ("0", 0), ("3", 3)]
)
def test_a_number(text: str | None, value: int) -> None:
    assert number("N", 7, {} if text is None else {"N": text}) == value


def test_of_the_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_PROCID", "5")
    assert number("SLURM_PROCID") == 5
