"""A command under a schedule, started again until it has done its work, as a person would.

What befalls it is done by `strike`, so the same way serves a cluster of the command's own, three
hosts, and a faulty bucket.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaign import processes
from tests.campaign.schedule import Event, Schedule
from tests.campaign.stillness import HANG_SECONDS, Stillness, events_in, words_in
from tests.processes import descendants, kill

LOOK_SECONDS = 0.1
# Starts beyond one for each event, before a command counts as one that never gets done.
SPARE_STARTS = 4
# What bad input ends with, and Python where it cannot even begin: no use in trying again.
HOPELESS = 2
HUNG = "hung"


@dataclass(slots=True, kw_only=True)
class Course:
    """What happened in a round: exit codes of the starts in their order, `hung` for a hang."""

    codes: list[int | str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    hangs: int = 0
    problem: str | None = None


# Does what an event says, to the command with this process id; False if its target is not there.
Strike = Callable[[Event, int], bool]


def carry_through(
    schedule: Schedule,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    state: Callable[[], Hashable],
    strike: Strike,
    tend: Callable[[], None] = lambda: None,
    hang_seconds: float = HANG_SECONDS,
) -> Course:
    """Runs the command to its end through all that is scheduled; logs are in the folder.

    `state` changes with every progress of the store; `tend` is called all the time, to do what
    keeps the surroundings going.
    """
    course, pending = Course(), list(schedule.events)
    logs: list[Path] = []
    for _ in range(len(schedule.events) + SPARE_STARTS):
        logs.append(folder / f"start-{len(logs)}.log")
        reports = _reports(logs)
        with _started(command, environment, logs[-1]) as process:
            code = _follow(
                process, pending, reports, logs, course, state, strike, tend, hang_seconds
            )
        course.codes.append(code)
        if code == HUNG:
            course.hangs += 1
        elif code == 0:
            return course
        elif code == HOPELESS:
            break
    course.problem = f"never done: {course.codes}"
    return course


def _follow(
    process: subprocess.Popen[bytes],
    pending: list[Event],
    reports: int,
    logs: Sequence[Path],
    course: Course,
    state: Callable[[], Hashable],
    strike: Strike,
    tend: Callable[[], None],
    hang_seconds: float,
) -> int | str:
    """Waits for the end of one start; returns its exit code, or HUNG for one that was ended."""
    since, still = time.monotonic(), Stillness()
    while process.poll() is None:
        now = time.monotonic()
        if pending and _is_due(pending[0], now - since, _reports(logs) - reports):
            event = pending[0]
            if strike(event, process.pid):
                course.done.append(f"{event.act} {event.target}")
                pending.pop(0)
                since, reports = time.monotonic(), _reports(logs)
        if still.seconds((words_in(logs), state()), now) > hang_seconds:
            _dump(process.pid, logs[-1].with_suffix(".stacks"))
            kill(process.pid, *descendants(process.pid))
            process.wait(30)
            return HUNG
        tend()
        time.sleep(LOOK_SECONDS)
    return process.returncode


def _is_due(event: Event, seconds: float, reports: int) -> bool:
    return event.after <= (seconds if event.unit == "seconds" else reports)


def _reports(logs: Sequence[Path]) -> int:
    return sum(event.get("event") == "trial" for event in events_in(logs))


@contextmanager
def _started(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Any:
    """A process with its words in the log; killed, if it still lives, when the block ends."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(30)


def _dump(pid: int, file: Path) -> None:
    """Writes where every thread of a process that hangs is, if py-spy is there."""
    with suppress(OSError, subprocess.TimeoutExpired), file.open("wb") as out:
        subprocess.run(
            ["py-spy", "dump", "--pid", str(pid)], stdout=out, stderr=out, timeout=30, check=False
        )


def kill_by_role(event: Event, driver: int) -> bool:
    """Kills a process of a command and of the cluster that it started; see Strike."""
    if event.target == "driver":
        kill(driver)
        return True
    members = descendants(driver)
    targets = processes.of_role(event.target, members)
    if not targets:
        return False
    if event.target == "all":
        kill(driver, *targets)
    else:
        kill(targets[event.pick % len(targets)])
    return True
