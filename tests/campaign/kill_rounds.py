"""Rounds in which processes of a sweep are killed, the sweep having a Ray cluster of its own."""

from __future__ import annotations

from pathlib import Path

from tests.campaign.commands import Course, carry_through, kill_by_role
from tests.campaign.plan import Plan, environment
from tests.campaign.schedule import Schedule
from tests.campaign.stillness import store_state


def run(schedule: Schedule, plan: Plan, folder: Path, temporary: Path) -> Course:
    """Carries a sweep through the schedule; its results are in `folder / "results"`."""
    root = folder / "results"
    return carry_through(
        schedule,
        plan.command(str(root)),
        environment(temporary),
        folder,
        lambda: store_state(root),
        kill_by_role,
    )
