"""Interruption of a run by who asks for its end: SIGTERM, Ctrl-C, or another thread.

Training ends between two iterations. An evaluation, which may take minutes, leaves no trace in the
state: it ends between two batches, and whoever goes on takes it anew.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

# Tells whether the run is to end. Asked in every iteration: it reads a flag, and no more.
Stop = Callable[[], bool]
# Who ends a process may tell it twice at once: its group, and itself.
DOUBLE_SECONDS = 1.0


def never() -> bool:
    return False


_stop: ContextVar[Stop] = ContextVar("stop", default=never)


class Interrupted(Exception):
    """The evaluation was given up, because the run is to end."""


@contextmanager
def interruptible(stop: Stop) -> Iterator[None]:
    """Lets check() raise Interrupted inside, once `stop` says so."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def check() -> None:
    """Raises Interrupted if an evaluation that is under way here is to end. Cheap."""
    if _stop.get()():
        raise Interrupted


class Notice:
    """Signals, noted instead of what they did before; called, it tells whether one came.

    A second one acts as before, if it is no double of the first. For the main thread.
    """

    def __init__(self, *numbers: int) -> None:
        self.noted_at: float | None = None
        self._handlers = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            signal.signal(number, self._handle)

    def __call__(self) -> bool:
        return self.noted_at is not None

    def restore(self) -> None:
        """Puts back the handlers that were there before."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.noted_at is None:
            self.noted_at = now
        elif now - self.noted_at > DOUBLE_SECONDS:
            self.restore()
            signal.raise_signal(number)


@contextmanager
def termination() -> Iterator[Stop]:
    """Yields a flag that SIGTERM and SIGINT (Ctrl-C) raise; a second one acts as it did before."""
    notice = Notice(signal.SIGTERM, signal.SIGINT)
    try:
        yield notice
    finally:
        notice.restore()
