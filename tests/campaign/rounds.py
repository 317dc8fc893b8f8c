"""One round: carried through in a process of its own, then held against an undisturbed run."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sweep.store.store import Store
from tests.campaign import hosts_rounds, kill_rounds, processes, s3_rounds
from tests.campaign.commands import Course
from tests.campaign.comparison import (
    Contents,
    Differences,
    compare,
    contents,
    lasting_temporaries,
    live_claims,
    of_trials,
)
from tests.campaign.plan import PLANS
from tests.campaign.schedule import Schedule

OUTCOME, DIFFERENCES, SCHEDULE = "outcome.json", "differences.txt", "schedule.json"
# Marks a store that an undisturbed run has finished.
COMPLETE = "complete"


def carry_out(schedule: Schedule, folder: str, whole: str, s3_port: int) -> None:
    """Runs a round in `folder`, against the undisturbed store `whole`; leaves its outcome there.

    For a process of its own: all that it started ends with it.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes.adopt_orphans()
    place, begin = Path(folder), time.monotonic()
    place.mkdir(parents=True)
    (place / SCHEDULE).write_text(json.dumps(asdict(schedule), indent=1))
    # Short: the names of Ray's sockets must fit into 107 bytes.
    temporary = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    try:
        course, differences = _carried_out(schedule, place, Path(whole), s3_port, temporary)
        outcome = outcome_from(schedule, course, differences, time.monotonic() - begin)
        (place / DIFFERENCES).write_text("\n".join([*differences.lines(), ""]))
        if course.hangs or course.problem or any(differences.counts().values()):
            _keep_logs(temporary, place)
        (place / OUTCOME).write_text(json.dumps(outcome))
    finally:
        processes.end_family()
        shutil.rmtree(temporary, ignore_errors=True)


def _carried_out(
    schedule: Schedule, place: Path, whole: Path, s3_port: int, temporary: Path
) -> tuple[Course, Differences]:
    plan, expected = PLANS[schedule.kind], contents(Store(whole))
    try:
        if schedule.kind != "s3":
            run = kill_rounds.run if schedule.kind == "kill" else hosts_rounds.run
            course = run(schedule, plan, place, temporary)
            return course, _differences(expected, Store(place / "results"))
        if not schedule.whole:
            expected = of_trials(expected, [s3_rounds.trial_of(schedule, plan).trial_id])
        course = s3_rounds.run(schedule, plan, place, temporary, s3_port)
        store = Store(s3_rounds.uri(schedule, s3_port))
        differences = _differences(expected, store)
        s3_rounds.keep(store, place / "results")
        s3_rounds.empty(store)
        return course, differences
    except Exception:
        return Course(problem=traceback.format_exc()), Differences()


def _differences(expected: Contents, store: Store) -> Differences:
    differences = compare(expected, contents(store))
    differences.live = live_claims(store)
    processes.end_family()
    if store.is_local:
        differences.temporaries = lasting_temporaries(Path(store.base))
    return differences


def failed_outcome(schedule: Schedule, problem: str, seconds: float) -> dict[str, Any]:
    """The outcome of a round that could not tell its own."""
    return outcome_from(schedule, Course(problem=problem), Differences(), seconds)


def outcome_from(
    schedule: Schedule, course: Course, differences: Differences, seconds: float
) -> dict[str, Any]:
    """What the ledger keeps of a round."""
    return {
        "kind": schedule.kind,
        "seed": schedule.seed,
        "seconds": round(seconds, 1),
        "codes": course.codes,
        "hangs": course.hangs,
        "problem": course.problem,
        **differences.counts(),
        "schedule": asdict(schedule),
        "done": course.done,
    }


def _keep_logs(temporary: Path, place: Path) -> None:
    """Ray's own logs of a round that failed: what is left of them, sockets aside."""
    for logs in temporary.rglob("logs"):
        if logs.is_dir() and not logs.parent.is_symlink():
            target = place / "ray" / logs.relative_to(temporary)
            shutil.copytree(logs, target, ignore_dangling_symlinks=True, dirs_exist_ok=True)


def run_undisturbed(kind: str, folder: str) -> None:
    """Runs the kind's plan once without any event; for a process of its own, as `carry_out`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes.adopt_orphans()
    place = Path(folder)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    schedule = Schedule(kind="kill", seed=0, events=())
    temporary = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    try:
        course = kill_rounds.run(schedule, PLANS[kind], place, temporary)
        if course.codes == [0]:
            (place / COMPLETE).touch()
    finally:
        processes.end_family()
        shutil.rmtree(temporary, ignore_errors=True)


def outcome_of(folder: Path) -> dict[str, Any] | None:
    """The outcome that a round left; None if it was ended before."""
    path = folder / OUTCOME
    return json.loads(path.read_text()) if path.exists() else None
