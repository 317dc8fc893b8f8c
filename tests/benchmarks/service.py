"""The service over 10,000 trials: start, refresh, latency of every route, memory; and its peers.

The service runs alone on one core, its clients on another where there is one. While the routes are
timed writer.py lets trials go on; what is asked of odd ones must be answered, too. Absolute times
are of this machine and its load; beside them, with --peers, stand the times of MLflow's tracking
server and of optuna-dashboard for the same work on the same data, as ratios.

    python tests/benchmarks/service.py [--store DIR] [--trials 10000] [--clients 1,8,32]
        [--core] [--peers]

Filling the peers takes most of an hour at 10,000 trials and some minutes at 2,000.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
import urllib.error
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import peers
import pyarrow as pa
import pyarrow.parquet as pq
import store
from ledger import record, say
from odd_rows import Odd, odd_trials
from processes import Server, free_port, start
from writer import replace, writing

from sweep.store.tables import file_of
from trainer.config.settings import SETTINGS

SECONDS = 1.0
# Requests of a client for a route, however long they take.
FEWEST = 4
LIST = "/results?setting={setting}&profile=digits&status=completed&sort=best_fd_digits&limit=50"
CURVE = "/trials/{id}/evaluations?keys=fd_digits"
ROUTES = (
    LIST, CURVE, "/results", "/results?fid_lt=90&sort=-seconds",
    "/results?fields=setting,method,best_fd_digits&limit=1000", "/trials/{id}",
    "/trials/{id}/evaluations", "/trials/{id}/evaluations?max_points=20", "/trials/{id}/outputs",
    "/trials/{id}/spectra?layer=4&points=128", "/trials/{id}/spectra", "/trials/{id}/samples",
    "/groups?profile=digits&by=method,i_ratio", "/sweeps", "/sweeps/fig8",
    "/sweeps/everything", "/sweeps/fig8/matrix", "/sweeps/everything/matrix", "/table2",
    "/fig8?setting={setting}", "/fig8", "/fig12", "/fig/4?group=A", "/fig/9", "/claims",
    "/survival", "/survival?setting={setting}", "/metrics", "/readyz", "/healthz", "/openapi.json",
    "/figures/trials/{id}/curves", "/figures/trials/{id}/spectra",
    "/figures/fig8?setting={setting}", "/figures/seeds",
)  # fmt: skip
PAGES = ("/", "/paper", "/view/sweeps/everything", "/view/trials/{id}")
OF_ODD_TRIALS = (
    *PAGES[:3], "/view/trials?status=unreadable", "/results?status=unreadable", "/view/sweeps/odd",
    "/sweeps/odd", "/sweeps/odd/matrix", "/table2", "/claims", "/fig8", "/fig12", "/survival",
)  # fmt: skip


def main() -> None:
    args = _parser().parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = args.store or Path(scratch) / "store"
        if not (root / "trials").is_dir():
            store.write(root, args.trials, seed=0)
        begun = store.begun(store.configurations(args.trials), seed=0)
        odd = odd_trials(begun)
        ids = sorted({*begun} - {each.trial_id for each in odd})
        say(f"{len(ids)} trials with files, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        with start_ups(root, Path(scratch) / "cache") as (server, figures):
            began = time.perf_counter()
            server.fetch("/table2")
            say(f"the first Table II after it {time.perf_counter() - began:.1f} s")
            time_refresh(server, root, ids)
            routes = (LIST, CURVE) if args.core else (*ROUTES, *PAGES)
            with writing(root, args.trials):
                own = time_routes(server, ids, routes, args.clients, args.seconds)
            figures |= {
                "list p50 (ms)": quantile(own[LIST], 0.5),
                "curve p50 (ms)": quantile(own[CURVE], 0.5),
                "memory (MiB)": memory(server),
            }
            failed = failures(server, odd)
        record(f"service, {args.trials} trials", figures)
        if failed:
            raise RuntimeError(f"the service fails over odd rows: {failed[0]}")
        if args.peers:
            peers.compare(root, ids, {"list": own[LIST], "curve": own[CURVE]})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--store", type=Path, help="a store of store.py; made if it is not there")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="per route and clients")
    parser.add_argument(
        "--clients", type=lambda text: [int(n) for n in text.split(",")], default=[1, 8, 32]
    )
    parser.add_argument("--core", action="store_true", help="only the list and the curve")
    parser.add_argument("--peers", action="store_true", help="install and measure the others, too")
    return parser


@contextmanager
def start_ups(root: Path, cache: Path) -> Iterator[tuple[Server, dict[str, float]]]:
    """A service that was started cold, and again warm; times from its command to its first
    answer from a whole snapshot."""
    figures = {}
    for kind in ("cold", "warm"):
        began = time.perf_counter()
        command = [sys.executable, "-m", "api", "--results", str(root), "--cache", str(cache)]
        with start(command, free_port()) as server:
            server.wait("/readyz")
            took = time.perf_counter() - began
            figures[f"{kind} start (s)"] = took
            say(f"{kind} start {took:.1f} s, of them {server.cpu_seconds():.1f} s of CPU")
            if kind == "warm":
                yield server, figures


def time_refresh(server: Server, root: Path, ids: Sequence[str]) -> None:
    """From the replacement of one trial's file to the first answer that has it."""
    times = []
    for trial_id in random.Random(0).sample(ids, 5):
        before = server.get("/readyz")["snapshot"]
        began = time.perf_counter()
        touch_up(root, trial_id)
        while server.get("/readyz")["snapshot"] == before:
            time.sleep(0.02)
        times.append(time.perf_counter() - began)
    say(f"refresh after one trial changed: {statistics.median(times):.2f} s, of 5 the middle one")


