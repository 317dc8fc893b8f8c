"""Interruption of a command by SIGTERM or Ctrl-C: what runs saves first, the end comes in time.

Slurm and Kubernetes kill what is left of a job 30 s after they told it to end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from trainer.interruption import DOUBLE_SECONDS

# Exit code of a command that was interrupted.
EXIT_CODE = 130
# All from the first signal on: until then trials may save, and by then the process is gone.
SAVE_SECONDS = 12.0
END_SECONDS = 23.0
LOOK_SECONDS = 0.25


class Interruption:
    """Raises KeyboardInterrupt for SIGTERM and SIGINT; inside saving_first() not for the first
    one, but SAVE_SECONDS later. A double of the first does nothing. For the main thread."""

    def __init__(self) -> None:
        self.asked_at: float | None = None
        self._saving = self._is_late = False
        self._left = threading.Event()
        self._handlers: dict[int, signal.Handlers] = {}

    @property
    def asked(self) -> bool:
        return self.asked_at is not None

    @contextmanager
    def saving_first(self) -> Iterator[None]:
        """Lets who runs inside look at `asked`, and end by itself; then raises KeyboardInterrupt.

        So it does for whatever is raised inside once an end is asked for: in a group of processes
        that are all told to end, others end first.
        """
        self._saving = True
        try:
            yield
        except BaseException as error:
            if self.asked and not isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise
        finally:
            self._saving = False
        if self.asked:
            raise KeyboardInterrupt

    def __enter__(self) -> Interruption:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._handle)  # pyright: ignore[reportArgumentType]
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        # Who is to end is watched to the last: Ray has more to do as Python ends.
        if not self.asked:
            self._left.set()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._is_late:
            self._is_late = False
            if not self._saving:
                return
        elif self.asked_at is None:
            self.asked_at = now
            if self._saving:
                return
        elif now - self.asked_at < DOUBLE_SECONDS:
            return
        raise KeyboardInterrupt

    def _watch(self) -> None:
        was_late = False
        while not self._left.wait(LOOK_SECONDS):
            if self.asked_at is None:
                continue
            gone = time.monotonic() - self.asked_at
            if gone > SAVE_SECONDS and self._saving and not was_late:
                was_late = self._is_late = True
                # A signal, for it also ends a call that waits.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            if gone > END_SECONDS:
                sys.stderr.write("the end takes too long: what is left to do is left\n")
                self.end_process()

    def end_process(self) -> None:
        """Ends this process now; the kernel ends a cluster that it started."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(EXIT_CODE)
