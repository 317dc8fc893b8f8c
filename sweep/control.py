"""`python -m sweep.control`: asks a running sweep to stop, or to stop or retry a trial."""

from __future__ import annotations

import json
import sys

from sweep.cli.commands import parser, run, store_of
from sweep.report.inventory import inventory
from sweep.store.owners import has_live_owner
from sweep.store.requests import STOP_SWEEP, ask
from trainer.config.lookup import UsageError, lookup

EXAMPLES = """\
  python -m sweep.control demo stop
      every trial saves at its next iteration and ends; the sweep's own command goes on another
      time
  python -m sweep.control demo stop --trial digits.C_32-32.sn.-.s0-1a2b3c4d
  python -m sweep.control demo retry --trial digits.C_32-32.sn.-.s0-1a2b3c4d
"""


def main(argv: list[str] | None = None) -> int:
    """Makes the request that the command line names; returns the exit code."""
    return run("control", lambda: _ask(argv))


def _ask(argv: list[str] | None) -> int:
    p = parser("control", "Ask a running sweep to stop, or to stop or retry a trial.", EXAMPLES)
    p.add_argument("sweep", metavar="NAME", help="as `python -m sweep.status` lists it")
    p.add_argument("action", metavar="ACTION", help="stop or retry")
    p.add_argument("--trial", metavar="ID", help="one trial only; retry needs it")
    p.add_argument("--json", action="store_true", help="the request as one JSON object")
    args = p.parse_args(argv)
    lookup("action", dict.fromkeys(("stop", "retry")), args.action)
    store = store_of(args.results)
    planned = [row["trial_id"] for row in inventory(store, sweep=args.sweep).plans[args.sweep]]
    if args.trial is not None:
        lookup("trial of the sweep", dict.fromkeys(planned), args.trial)
    elif args.action == "retry":
        raise UsageError("retry needs --trial ID; the sweep's own command retries all that failed")
    if not has_live_owner(store, f"sweeps/{args.sweep}.json"):
        raise UsageError(f"sweep {args.sweep!r} is not running: its own command goes on with it")
    action = STOP_SWEEP if args.trial is None else f"{args.action}-trial"
    ask(store, args.sweep, action, args.trial)
    if args.json:
        request = {"sweep": args.sweep, "action": action, "trial_id": args.trial}
        sys.stdout.write(json.dumps(request) + "\n")
    else:
        whom = args.trial or "all its trials"
        sys.stdout.write(f"asked {args.sweep} to {args.action} {whom}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
