"""Requests to a running sweep, in the store: stop it, stop or retry one of its trials.

`sweeps/<sweep>.control.json` holds {"requests": [{"id", "action", "trial_id", "at"}]}. A trial
looks at it at every evaluation, the driver every few seconds. A request holds for the run that it
was made to: the next start of the sweep clears the file.
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

from sweep.claims import is_live, locked, read
from sweep.commands import parser, run, store_of
from sweep.inventory import inventory
from sweep.results import Store
from trainer.settings import UsageError, lookup

EXAMPLES = """\
  python -m sweep.control demo stop
      every trial ends at its next evaluation; the sweep's own command goes on another time
  python -m sweep.control demo stop --trial digits.C_32-32.sn.-.s0-1a2b3c4d
  python -m sweep.control demo retry --trial digits.C_32-32.sn.-.s0-1a2b3c4d
"""

STOP_SWEEP, STOP_TRIAL, RETRY_TRIAL = ACTIONS = ("stop-sweep", "stop-trial", "retry-trial")


def path(sweep: str) -> str:
    return f"sweeps/{sweep}.control.json"


def requests(store: Store, sweep: str) -> list[dict[str, Any]]:
    """What was asked of the sweep, oldest first; what is no request is left out."""
    content = store.read(path(sweep))
    try:
        found = json.loads(content)["requests"] if content else []
        return [r for r in found if r["action"] in ACTIONS and isinstance(r["id"], str)]
    except (ValueError, TypeError, KeyError):
        return []


def request(store: Store, sweep: str, action: str, trial_id: str | None = None) -> str:
    """Adds a request; returns its id. Of two that are made at once in an object store, which
    has no lock, the later may replace the earlier: look whether it took effect."""
    made = {
        "id": uuid.uuid4().hex[:12],
        "action": action,
        "trial_id": trial_id,
        "at": datetime.now(UTC).isoformat(),
    }
    with locked(store, path(sweep)):
        held = [*requests(store, sweep), made]
        store.write(path(sweep), json.dumps({"requests": held}).encode())
    return made["id"]


def clear(store: Store, sweep: str) -> None:
    """Forgets what was asked of an earlier run."""
    store.delete(path(sweep))


def stops(store: Store, sweep: str | None, trial_id: str) -> bool:
    """Whether the trial was asked to end, by itself or with its sweep."""
    return sweep is not None and any(
        r["action"] == STOP_SWEEP or (r["action"] == STOP_TRIAL and r["trial_id"] == trial_id)
        for r in requests(store, sweep)
    )


def main(argv: list[str] | None = None) -> int:
    """Makes the request that the command line names; returns the exit code."""
    return run("control", lambda: _ask(argv))


def _ask(argv: list[str] | None) -> int:
    p = parser("control", "Ask a running sweep to stop, or to stop or retry a trial.", EXAMPLES)
    p.add_argument("sweep", metavar="NAME", help="as `python -m sweep.status` lists it")
    p.add_argument("action", metavar="ACTION", help="stop or retry")
    p.add_argument("--trial", metavar="ID", help="one trial only; retry needs it")
    args = p.parse_args(argv)
    lookup("action", dict.fromkeys(("stop", "retry")), args.action)
    store = store_of(args.results)
    planned = [row["trial_id"] for row in inventory(store, sweep=args.sweep).plans[args.sweep]]
    if args.trial is not None:
        lookup("trial of the sweep", dict.fromkeys(planned), args.trial)
    elif args.action == "retry":
        raise UsageError("retry needs --trial ID; the sweep's own command retries all that failed")
    holder = read(store, f"sweeps/{args.sweep}.json")
    if holder is None or not is_live(holder):
        raise UsageError(f"sweep {args.sweep!r} is not running: its own command goes on with it")
    action = STOP_SWEEP if args.trial is None else f"{args.action}-trial"
    request(store, args.sweep, action, args.trial)
    sys.stdout.write(f"asked {args.sweep} to {args.action} {args.trial or 'all its trials'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
