"""`python -m sweep.notify`: sends each event of a sweep, once, to an address or a command.

A sweep with --notify starts it beside itself: it slows nothing, and outlives a driver that is
killed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from sweep.cli.commands import parser, run, service_flag, store_of, teller
from sweep.report.delivery import check_receiver, place_of
from sweep.report.inventory import inventory
from sweep.report.notifier import (
    FOLDER,
    LOOK_SECONDS,
    LOOK_SECONDS_IN_A_BUCKET,
    Notifier,
)
from sweep.store.arrow_start import keep_arrow_from_pandas
from sweep.store.ownership import Superseded, acquire
from sweep.store.retry import PATIENCE_SECONDS
from trainer.config.lookup import UsageError

EXAMPLES = """\
  python -m sweep.notify demo --to https://ntfy.sh/TOPIC
  SWEEP_NOTIFY=https://hooks.slack.com/services/... python -m sweep.notify demo
  python -m sweep.notify demo --to 'jq -r .text | mail -s sweep me@example.org'
Events are collapse, failure, out_of_memory, stalled and end; each is one POST of JSON, or one run
of the command with that JSON on its standard input. A receiver that is away is called again with a
growing pause; one that answers 4xx is not. What was sent is kept under notifications/ in the
store: whoever sends next, nothing is sent twice. What had happened before anybody first followed
the sweep is no news. A sweep with --notify, or SWEEP_NOTIFY set, needs no second command; one here
also tells, from another machine, when the driver's has gone.
exit code: 0 when the run has ended, 2 bad input, 130 interrupted
"""
RECEIVER = "SWEEP_NOTIFY"
# For a receiver that is away when the sweep has ended; the next start of the sweep sends the rest.
LAST_TRIES_SECONDS = 900.0
# The sweep that started it may be gone, and nobody may listen any more.
say = teller("notify")


def main(argv: list[str] | None = None) -> int:
    """Sends until the sweep's run has ended; returns the exit code."""
    return run("notify", lambda: _notify(argv))


def _notify(argv: list[str] | None) -> int:
    p = parser("notify", "Send each event of a sweep once, as it happens.", EXAMPLES)
    p.add_argument("name", metavar="NAME", help="the sweep")
    p.add_argument(
        "--to",
        metavar="URL|COMMAND",
        default=os.environ.get(RECEIVER),
        help=f"who is to be told (default: ${RECEIVER})",
    )
    service_flag(p)
    p.add_argument(
        "--json", action="store_true", help="each notice that was sent as one JSON object per line"
    )
    args = p.parse_args(argv)
    if not args.to:
        raise UsageError(f"nobody to tell: give --to URL|COMMAND, or set {RECEIVER}")
    check_receiver(args.to)
    store = store_of(args.results).with_patience(PATIENCE_SECONDS)
    inventory(store, sweep=args.name)
    notifier = Notifier(
        store=store,
        sweep=args.name,
        receiver=args.to,
        service=args.service,
        say=say,
        report=write_json if args.json else None,
    )
    follow(notifier)
    return 0


def write_json(sent: Mapping[str, Any]) -> None:
    """Writes a notice that was sent, and how, as a line of JSON."""
    sys.stdout.write(json.dumps(sent) + "\n")
    sys.stdout.flush()


def follow(notifier: Notifier, sleep: Callable[[float], None] = time.sleep) -> None:
    """Looks and sends until the run has ended and all is sent, or nobody takes it for long.

    While another process sends for the sweep it waits for that one's end.
    """
    ownership = acquire(
        notifier.store,
        f"{FOLDER}/{notifier.sweep}.owner.json",
        waiting=lambda owner: say(
            f"process {owner.get('pid')} on {owner.get('host')} sends for {notifier.sweep}"
        ),
    )
    assert ownership is not None  # acquire() waits
    pause = LOOK_SECONDS if notifier.store.is_local else LOOK_SECONDS_IN_A_BUCKET
    try:
        notifier.begin()
        over_since: float | None = None
        while True:
            ownership.check()
            notifier.look()
            notifier.call()
            over_since = (over_since or time.monotonic()) if notifier.is_over else None
            if over_since is not None:
                if not notifier.queue:
                    return
                if time.monotonic() - over_since > LAST_TRIES_SECONDS:
                    n_unsent, place = len(notifier.queue), place_of(notifier.receiver)
                    say(f"{place} took none of {n_unsent} notices: the next start sends them")
                    return
            sleep(pause)
    except Superseded:
        return
    finally:
        ownership.release()


if __name__ == "__main__":
    keep_arrow_from_pandas()
    sys.exit(main())
