"""Delivers a message to an address by HTTP or to a command. Standard library only."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from trainer.config.lookup import UsageError

CALL_SECONDS = 10.0
COMMAND_SECONDS = 60.0
# 4xx that speak of the moment and not of the message: too slow, too early, too many.
PASSING = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a call: delivered, or why not, and whether the same may go well later."""

    delivered: bool
    reason: str = ""
    passing: bool = False
    retry_after: float | None = None


def check_receiver(receiver: str) -> None:
    """Raises UsageError for what is neither an address nor a command that there is."""
    if "://" in receiver.split(" ", 1)[0]:
        parts = urlsplit(receiver)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"--notify takes http:// or https:// or a command, not {receiver!r}")
        return
    try:
        words = shlex.split(receiver)
    except ValueError as error:
        raise UsageError(f"--notify {receiver!r} is no command: {error}") from None
    if not words:
        raise UsageError("--notify is empty: give an address or a command")
    if "=" not in words[0] and shutil.which(words[0]) is None:
        raise UsageError(f"--notify: there is no command {words[0]!r}; an address has http://")


def place_of(receiver: str) -> str:
    """The receiver without what lets others call it: of an address the host alone."""
    parts = urlsplit(receiver)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.hostname}"
    return shlex.split(receiver)[0]


def deliver(receiver: str, key: str, message: Mapping[str, Any]) -> Outcome:
    """Calls once. `key` is the same for each try of one message."""
    content = json.dumps(message, ensure_ascii=False).encode()
    if urlsplit(receiver).scheme in ("http", "https"):
        return _post(receiver, key, content)
    return _run(receiver, key, content)


def _post(address: str, key: str, content: bytes) -> Outcome:
    # Here: they take 50 ms, which every command with the flag would spend at its start.
    import urllib.error
    import urllib.request

    headers = {
        "Content-Type": "application/json",
        "User-Agent": "srgan-sweep",
        "Idempotency-Key": key,
    }
    request = urllib.request.Request(address, content, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:
            answer.read(1024)
        return Outcome(delivered=True)
    except urllib.error.HTTPError as error:
        with error:
            passing = error.code >= 500 or error.code in PASSING
            reason = f"{error.code} {error.reason}"
            return Outcome(False, reason, passing, _seconds(error.headers.get("Retry-After")))
    except (OSError, ValueError) as error:  # no such host, refused, timed out, no HTTP
        return Outcome(False, str(getattr(error, "reason", error)), passing=True)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None


def _run(command: str, key: str, content: bytes) -> Outcome:
    environment = {**os.environ, "SWEEP_EVENT_KEY": key}
    try:
        done = subprocess.run(
            ["sh", "-c", command],
            input=content,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(False, f"did not end within {COMMAND_SECONDS:g} s", passing=True)
    except OSError as error:
        return Outcome(False, str(error), passing=True)
    if done.returncode == 0:
        return Outcome(delivered=True)
    last_line = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    reason = f"exit code {done.returncode}" + (f": {last_line}" if last_line else "")
    # What the shell cannot find or run now it cannot later.
    return Outcome(False, reason, passing=done.returncode not in (126, 127))