def touch_up(root: Path, trial_id: str) -> None:
    """Replaces the trial's file by one that says that it took a second longer."""
    path = root / f"trials/{trial_id}.parquet"
    table = pq.ParquetFile(path).read(use_threads=False)
    at = table.column_names.index("seconds")
    longer = pa.array([value + 1 for value in table.column(at).to_pylist()])
    replace(path, file_of("trials", table.set_column(at, table.schema.field(at), longer)))


def failures(server: Server, odd: Sequence[Odd]) -> list[str]:
    """Addresses that an odd trial, or a whole with odd trials in it, breaks."""
    ids = {each.trial_id for each in odd}
    addresses = [f"{prefix}/trials/{each}" for each in ids for prefix in ("", "/view")]
    failed = []
    for address in (*addresses, *OF_ODD_TRIALS):
        try:
            server.fetch(address)
        except urllib.error.HTTPError as error:
            failed.append(f"{address}: {error.code}")
    say(f"odd rows: of {len(addresses) + len(OF_ODD_TRIALS)} addresses {len(failed)} fail")
    return failed


def time_routes(
    server: Server,
    ids: Sequence[str],
    routes: Sequence[str],
    clients: Sequence[int],
    seconds: float,
) -> Mapping[str, Sequence[float]]:
    """Prints p50 and p95 in ms by route and number of clients; returns one client's times."""
    head = "".join(f"{n:>5} p50 {n:>5} p95" for n in clients)
    say(f"{'route (ms, by clients)':62} {'KB':>7}{head}")
    alone = {}
    for route in routes:
        cells = []
        size = len(server.fetch(next(addresses(route, ids))))
        for n in clients:
            times = timed(server.port, route, ids, n, seconds)
            alone.setdefault(route, times)
            cells.append(f"{quantile(times, 0.5):10.1f}{quantile(times, 0.95):10.1f}")
        say(f"{route[:62]:62} {size / 1000:7.1f}{''.join(cells)}")
    return alone


def timed(
    port: int, route: str, ids: Sequence[str], clients: int, seconds: float
) -> Sequence[float]:
    """Times of all requests in ms that so many clients make in turn, each on its connection."""
    until = time.perf_counter() + seconds

    def one(k: int) -> list[float]:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        times: list[float] = []
        for address in addresses(route, ids, k):
            began = time.perf_counter()
            link.request("GET", address, headers={"Accept-Encoding": "gzip"})
            answer = link.getresponse()
            answer.read()
            times.append(1000 * (time.perf_counter() - began))
            if answer.status != 200:
                raise RuntimeError(f"{address}: {answer.status}")
            if time.perf_counter() > until and len(times) >= FEWEST:
                return times
        return times

    with ThreadPoolExecutor(clients) as pool:
        return list(itertools.chain.from_iterable(pool.map(one, range(clients))))


def addresses(route: str, ids: Sequence[str], seed: int = 0) -> Iterator[str]:
    """The route with ever other trials and settings."""
    rng = random.Random(seed)
    while True:
        yield route.format(id=rng.choice(ids), setting=rng.choice([*SETTINGS]))


def quantile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def memory(server: Server) -> float:
    """MiB at most so far."""
    held = {name: server.memory(name) for name in ("VmRSS", "VmHWM")}
    say(f"memory {held['VmRSS']:.0f} MiB, at most {held['VmHWM']:.0f} MiB")
    return held["VmHWM"]


if __name__ == "__main__":
    main()
