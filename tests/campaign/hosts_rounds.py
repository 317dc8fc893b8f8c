"""Rounds on three hosts that are cut off the network and put back, or lose what runs on them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.campaign import processes
from tests.campaign.commands import Course, carry_through
from tests.campaign.hosts import Hosts, start_cluster, three_hosts
from tests.campaign.plan import Plan
from tests.campaign.schedule import Event, Schedule
from tests.campaign.stillness import store_state
from tests.processes import descendants, kill


def run(schedule: Schedule, plan: Plan, folder: Path, temporary: Path) -> Course:
    """Carries a sweep on three hosts through the schedule; the folder is shared by all of them."""
    root = folder / "results"
    with three_hosts(temporary) as hosts:
        start_cluster(hosts)
        return carry_through(
            schedule,
            hosts.inside("a", *plan.command(str(root))),
            hosts.environment(),
            folder,
            lambda: store_state(root),
            partial(_strike, hosts),
            hosts.tend,
        )


def _strike(hosts: Hosts, event: Event, driver: int) -> bool:
    if event.act == "cut":
        hosts.cut(event.target, event.seconds)
        return True
    if event.target in hosts.rays:
        ray = hosts.rays[event.target].pid
        kill(ray, *descendants(ray))
        return True
    nodes = [descendants(ray.pid) for ray in hosts.rays.values()]
    workers = processes.of_role("worker", set().union(*nodes))
    kill(*workers[event.pick % len(workers) :][:1] if workers else ())
    return bool(workers)
