"""`python -m sweep.mirror`: a sweep's trials as runs of another tracker, live or after it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from sweep.cli.commands import parser, run, service_flag, store_of, teller
from sweep.mirrors.follower import Follower
from sweep.mirrors.marks import Marks
from sweep.mirrors.opening import TRACKERS, open_tracker
from sweep.report.inventory import inventory
from sweep.report.notifier import LOOK_SECONDS, LOOK_SECONDS_IN_A_BUCKET
from sweep.store.arrow_start import keep_arrow_from_pandas
from sweep.store.ownership import Ownership, Superseded, acquire
from sweep.store.retry import PATIENCE_SECONDS

EXAMPLES = """\
  python -m sweep.mirror demo --to tensorboard --at ~/runs
  python -m sweep.mirror demo --to mlflow --at http://lab:5000 --follow
  WANDB_MODE=offline python -m sweep.mirror demo --to wandb
A trial is one run there, however often it or the mirror is killed, and every point is in it once.
What was sent is kept under mirrors/ in the store, so that the same command again sends what is
new. A tracker that is away is tried again with a growing pause. Without --follow it sends what
there is and ends; with it, it ends when the sweep has finished.
exit code: 0 all sent, 2 bad input, 3 some trials were refused, 4 the tracker stayed away, and the
same command sends the rest, 130 interrupted
"""
SOME_REFUSED, STAYED_AWAY = 3, 4
# For a tracker that is away when there is nothing more to come.
LAST_TRIES_SECONDS = 900.0
say = teller("mirror")


def main(argv: list[str] | None = None) -> int:
    """Mirrors a sweep; returns the exit code."""
    return run("mirror", lambda: _mirror(argv))


def _mirror(argv: list[str] | None) -> int:
    p = parser("mirror", "Show a sweep's trials as runs of another tracker.", EXAMPLES)
    p.add_argument("name", metavar="NAME", help="the sweep")
    p.add_argument("--to", required=True, choices=TRACKERS, help="the tracker")
    p.add_argument(
        "--at",
        metavar="URL|FOLDER",
        help="where it is (default: mlflow $MLFLOW_TRACKING_URI, tensorboard ./runs, wandb as "
        "logged in or by $WANDB_MODE, trackio its own folder)",
    )
    p.add_argument(
        "--follow", action="store_true", help="go on until the sweep has finished, over its stops"
    )
    service_flag(p)
    p.add_argument(
        "--json", action="store_true", help="what was sent as one JSON object on stdout"
    )
    args = p.parse_args(argv)
    store = store_of(args.results).with_patience(PATIENCE_SECONDS)
    inventory(store, sweep=args.name, columns=["trial_id"])
    tracker = open_tracker(args.to, args.at, args.name)
    marks = Marks(store=store, sweep=args.name, tracker=args.to, place=tracker.place)
    marks.read()
    follower = Follower(
        store=store, sweep=args.name, tracker=tracker, marks=marks, service=args.service, say=say
    )
    try:
        code = mirror(follower, follow=args.follow)
    finally:
        tracker.close()
    if args.json:
        sys.stdout.write(json.dumps(sent(follower)) + "\n")
    return code


def sent(follower: Follower) -> dict[str, Any]:
    """What this start has sent, and trials that it has not, for programs."""
    return {
        "sweep": follower.sweep,
        "place": follower.tracker.place,
        "points": follower.n_points,
        "refused": sorted(follower.refused),
        "unsent": sorted(run.trial_id for run in follower.queue),
    }


def mirror(
    follower: Follower, *, follow: bool, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Sends until nothing more is to come, as the only process to do so; returns the exit code."""
    ownership = acquire(
        follower.store,
        f"{follower.marks.name}.owner.json",
        waiting=lambda owner: say(
            f"process {owner.get('pid')} on {owner.get('host')} mirrors {follower.sweep}"
        ),
    )
    assert ownership is not None  # acquire() waits
    try:
        # Not before: the process that was waited for has written them.
        follower.marks.read()
        is_done = _send_all(follower, ownership, follow=follow, sleep=sleep)
    except Superseded:
        say("another start has taken over")
        return STAYED_AWAY
    finally:
        ownership.release()
    say(f"{follower.n_points} new points at {follower.tracker.place}")
    if not is_done:
        return STAYED_AWAY
    return SOME_REFUSED if follower.refused else 0


def _send_all(
    follower: Follower, ownership: Ownership, *, follow: bool, sleep: Callable[[float], None]
) -> bool:
    """Returns False if the tracker was away for LAST_TRIES_SECONDS after the last look."""
    pause = LOOK_SECONDS if follower.store.is_local else LOOK_SECONDS_IN_A_BUCKET
    complete_since: float | None = None
    while True:
        ownership.check()
        follower.look()
        follower.send()
        is_complete = follower.is_over or not follow
        complete_since = (complete_since or time.monotonic()) if is_complete else None
        if complete_since is not None:
            if not follower.queue:
                return True
            if time.monotonic() - complete_since > LAST_TRIES_SECONDS:
                say(f"{len(follower.queue)} trials are not sent: the same command sends them")
                return False
        sleep(pause)


if __name__ == "__main__":
    keep_arrow_from_pandas()
    sys.exit(main())
