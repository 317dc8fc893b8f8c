"""A service under everything at once, for long: does it answer right, soon, and in its memory?

Over more than 10,000 trials that have begun, 50 evaluations each, the service (`python -m api`, a
process of its own on one core) has 100 streams of events and 50 clients that ask all kinds of
questions, 25 a second at most, while a writer changes files every half second. It fails, and names
the request, if an answer is a server's error or none of what was asked; if `/healthz`, asked every
quarter of a second by a client of its own, takes more than 200 ms in one of a hundred; if the
service's memory is above 350 MiB, or at the end more than 1.1 of that after the first minute; or
if at the end its list of trials is not that of the store.

The clients are one process, the writer another: with two cores they share the other one. A
question to `/healthz` counts from the time at which it was due, also if the one before was slow.

With `--planned` no trial has begun at first, and there are one stream and one page, which loads
itself again whenever the store changes: what grows with snapshots alone.

    python tests/benchmarks/soak.py [--store DIR] [--trials 11200] [--minutes 30] [--planned]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import store
from agreement import differences
from faults import by_kind, kind_of, tracebacks
from ledger import record, say
from processes import Server, free_port, start
from service import quantile

# One of ten is only planned.
TRIALS = 11_200
HEALTH_EVERY, HEALTH_MS = 0.25, 200.0
GROWTH, MOST_MIB = 1.1, 350.0
# The first sample that memory is compared with, in s: caches fill before.
FIRST_MINUTE = 60.0
PROGRESS_SECONDS = 10.0


@dataclass(slots=True)
class Seen:
    """What was seen of the service so far: times in ms, memory in MiB by second."""

    began: float
    healths: list[float] = field(default_factory=list)
    memory: list[tuple[float, Mapping[str, float]]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)
    wrong: list[Mapping[str, str]] = field(default_factory=list)


def main() -> int:
    args = _parser().parse_args()
    # So that the service and the others end when this is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as scratch:
        root = args.store or Path(scratch) / "store"
        if not (root / "trials").is_dir():
            if args.planned:
                store.plan(root, store.configurations(args.trials))
            else:
                store.write(root, args.trials, seed=0, curves=("evaluations",))
        log = Path(scratch) / "service.log"
        command = [sys.executable, "-m", "api", "--results", str(root)]
        with start([*command, "--cache", f"{scratch}/cache"], free_port(), log) as server:
            server.wait("/readyz")
            say(f"{args.trials} trials, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            asking = "page.py" if args.planned else "clients.py"
            figures, seen = soak(server, root, args.trials, 60 * args.minutes, asking)
        record(f"soak, {args.trials} {'planned ' * args.planned}trials", figures)
        faults = [*_faults(figures), *tracebacks(log)]
    for line in faults:
        say(f"FAILED: {line}")
    for line in by_kind(seen.wrong):
        say(f"WRONG: {line}")
    return 1 if faults or seen.wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--store", type=Path, help="a store of store.py; made if it is not there")
    parser.add_argument(
        "--trials", type=int, default=TRIALS, help="of the store, planned ones too"
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--planned", action="store_true", help="one page, and no trial has begun")
    return parser


def soak(
    server: Server, root: Path, trials: int, seconds: float, asking: str
) -> tuple[dict[str, float], Seen]:
    """Runs the script that asks and the writer beside the service.

    Returns figures and what was seen.
    """
    stop, seen = threading.Event(), Seen(time.monotonic())
    folder, cpu = Path(__file__).parent, server.cpu_seconds()
    stored = [str(root), f"--trials={trials}"]
    asked = [*(stored if asking == "clients.py" else []), f"--port={server.port}"]
    with ExitStack() as stack:
        health = threading.Thread(target=_probe, args=(server.port, stop, seen))
        stack.callback(health.join)
        stack.callback(stop.set)
        health.start()
        lasts = f"--seconds={seconds}"
        stack.enter_context(_running([str(folder / "writer.py"), *stored, lasts]))
        clients = stack.enter_context(_running([str(folder / asking), *asked, lasts]))
        reader = threading.Thread(target=_read, args=(clients, seen), daemon=True)
        reader.start()
        shown = 0
        while reader.is_alive() and server.process.poll() is None:
            seen.memory.append((time.monotonic() - seen.began, server.rollup()))
            shown = _progress(server, seen, shown, cpu)
            reader.join(1.0)
        share = (server.cpu_seconds() - cpu) / (time.monotonic() - seen.began)
    if server.process.poll() is not None:
        seen.wrong.append(
            {"wrong": "the service", "reason": f"ended: {server.process.returncode}"}
        )
    else:
        seen.wrong += [{"wrong": "/results", "reason": text} for text in differences(server, root)]
    return _figures(seen, share), seen


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """The benchmark's script beside this one, ended at the end."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def _read(clients: subprocess.Popen[str], seen: Seen) -> None:
    assert clients.stdout is not None
    for text in clients.stdout:
        line = json.loads(text)
        if "wrong" in line:
            if kind_of(line) not in map(kind_of, seen.wrong):
                say(f"WRONG: {line['wrong']}: {line['reason']} {line.get('request_id', '')}")
            seen.wrong.append(line)
        else:
            seen.times += line.pop("times")
            seen.clients = line
    if clients.wait() != 0:
        seen.wrong.append({"wrong": "the clients", "reason": f"ended: {clients.returncode}"})


