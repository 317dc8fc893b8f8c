"""Rows in a bucket that cannot order puts: a put that was given up may replace its successor.

Arrow tries a put again after 3 s, and a proxy may apply the first one much later. Nobody sees that
when it is written, so who has written rows looks at them when it ends, and once more when no put
can be on its way any more. Standard library only.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# A put that took longer was tried more than once.
GIVEN_UP_SECONDS = 2.5
LONGEST_DELAY_SECONDS = 60.0


class WrittenRows:
    """Files of rows as this process wrote them last, by path."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._late_until = 0.0

    def note(self, path: str, content: bytes, seconds: float) -> None:
        """Notes what was written, and in how many seconds."""
        self._contents[path] = content
        if seconds > GIVEN_UP_SECONDS:
            self._late_until = time.monotonic() + LONGEST_DELAY_SECONDS

    def restore(
        self, read: Callable[[str], bytes | None], write: Callable[[str, bytes], None]
    ) -> None:
        """Writes again what is not as it was written: at once, and when no put can be late."""
        self._restore_changed(read, write)
        if self._late_until > time.monotonic():
            time.sleep(max(0.0, self._late_until - time.monotonic()))
            self._restore_changed(read, write)

    def _restore_changed(
        self, read: Callable[[str], bytes | None], write: Callable[[str, bytes], None]
    ) -> None:
        for path, content in self._contents.items():
            if read(path) != content:
                write(path, content)
