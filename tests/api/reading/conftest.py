"""What a service has read of the test's store."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.store.store import Store


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The trials that were read from the test's store so far; services of other tests live on."""
    paths: list[str] = []
    original = Store.read

    def counted(self: Store, path: str) -> bytes | None:
        if path.startswith("trials/") and self.base.startswith(str(tmp_path)):
            paths.append(path)
        return original(self, path)

    monkeypatch.setattr(Store, "read", counted)
    return paths
