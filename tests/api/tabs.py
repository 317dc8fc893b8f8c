"""Tabs of a browser in which a tab in the background is hidden, as it is for people.

Playwright makes every page of a browser visible.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.api.servers import wait_for

OPTIONS = ("--headless=new", "--no-sandbox", "--no-first-run", "--remote-debugging-pipe")


class Tabs:
    """A browser, driven by DevTools over two pipes; each message ends with a zero byte."""

    def __init__(self, requests: int, answers: int) -> None:
        self.requests, self.answers = os.fdopen(requests, "wb"), os.fdopen(answers, "rb")
        self.numbers = itertools.count(1)
        self.sessions: dict[str, str] = {}

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The result of a command; what happens meanwhile is not looked at."""
        number = next(self.numbers)
        command = {"id": number, "method": method, "params": parameters}
        if session is not None:
            command["sessionId"] = session
        self.requests.write(json.dumps(command).encode() + b"\0")
        self.requests.flush()
        while (answer := self._message()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _message(self) -> dict[str, Any]:
        content = b""
        while not content.endswith(b"\0"):
            byte = self.answers.read(1)
            assert byte, "the browser has ended"
            content += byte
        return json.loads(content[:-1])

    def open(self, address: str, *, hidden: bool = False) -> str:
        """A tab behind others, else in a window of its own: what is in two windows is seen."""
        place = {"background": True} if hidden else {"newWindow": True}
        created = self.send("Target.createTarget", None, url=address, **place)
        tab = created["targetId"]
        attached = self.send("Target.attachToTarget", targetId=tab, flatten=True)
        self.sessions[tab] = attached["sessionId"]
        loaded = f"document.readyState === 'complete' && location.href.startsWith('{address}')"
        wait_for(lambda: self.evaluate(tab, loaded))
        return tab

    def evaluate(self, tab: str, expression: str) -> Any:
        answer = self.send(
            "Runtime.evaluate",
            self.sessions[tab],
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def says(self, tab: str, text: str) -> bool:
        return text in self.evaluate(tab, "document.body.innerText.replace(/\\s+/g, ' ')")

    def show(self, tab: str) -> None:
        self.send("Target.activateTarget", targetId=tab)

    def close(self, tab: str) -> None:
        self.send("Target.closeTarget", targetId=tab)


@contextmanager
def opened_browser(chromium: str, profile: Path) -> Iterator[Tabs]:
    """A browser with a profile of its own and one empty tab in front."""
    from_here, to_here = os.pipe(), os.pipe()
    # Chromium reads commands from descriptor 3 and answers on 4.
    shell = f'exec "$@" 3<&{from_here[0]} 4>&{to_here[1]}'
    command = [chromium, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        ["bash", "-c", shell, "chromium", *command],
        pass_fds=(from_here[0], to_here[1]),
        stderr=subprocess.DEVNULL,
    )
    os.close(from_here[0])
    os.close(to_here[1])
    tabs = Tabs(from_here[1], to_here[0])
    try:
        yield tabs
    finally:
        process.terminate()
        process.wait(20)
        tabs.requests.close()
        tabs.answers.close()
