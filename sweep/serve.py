"""`python -m sweep.serve`: trains what pages and programs order, one server for a store."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from sweep.cli import experiment, flags
from sweep.cli.commands import parser, run, store_of, teller
from sweep.store.orders import FLAGS, SERVER
from sweep.store.owners import has_live_owner
from sweep.store.ownership import Ownership, Superseded, acquire, read_owner
from sweep.store.retry import PATIENCE_SECONDS
from sweep.store.store import Store
from sweep.table1 import TABLE1
from trainer.config.lookup import UsageError

EXAMPLES = """\
  python -m sweep.serve --results /shared/r
  RAY_ADDRESS=head:6379 python -m sweep.serve --results s3://bucket/r -- --data-root /data
      what stands after -- is given to each command: where data and weights are, how many trials
      run at once, who is told
Orders are made on the service's pages with its control token, or by POST /orders. Each is priced
by the dry run of `python -m sweep.table1`, and runs as that command once it is confirmed: the
highest priority first, one after the other. SIGTERM and Ctrl-C let what runs save and leave the
queue as it is; the same command goes on. A server that was killed is taken over.
exit code: 2 bad input or another server, 3 superseded by another one, 130 interrupted
"""
SUPERSEDED, INTERRUPTED = 3, 130
# What every command gets from the server or the order.
OWN_FLAGS = ("--results", "--name", "--json", "--dry-run", "--fresh", "--share")
BEAT_SECONDS = 3.0
say = teller("serve")


def main(argv: list[str] | None = None) -> int:
    """Serves until it is interrupted; returns the exit code."""
    return run("serve", lambda: _serve(sys.argv[1:] if argv is None else argv))


def _serve(argv: Sequence[str]) -> int:
    own, arguments = _split(argv)
    p = parser("serve", "Train what is ordered from pages and programs.", EXAMPLES)
    p.add_argument("--json", action="store_true", help="each event as one JSON object per line")
    args = p.parse_args(own)
    check_arguments(arguments)
    store = store_of(args.results).with_patience(PATIENCE_SECONDS)
    store.check_writable()
    ownership = server_ownership(store)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    from sweep.run.order_server import OrderServer

    tell = _write_json if args.json else _write
    server = OrderServer(store, ownership, [*arguments], tell, stop)
    tell(f"serving the orders of {store.place}", event="start", results=store.place)
    try:
        server.serve()
    except Superseded:
        say("another server has taken over; this one ends")
        return SUPERSEDED
    finally:
        ownership.release()
    return INTERRUPTED


def server_ownership(store: Store) -> Ownership:
    """Makes this process the store's server. Raises UsageError while another one lives.

    One that is silent is waited for, and taken over when it has been for a minute.
    """
    ownership = acquire(store, SERVER, every=BEAT_SECONDS, wait=False)
    if ownership is not None:
        return ownership
    owner = read_owner(store, SERVER) or {}
    who = f"process {owner.get('pid')} on {owner.get('host')}"
    if has_live_owner(store, SERVER):
        raise UsageError(f"{store.place} is served by {who}: one server serves a store")
    ownership = acquire(
        store, SERVER, every=BEAT_SECONDS, waiting=lambda _: say(f"{who} is silent: waiting")
    )
    assert ownership is not None  # acquire() waits
    return ownership


def check_arguments(arguments: Sequence[str]) -> None:
    """Raises UsageError for arguments that no command takes, or that the orders are to set."""
    set_elsewhere = (*OWN_FLAGS, *FLAGS.values())
    for argument in arguments:
        name = argument.partition("=")[0]
        if name.startswith("--") and any(flag.startswith(name) for flag in set_elsewhere):
            raise UsageError(f"{name} is set by the order or by this command: leave it out")
    flags.check(experiment.parser(TABLE1).parse_args([*arguments]))


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The own arguments, and those after `--`."""
    place = argv.index("--") if "--" in argv else len(argv)
    return [*argv[:place]], [*argv[place + 1 :]]


def _write(text: str, **facts: Any) -> None:
    say(text)


def _write_json(text: str, **facts: Any) -> None:
    sys.stdout.write(json.dumps({**facts, "text": text}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
