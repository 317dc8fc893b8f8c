"""Calls of receivers: which are tried again, and what is refused before anything starts."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from sweep.report import delivery
from sweep.report.delivery import check_receiver, deliver, place_of
from tests.receiver import receiving
from trainer.config.lookup import UsageError

MESSAGE = {"event": "end", "text": "sweep «demo» is done"}


@pytest.mark.parametrize(
    ("status", "delivered", "passing"),
    [(200, True, False), (204, True, False), (400, False, False), (404, False, False),
     (410, False, False), (429, False, True), (500, False, True), (503, False, True)],
)  # fmt: skip
def test_an_answer_says_whether_to_try_again(status: int, delivered: bool, passing: bool) -> None:
    with receiving(status) as receiver:
        outcome = deliver(receiver.url, "key.1", MESSAGE)
    assert (outcome.delivered, outcome.passing) == (delivered, passing)
    assert delivered or str(status) in outcome.reason
    assert receiver.calls == [("key.1", status)]
    assert receiver.taken == [MESSAGE] * delivered


def test_nobody_there_may_pass() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    outcome = deliver(f"http://127.0.0.1:{port}/", "k", MESSAGE)
    assert not outcome.delivered
    assert outcome.passing


def test_a_command_gets_the_message(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert deliver(f"cat > {out}; echo $SWEEP_EVENT_KEY >> {out}", "k.1", MESSAGE).delivered
    text = out.read_text()
    assert json.loads(text.partition("}")[0] + "}") == MESSAGE
    assert text.endswith("k.1\n")


def test_a_command_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = deliver("echo no room >&2; exit 3", "k", MESSAGE)
    assert (outcome.delivered, outcome.passing) == (False, True)
    assert outcome.reason == "exit code 3: no room"
    assert not deliver("no-such-command-here", "k", MESSAGE).passing
    monkeypatch.setattr(delivery, "COMMAND_SECONDS", 0.1)
    assert deliver("sleep 5", "k", MESSAGE).reason == "did not end within 0.1 s"


@pytest.mark.parametrize(
    ("receiver", "words"),
    [
        ("ftp://host/x", "takes http:// or https:// or a command"),
        ("https://", "takes http:// or https:// or a command"),
        ("no-such-command --x", "there is no command 'no-such-command'"),
        ("cat 'x", "is no command"),
        ("  ", "is empty"),
    ],
)
def test_what_cannot_be_called_is_refused(receiver: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_receiver(receiver)


@pytest.mark.parametrize("receiver", ["https://ntfy.sh/x", "cat -", "A=b cat", "http://h:1/?a=b"])
def test_what_can_be_called_is_taken(receiver: str) -> None:
    check_receiver(receiver)


def test_an_address_is_not_repeated() -> None:
    assert place_of("https://hooks.slack.com/services/T/B/secret") == "https://hooks.slack.com"
    assert place_of("curl -H 'Authorization: x' y") == "curl"
