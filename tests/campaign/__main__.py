"""Campaign of seeded rounds: sweeps are killed, cut off and lied to, and must lose nothing.

    make campaign ROUNDS=1000 SEED=0 KINDS=kill,s3,hosts
    make campaign MINUTES=10 SEED=40 KINDS=kill
    python -m tests.campaign --rounds 20 --kinds s3 --jobs 4
    python -m tests.campaign --repeat kill-17

A round is a small real sweep under a schedule that its kind and seed determine. At its end every
row must be there once, with the bits of an undisturbed run. On two idle cores a round of kills
takes about a minute and one on a bucket half of that; two run side by side. With MINUTES no round
begins later than that. The same command again goes on with
the rounds that the ledger lacks for this version of the code. A round that failed keeps its store
and logs in a folder of its name; it is repeated by `--repeat`. Exit code: 0 no round failed, 1
some did, 143 ended before.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.campaign import hosts, ledger, rounds, starts
from tests.campaign.plan import OF_EVERY_PROCESS, PLANS
from tests.campaign.processes import die_with_parent
from tests.campaign.schedule import KINDS, Schedule, deal, draw

FOLDER = Path("results/campaign")
LEDGER = "rounds.jsonl"
# Longer than any round may take with a hang in each of its starts.
MOST_SECONDS = 1800.0
END_SECONDS = 30.0


def main() -> int:
    args = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # For the process that rounds are forked from.
    os.environ |= OF_EVERY_PROCESS
    folder = args.out.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    book, version = folder / LEDGER, ledger.version()
    if args.repeat:
        schedules = [draw(kind, int(seed)) for kind, _, seed in [args.repeat.partition("-")]]
    else:
        schedules = [draw(*pair) for pair in deal(args.seed, args.rounds, _possible(args.kinds))]
        done = {(r["kind"], r["seed"]) for r in ledger.read(book) if r["version"] == version}
        schedules = [s for s in schedules if (s.kind, s.seed) not in done]
    _say(f"{len(schedules)} rounds to go, version {version}, in {folder}")
    outcomes = []
    with _s3_server(schedules) as s3_port:
        for place, kind in {_whole(folder, s.kind): s.kind for s in schedules}.items():
            _run_undisturbed(kind, place)
        for outcome in _carry_out(schedules, folder, s3_port, args.jobs, args.minutes):
            outcomes.append(outcome)
            ledger.append(book, {"version": version, **outcome})
            _say(f"[{len(outcomes)}/{len(schedules)}] {_line(outcome)}")
    _say("\n".join(ledger.summary(ledger.read(book))))
    return int(any(map(ledger.is_failed, outcomes)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    parser.add_argument("--kinds", type=_kinds, default=KINDS, help=f"default {','.join(KINDS)}")
    parser.add_argument("--jobs", type=int, default=2, help="rounds side by side (default 2)")
    parser.add_argument("--minutes", type=float, help="begin no round after so long")
    parser.add_argument("--out", type=Path, default=FOLDER, help=f"default {FOLDER}")
    parser.add_argument("--repeat", metavar="KIND-SEED", help="this round alone, once more")
    return parser


def _kinds(text: str) -> Sequence[str]:
    kinds = text.split(",")
    if unknown := set(kinds) - set(KINDS):
        raise argparse.ArgumentTypeError(f"no kind of round: {', '.join(sorted(unknown))}")
    return kinds


def _possible(kinds: Sequence[str]) -> Sequence[str]:
    """The kinds that this machine can carry out; says why another cannot."""
    if "hosts" in kinds and (reason := hosts.missing()) is not None:
        _say(f"rounds of the kind hosts are left out: {reason}")
        kinds = [kind for kind in kinds if kind != "hosts"]
    if not kinds:
        raise SystemExit(1)
    return kinds


def _whole(folder: Path, kind: str) -> Path:
    return folder / f"undisturbed-{ledger.version()}-{PLANS[kind].iterations}"


def _run_undisturbed(kind: str, place: Path) -> None:
    """Makes the store that the rounds of a kind are held against, unless it is there."""
    if (place / rounds.COMPLETE).exists():
        return
    process = starts.context().Process(target=rounds.run_undisturbed, args=(kind, str(place)))
    process.start()
    with _ended([process]):
        process.join()
    if not (place / rounds.COMPLETE).exists():
        raise SystemExit(f"the undisturbed run of {kind} did not end well: see {place}")


def _carry_out(
    schedules: Sequence[Schedule], folder: Path, s3_port: int, jobs: int, minutes: float | None
) -> Iterator[dict[str, Any]]:
    """Runs rounds side by side and yields their outcomes as they end."""
    begin, pending = time.monotonic(), list(schedules)
    running: dict[BaseProcess, tuple[Schedule, float]] = {}
    with _ended(running):
        while pending or running:
            in_time = minutes is None or time.monotonic() - begin < 60 * minutes
            while pending and in_time and len(running) < jobs:
                schedule = pending.pop(0)
                place, whole = folder / schedule.name, _whole(folder, schedule.kind) / "results"
                shutil.rmtree(place, ignore_errors=True)
                process = starts.context().Process(
                    target=rounds.carry_out, args=(schedule, str(place), str(whole), s3_port)
                )
                process.start()
                running[process] = (schedule, time.monotonic())
            for process, (schedule, since) in list(running.items()):
                if process.exitcode is not None:
                    del running[process]
                    yield _outcome(schedule, folder / schedule.name, time.monotonic() - since)
                elif time.monotonic() - since > MOST_SECONDS:
                    process.terminate()
            if not running and not in_time:
                return
            time.sleep(0.1)


def _outcome(schedule: Schedule, place: Path, seconds: float) -> dict[str, Any]:
    """The outcome of a round; its folder goes unless it failed."""
    outcome = rounds.outcome_of(place)
    if outcome is None:
        problem = f"the round itself ended after {seconds:.0f} s without an outcome"
        outcome = rounds.failed_outcome(schedule, problem, seconds)
    if not ledger.is_failed(outcome):
        shutil.rmtree(place)
    return outcome


def _line(outcome: dict[str, Any]) -> str:
    """How a round ended, for a person."""
    name = f"{outcome['kind']}-{outcome['seed']}"
    faults = [f"{outcome[fault]} {fault}" for fault in ledger.FAULTS if outcome[fault]]
    problem = (outcome["problem"] or "").strip().splitlines()[-1:]
    verdict = "; ".join([*faults, *problem]) or "ok"
    codes = " ".join(map(str, outcome["codes"]))
    return (
        f"{name}: {verdict}  ({outcome['seconds']:.0f} s; {', '.join(outcome['done'])}; "
        f"starts ended {codes})"
    )


@contextmanager
def _ended(processes: Any) -> Iterator[None]:
    """Ends the processes that are left when the block ends, each with all that it started."""
    try:
        yield
    finally:
        for process in list(processes):
            process.terminate()
        for process in list(processes):
            process.join(END_SECONDS)


@contextmanager
def _s3_server(schedules: Sequence[Schedule]) -> Iterator[int]:
    """The port of an S3 server of its own for rounds that need one, else 0."""
    if not any(schedule.kind == "s3" for schedule in schedules):
        yield 0
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    try:
        while server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        yield port
    finally:
        server.kill()
        server.wait()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
