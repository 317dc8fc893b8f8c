"""Flags that end a run, and signals that raise them."""

import signal

import pytest

from trainer import interruption
from trainer.interruption import Interrupted, check, interruptible, termination

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def test_only_what_is_interruptible_is_interrupted():
    check()
    with interruptible(lambda: False):
        check()
        with pytest.raises(Interrupted), interruptible(lambda: True):
            check()
        check()
    check()


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_the_second_acts(number, monkeypatch):
    monkeypatch.setattr(interruption, "DOUBLE_SECONDS", -1.0)

    class Second(Exception):
        pass

    def act(*_):
        raise Second

    before = [signal.signal(each, act) for each in SIGNALS]
    try:
        with termination() as stop:
            assert not stop()
            signal.raise_signal(number)
            assert stop()
            with pytest.raises(Second):
                signal.raise_signal(number)
        assert [signal.getsignal(each) for each in SIGNALS] == [act, act]
    finally:
        for each, handler in zip(SIGNALS, before, strict=True):
            signal.signal(each, handler)


def test_a_double_of_the_first_does_nothing():
    with termination() as stop:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert stop()


def test_handlers_are_put_back_when_nothing_came():
    before = [signal.getsignal(number) for number in SIGNALS]
    with termination() as stop:
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert not stop()
    assert [signal.getsignal(number) for number in SIGNALS] == before
