"""`python -m sweep.notify`: bad input, one sender at a time, and a real sweep that is killed."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from sweep import notify
from sweep.report.delivery import Outcome
from sweep.report.notifier import Notifier
from sweep.store.ownership import acquire
from sweep.store.store import Store
from tests.receiver import receiving
from tests.sweep.small_sweep import PLAN, SN, Driver, wait_until


def planned(root: Path, state: str = "finished") -> Store:
    store = Store(root)
    store.write_rows("sweeps", "demo", [{"sweep": "demo", "position": 0, "trial_id": "t0"}])
    record = {"sweep": "demo", "state": state, "attempt": "a1"}
    record["heartbeat"] = "2026-03-01T12:00:00+00:00"
    store.write("sweeps/demo.json", json.dumps(record).encode())
    return store


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo"], "nobody to tell: give --to URL|COMMAND, or set SWEEP_NOTIFY"),
        (["demo", "--to", "ftp://x"], "takes http:// or https:// or a command"),
        (["dem", "--to", "cat"], "unknown sweep 'dem'; did you mean: demo?"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.delenv("SWEEP_NOTIFY", raising=False)
    planned(tmp_path)
    assert notify.main([*arguments, "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "notifications").exists()


def test_a_sweep_that_has_ended_is_no_news(tmp_path: Path) -> None:
    planned(tmp_path)
    assert notify.main(["demo", "--to", "false", "--results", str(tmp_path)]) == 0
    assert [f.key for f in Store(tmp_path).list("notifications/demo")] == ["first"]


def test_it_gives_up_on_a_receiver_that_stays_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = planned(tmp_path, "running")
    monkeypatch.setattr(notify, "LAST_TRIES_SECONDS", 0.5)
    away = Outcome(False, "refused", passing=True)
    notifier = Notifier(
        store=store, sweep="demo", receiver="http://x/y", service=None, say=notify.say,
        send=lambda receiver, key, message: away,
    )  # fmt: skip

    def sleep(seconds: float) -> None:
        planned(tmp_path)
        time.sleep(0.2)

    notify.follow(notifier, sleep)
    assert "http://x took none of 1 notices" in capsys.readouterr().err


def test_one_process_sends_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = planned(tmp_path)
    other = acquire(store, "notifications/demo.owner.json")
    assert other is not None
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        other.release()

    monkeypatch.setattr(notify, "say", say)
    assert notify.main(["demo", "--to", "cat", "--results", str(tmp_path)]) == 0
    assert len(said) == 1
    assert "sends for demo" in said[0]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_sweep_is_told_of_once(environment: dict[str, str], tmp_path: Path) -> None:
    root = tmp_path / "results"
    with receiving(500) as receiver:
        command = ["sweep.table1", *PLAN, f"--results={root}", "--name=s", "--json"]
        command.append(f"--notify={receiver.url}")

        def taken() -> list[str]:
            return [message["event"] for message in receiver.taken]

        first = Driver(environment, tmp_path / "first.log", *command)
        first.wait_for(root, sn=0)
        first.end(signal.SIGKILL)
        wait_until(lambda: taken() == ["stalled"], 120)
        record = json.loads((root / "sweeps/s.json").read_text())
        assert receiver.url not in record["command"]
        second = Driver(environment, tmp_path / "second.log", *command)
        assert second.wait() == 0, second.said()
        wait_until(lambda: "end" in taken(), 60)
    assert [event for event in taken() if event not in ("collapse",)] == ["stalled", "end"]
    keys = [key for key, status in receiver.calls if status == 200]
    assert len(keys) == len(set(keys))
    assert SN in {path.stem for path in (root / "trials").glob("*.parquet")}


def test_the_address_is_not_kept() -> None:
    from sweep.cli.flags import without_receiver

    kept = ["--name=demo", "--no-stop-on-collapse", "--seeds", "0"]
    for flag in (["--notify", "https://x"], ["--notify=https://x"], ["--not", "cat -"]):
        assert without_receiver([*kept[:2], *flag, *kept[2:]]) == kept
