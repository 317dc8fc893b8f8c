"""A sweep followed in its store: each event once, whoever sends and whatever fails between."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweep.report import notifier as module
from sweep.report.delivery import Outcome
from sweep.report.notifier import Notifier
from sweep.store.processes import own_record
from sweep.store.store import Store, StoreError

SENT = Outcome(delivered=True)
AWAY = Outcome(delivered=False, reason="refused", passing=True)
GONE = Outcome(delivered=False, reason="410 Gone")


class Sweep:
    """A store with a sweep of three trials, and everything that was sent and said of it."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.outcomes: list[Outcome] = []
        self.sent: list[str] = []
        self.said: list[str] = []
        rows = [{"sweep": "demo", "position": k, "trial_id": f"t{k}"} for k in range(3)]
        self.store.write_rows("sweeps", "demo", rows)

    def trial(self, k: int, **values: Any) -> None:
        row = {"trial_id": f"t{k}", "setting": "C_8-32", "method": "sn", "seed": k}
        self.store.write_rows("trials", f"t{k}", [row | {"status": "running"} | values])

    def driver(self, state: str = "running", **values: Any) -> None:
        record = {"sweep": "demo", "state": state, "attempt": "a1", **own_record()}
        record |= {"heartbeat": datetime.now(UTC).isoformat(), **values}
        self.store.write("sweeps/demo.json", json.dumps(record).encode())

    def send(self, receiver: str, key: str, message: Mapping[str, Any]) -> Outcome:
        outcome = self.outcomes.pop(0) if self.outcomes else SENT
        if outcome.delivered:
            self.sent.append(key)
        return outcome

    def notifier(self) -> Notifier:
        notifier = Notifier(
            store=self.store,
            sweep="demo",
            receiver="http://x/secret",
            service=None,
            say=self.said.append,
            send=self.send,
        )
        notifier.begin()
        return notifier


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def step(notifier: Notifier) -> None:
    notifier.look()
    notifier.call()


def test_each_event_is_sent_once(sweep: Sweep) -> None:
    sweep.driver()
    notifier = sweep.notifier()
    sweep.trial(0)
    step(notifier)
    assert sweep.sent == []
    sweep.trial(0, mode_collapse_at=3)
    sweep.trial(1, status="failed", failures=1)
    for _ in range(3):
        step(notifier)
    assert sorted(sweep.sent) == ["collapse.t0", "failure.t1.1"]
    sweep.trial(1, status="failed", failures=2)
    sweep.driver("finished")
    step(notifier)
    assert sweep.sent[2:] == ["failure.t1.2", "end.a1"]
    assert notifier.is_over
    stored = json.loads(sweep.store.read("notifications/demo/collapse.t0.json") or b"")
    assert (stored["event"], stored["trial_id"], stored["refused"]) == ("collapse", "t0", None)


def test_the_next_sender_sends_what_was_missed_alone(sweep: Sweep) -> None:
    sweep.driver()
    first = sweep.notifier()
    sweep.trial(0, diverged_at=3)
    step(first)
    sweep.trial(1, dead_at=4)
    sweep.outcomes = [AWAY]
    step(first)
    second = sweep.notifier()
    step(second)
    assert sweep.sent == ["collapse.t0", "collapse.t1"]
    step(sweep.notifier())
    assert len(sweep.sent) == 2


def test_what_happened_before_is_no_news(sweep: Sweep) -> None:
    sweep.trial(0, mode_collapse_at=3)
    sweep.trial(1, status="failed", failures=1)
    sweep.driver("finished", attempt="a0")
    notifier = sweep.notifier()
    step(notifier)
    assert sweep.sent == []
    sweep.trial(1, status="failed", failures=2)
    step(notifier)
    assert sweep.sent == ["failure.t1.2"]


def test_trials_of_others_are_none_of_it(sweep: Sweep) -> None:
    sweep.driver()
    notifier = sweep.notifier()
    sweep.trial(7, mode_collapse_at=3)
    step(notifier)
    assert sweep.sent == []


def test_a_receiver_that_is_away_is_called_with_a_growing_pause(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    sweep.driver()
    notifier = sweep.notifier()
    sweep.trial(0, mode_collapse_at=3)
    notifier.look()
    sweep.outcomes = [AWAY] * 5
    calls: list[float] = []
    while not sweep.sent:
        before = len(sweep.outcomes)
        notifier.call()
        if len(sweep.outcomes) != before:
            calls.append(now[0])
        now[0] += 0.5
    pauses = [after - earlier for earlier, after in itertools.pairwise(calls)]
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert sweep.said == ["http://x takes no notice: refused; trying again"]
    sweep.outcomes = [Outcome(False, "429", passing=True, retry_after=60.0)]
    sweep.trial(1, mode_collapse_at=3)
    notifier.look()
    notifier.call()
    now[0] += 59
    notifier.call()
    assert sweep.sent == ["collapse.t0"]
    now[0] += 2
    notifier.call()
    assert sweep.sent == ["collapse.t0", "collapse.t1"]


def test_a_refused_notice_is_one_line_and_not_tried_again(sweep: Sweep) -> None:
    sweep.driver()
    notifier = sweep.notifier()
    sweep.trial(0, mode_collapse_at=3)
    sweep.outcomes = [GONE]
    step(notifier)
    step(notifier)
    step(sweep.notifier())
    assert sweep.said == ["http://x refuses the notice of collapse: 410 Gone"]
    assert sweep.sent == []


def test_a_driver_that_is_gone_has_stalled(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep.driver()
    notifier = sweep.notifier()
    step(notifier)
    assert not notifier.is_over
    monkeypatch.setattr(module, "may_live", lambda record: False)
    step(notifier)
    step(notifier)
    assert [key.partition(".")[0] for key in sweep.sent] == ["stalled"]
    assert notifier.is_over


def test_a_silent_driver_has_stalled(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep.driver(host="elsewhere", machine="another", pid=1)
    notifier = sweep.notifier()
    step(notifier)
    assert sweep.sent == []
    monkeypatch.setattr(module, "STALE_SECONDS", -1.0)
    step(notifier)
    assert [key.partition(".")[0] for key in sweep.sent] == ["stalled"]


def test_another_run_ends_this_ones_notifier(sweep: Sweep) -> None:
    sweep.driver()
    notifier = sweep.notifier()
    step(notifier)
    sweep.driver(attempt="a2")
    step(notifier)
    assert notifier.is_over
    assert sweep.sent == []


def test_a_store_that_is_away_is_looked_at_again(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep.driver()
    notifier = sweep.notifier()
    sweep.trial(0, mode_collapse_at=3)

    def away(folder: str) -> None:
        raise StoreError("cannot list")

    with monkeypatch.context() as patch:
        patch.setattr(sweep.store, "list", away)
        step(notifier)
    assert sweep.said == ["cannot look for what to notify of: cannot list"]
    step(notifier)
    assert sweep.sent == ["collapse.t0"]