def _probe(port: int, stop: threading.Event, seen: Seen) -> None:
    """Asks for /healthz when it is due, from the first to the last second."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        try:
            link.request("GET", "/healthz")
            answer = link.getresponse()
            answer.read()
            if answer.status != 200:
                seen.wrong.append({"wrong": "/healthz", "reason": f"status {answer.status}"})
        except (OSError, http.client.HTTPException) as error:
            link.close()
            seen.wrong.append({"wrong": "/healthz", "reason": repr(error)})
        seen.healths.append(1000 * (time.monotonic() - due))
        due += HEALTH_EVERY


def _progress(server: Server, seen: Seen, shown: int, cpu: float) -> int:
    """Prints a line when it is time for the next; returns how many there were."""
    second = time.monotonic() - seen.began
    if second < PROGRESS_SECONDS * (shown + 1):
        return shown
    times, clients, rss = seen.times or [0.0], seen.clients, seen.memory[-1][1]["Rss"]
    share = (server.cpu_seconds() - cpu) / second
    say(
        f"{second:5.0f} s  {clients.get('answers', 0):6} answers, p50 {quantile(times, 0.5):.0f} "
        f"p99 {quantile(times, 0.99):.0f} ms  {clients.get('events', 0)} events  "
        f"healthz p99 {quantile(seen.healths, 0.99):.0f} ms  RSS {rss:.0f} MiB  "
        f"{share:.2f} of a core  load {os.getloadavg()[0]:.1f}  {len(seen.wrong)} wrong"
    )
    return shown + 1


def _figures(seen: Seen, share: float) -> dict[str, float]:
    seconds, at_the_end = seen.memory[-1]
    rss = [(second, memory["Rss"]) for second, memory in seen.memory]
    first = next((mib for second, mib in rss if second >= FIRST_MINUTE), rss[-1][1])
    return {
        "memory after the first minute (MiB)": first,
        "memory at the end (MiB)": at_the_end["Rss"],
        "memory at most (MiB)": max(mib for _, mib in rss),
        "proportional memory at the end (MiB)": at_the_end["Pss"],
        "memory at the end over the first minute": at_the_end["Rss"] / first,
        "healthz p99 (ms)": quantile(seen.healths, 0.99),
        "healthz at most (ms)": max(seen.healths),
        "answers p50 (ms)": quantile(seen.times or [0.0], 0.5),
        "answers p99 (ms)": quantile(seen.times or [0.0], 0.99),
        "answers per second": seen.clients.get("answers", 0) / seconds,
        "events per second": seen.clients.get("events", 0) / seconds,
        "answers not modified": seen.clients.get("not_modified", 0),
        "the service's share of its core": share,
        "wrong answers": len(seen.wrong),
        "minutes": seconds / 60,
    }


def _faults(figures: Mapping[str, float]) -> Iterator[str]:
    if (p99 := figures["healthz p99 (ms)"]) > HEALTH_MS:
        yield f"/healthz took {p99:.0f} ms in one of a hundred, where {HEALTH_MS:.0f} are allowed"
    if (growth := figures["memory at the end over the first minute"]) > GROWTH:
        yield f"memory grew to {growth:.2f} of what it was after a minute, {GROWTH} are allowed"
    if (most := figures["memory at most (MiB)"]) > MOST_MIB:
        yield f"memory was {most:.0f} MiB, {MOST_MIB:.0f} are allowed"


if __name__ == "__main__":
    sys.exit(main())
