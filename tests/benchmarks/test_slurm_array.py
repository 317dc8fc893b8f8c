"""The rate of a shared plan, on spans whose rate is plain."""

from __future__ import annotations

import pytest

from tests.benchmarks.slurm_array import Span, rate


def test_one_task_without_a_pause() -> None:
    assert rate([Span(100.0, 110.0, 0), Span(110.0, 120.0, 0)]) == pytest.approx(0.1)


def test_a_pause_between_trials_counts() -> None:
    assert rate([Span(0.0, 10.0, 0), Span(15.0, 25.0, 0)]) == pytest.approx(2 / 25)


def test_two_tasks_count_while_both_train() -> None:
    """From 4 to 20 s: 16 s at a tenth of a trial per second and task."""
    first = [Span(0.0, 10.0, 0), Span(10.0, 20.0, 0)]
    second = [Span(4.0, 14.0, 1), Span(14.0, 24.0, 1)]
    assert rate(first + second) == pytest.approx(0.2)


def test_a_task_that_waits_for_the_other_is_seen() -> None:
    first = [Span(0.0, 10.0, 0), Span(20.0, 30.0, 0)]
    second = [Span(10.0, 20.0, 1), Span(30.0, 40.0, 1)]
    assert rate(first + second) == pytest.approx(0.1)
