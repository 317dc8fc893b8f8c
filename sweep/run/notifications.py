"""The process that sends a running sweep's notices: apart, so that it slows and stops nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

from sweep.report.display import Show
from sweep.report.notifier import Notifier
from sweep.store.store import Store, StoreError

# For the notice of the end: the process goes on by itself if the receiver takes longer.
END_SECONDS = 4.0


class Notifications:
    """Starts the notifier of a sweep once there is something to follow, and lets it end."""

    def __init__(self, receiver: str | None, show: Show) -> None:
        self.receiver = receiver
        self.show = show
        self.process: subprocess.Popen[str] | None = None

    def start(self, store: Store, sweep: str) -> None:
        """Notes what is no news, and starts the process. What goes wrong is a line, no more."""
        if self.receiver is None:
            return
        notifier = Notifier(
            store=store, sweep=sweep, receiver=self.receiver, service=None, say=self._note
        )
        try:
            notifier.begin()
            self.process = subprocess.Popen(
                # The address is a secret, which other users read in a list of processes.
                [sys.executable, "-m", "sweep.notify", sweep, "--results", store.root],
                env={**os.environ, "SWEEP_NOTIFY": self.receiver},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                # Neither Ctrl-C nor the end of a terminal is meant for it.
                start_new_session=True,
            )
        except (OSError, StoreError) as error:
            self._note(f"nobody is notified: {error}")
            return
        threading.Thread(target=self._relay, args=(self.process,), daemon=True).start()

    def _relay(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._note(line.strip())

    def _note(self, text: str) -> None:
        self.show("note", text=text)

    def finish(self) -> None:
        """Gives the notice of the end a moment: a container's processes end with the command."""
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_SECONDS)


@contextlib.contextmanager
def notifying(receiver: str | None, show: Show) -> Iterator[Notifications]:
    """Notifications of a run, which are finished however it ends."""
    notifications = Notifications(receiver, show)
    try:
        yield notifications
    finally:
        notifications.finish()
