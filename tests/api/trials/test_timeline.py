"""The log of a trial."""

from __future__ import annotations

from api.trials.timeline import Event, folded


def test_the_log_folds_evaluations_and_nothing_else() -> None:
    middle = [Event(text=f"at {k}", iteration=k) for k in range(40)]
    fell = Event(text="mode collapse began here", kind="signal", iteration=20)
    end = Event(text="completed", kind="state")
    events = [Event(text="started", kind="state"), *middle[:21], fell, *middle[21:], end]
    groups = folded(events)
    assert [event for _, group in groups for event in group] == events
    assert [(hidden, len(group)) for hidden, group in groups] == [
        (False, 4), (True, 18), (False, 1), (True, 14), (False, 6),
    ]  # fmt: skip
    assert all(event.kind == "evaluation" for hidden, g in groups if hidden for event in g)
