"""Signals that end a command: at once, after what runs has saved, or in time all the same."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import pytest

from sweep.run import interruption
from sweep.run.interruption import Interruption

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing ends the process of the tests, and no watch outlasts a test by much."""
    monkeypatch.setattr(interruption, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(Interruption, "end_process", lambda self: self._left.set())


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_interrupts_at_once(number: int) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with Interruption() as interrupted:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert interrupted.asked
        interrupted._left.set()
    assert [signal.getsignal(each) for each in SIGNALS] == before


def saves(interrupted: Interruption, *steps: Callable[[], object]) -> list[int]:
    """Numbers of the steps that a command gets through while it saves; then it is interrupted."""
    done: list[int] = []

    def save() -> None:
        with interrupted.saving_first():
            for number, step in enumerate(steps):
                step()
                done.append(number)

    with interrupted:
        with pytest.raises(KeyboardInterrupt):
            save()
        interrupted._left.set()
    return done


def comes(number: int) -> Callable[[], object]:
    return lambda: signal.raise_signal(number)


def fail() -> None:
    raise ValueError("the cluster is gone")


@pytest.mark.parametrize("number", SIGNALS)
def test_what_saves_is_interrupted_when_it_has(number: int) -> None:
    """Also by a signal that comes to the process and to its group."""
    assert saves(Interruption(), comes(number), comes(number)) == [0, 1]


def test_nothing_is_raised_where_nobody_asks() -> None:
    with Interruption() as interrupted, interrupted.saving_first():
        pass
    assert not interrupted.asked
    with Interruption(), pytest.raises(ValueError, match="gone"), interrupted.saving_first():
        fail()


def test_an_error_of_what_is_about_to_end_is_no_news() -> None:
    assert saves(Interruption(), comes(signal.SIGTERM), fail) == [0]


def test_a_second_signal_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "DOUBLE_SECONDS", -1.0)
    assert saves(Interruption(), comes(signal.SIGINT), comes(signal.SIGINT)) == [0]


def test_who_does_not_save_in_time_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it waits for something that never comes."""
    monkeypatch.setattr(interruption, "SAVE_SECONDS", 0.1)
    assert saves(Interruption(), comes(signal.SIGTERM), lambda: time.sleep(60)) == [0]


def test_a_process_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "END_SECONDS", 0.2)
    ended = threading.Event()

    def end_process(interrupted: Interruption) -> None:
        interrupted._left.set()
        ended.set()

    monkeypatch.setattr(Interruption, "end_process", end_process)
    with pytest.raises(KeyboardInterrupt), Interruption():
        signal.raise_signal(signal.SIGTERM)
    assert ended.wait(60), "also after the block, while Python ends"
