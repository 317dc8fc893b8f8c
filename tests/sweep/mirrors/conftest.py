"""A sweep that grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sweep.mirrors.stored_sweep import StoredSweep


@pytest.fixture
def sweep(tmp_path: Path) -> StoredSweep:
    return StoredSweep(tmp_path / "results")
