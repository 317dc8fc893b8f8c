"""Rounds on a bucket behind a faulty proxy: one trial with rival starts, or a whole sweep."""

from __future__ import annotations

import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess
from pathlib import Path

from sweep.store.store import Store
from tests.campaign import processes, starts
from tests.campaign.commands import HUNG, Course, carry_through, kill_by_role
from tests.campaign.comparison import paths
from tests.campaign.plan import Plan, environment
from tests.campaign.s3_proxy import SIGNED, Proxy, faulty_s3
from tests.campaign.schedule import Event, Schedule
from tests.campaign.stillness import HANG_SECONDS, Stillness, events_in, words_in
from tests.processes import kill
from trainer.config.trial import TrialConfig

LOOK_SECONDS = 0.02
MOST_STARTS = 8
DRAIN_SECONDS = 60.0


def run(schedule: Schedule, plan: Plan, folder: Path, temporary: Path, s3_port: int) -> Course:
    """Carries a trial or a sweep through the schedule; its results are at `uri(...)`."""
    _make_bucket(schedule, s3_port)
    assert schedule.faults is not None
    with faulty_s3(("127.0.0.1", s3_port), schedule.faults) as proxy:
        root = uri(schedule, proxy.port)
        if schedule.whole:
            course = carry_through(
                schedule,
                plan.command(root),
                environment(temporary),
                folder,
                lambda: proxy.progress,
                kill_by_role,
            )
            processes.end_family()
        else:
            course = _run_trial(schedule, trial_of(schedule, plan), root, proxy, folder)
        proxy.drain(DRAIN_SECONDS)
        course.done += [f"{count} x {kind}" for kind, count in sorted(proxy.counts.items())]
    return course


def trial_of(schedule: Schedule, plan: Plan) -> TrialConfig:
    """The one trial of a round without Ray."""
    return plan.trials[schedule.seed % len(plan.trials)]


def uri(schedule: Schedule, port: int) -> str:
    """The root of a round's store at an endpoint of this machine."""
    where = f"endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
    return f"s3://{schedule.name}/results?{where}"


def _make_bucket(schedule: Schedule, port: int) -> None:
    """Makes the round's bucket; not by Arrow, whose threads a fork would lack."""
    bucket = f"http://127.0.0.1:{port}/{schedule.name}"
    request = urllib.request.Request(bucket, headers=SIGNED, method="PUT")
    urllib.request.urlopen(request, timeout=30).close()


def keep(store: Store, folder: Path) -> None:
    """Copies a bucket's store into a folder."""
    for path in paths(store):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.read(path) or b"")


def empty(store: Store) -> None:
    """Removes what a round left in its bucket: the server keeps it all in memory."""
    store.fs.delete_dir_contents(store.base, missing_dir_ok=True)


@dataclass(slots=True)
class _Trial:
    """The starts of one trial: those that live, oldest first, and the logs of all."""

    config: TrialConfig
    root: str
    folder: Path
    running: list[ForkProcess] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    # When each suspended start goes on.
    paused: dict[int, float] = field(default_factory=dict)

    def start(self) -> None:
        self.logs.append(self.folder / f"start-{len(self.logs)}.log")
        self.running.append(starts.start(self.config, self.root, self.logs[-1]))

    def reports(self) -> list[str]:
        return [event["status"] for event in events_in(self.logs) if "status" in event]

    def reap(self, course: Course) -> None:
        """Notes the ends of starts, and lets suspended ones go on in time."""
        for pid, until in list(self.paused.items()):
            if time.monotonic() > until:
                kill(pid, number=signal.SIGCONT)
                del self.paused[pid]
        for process in list(self.running):
            if process.exitcode is not None:
                process.join()
                course.codes.append(process.exitcode)
                self.running.remove(process)

    def strike(self, event: Event) -> None:
        """Does what the event says to the oldest start."""
        if event.act == "rival":
            self.start()
        elif self.running and (pid := self.running[0].pid) is not None:
            if event.act == "kill":
                kill(pid)
            else:
                kill(pid, number=signal.SIGSTOP)
                self.paused[pid] = time.monotonic() + event.seconds


def _run_trial(
    schedule: Schedule, config: TrialConfig, root: str, proxy: Proxy, folder: Path
) -> Course:
    course, pending = Course(), list(schedule.events)
    trial, still, reports = _Trial(config, root, folder), Stillness(), 0
    with _ended(trial):
        while True:
            trial.reap(course)
            statuses = trial.reports()
            if not trial.running:
                if "completed" in statuses:
                    return course
                if len(trial.logs) >= MOST_STARTS:
                    course.problem = f"never done: {course.codes}"
                    return course
                trial.start()
            if pending and pending[0].after <= len(statuses) - reports:
                trial.strike(event := pending.pop(0))
                course.done.append(f"{event.act} {event.target}")
                reports = len(statuses)
            now = time.monotonic()
            if still.seconds((words_in(trial.logs), proxy.progress), now) > HANG_SECONDS:
                course.hangs += 1
                course.codes.append(HUNG)
                return course
            time.sleep(LOOK_SECONDS)


@contextmanager
def _ended(trial: _Trial) -> Iterator[None]:
    """Leaves no start behind."""
    try:
        yield
    finally:
        for process in trial.running:
            process.kill()
            process.join()
