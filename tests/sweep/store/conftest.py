"""File systems and object stores that refuse what others have."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator

import pytest

from sweep.store import locks


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every file system refuses flock, as Lustre does without `-o flock`."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    locks.has_locks.cache_clear()
    yield
    locks.has_locks.cache_clear()
