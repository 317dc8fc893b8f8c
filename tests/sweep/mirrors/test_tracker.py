"""Trackers as a mirror calls them, of all packages, whether installed or not."""

from __future__ import annotations

import importlib
import inspect

import pytest

from sweep.mirrors.opening import TRACKERS
from sweep.mirrors.tracker import Tracker


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_is_called_as_the_mirror_calls_it(name: str) -> None:
    module = importlib.import_module(f"sweep.mirrors.{name}")
    kind = inspect.signature(module.opened, eval_str=False).return_annotation
    tracker = getattr(module, kind)
    assert isinstance(tracker.place, property)
    for method in ("send", "close"):
        expected = inspect.signature(getattr(Tracker, method))
        assert inspect.signature(getattr(tracker, method)) == expected
