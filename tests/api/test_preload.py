"""What libraries would load in a request is loaded at the start."""

from __future__ import annotations

import itertools
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.api.servers import collapsed_trial, result_items, wait_for

ROOT = Path(__file__).parents[2]
PAGES = (
    "/", "/paper", "/view/trials", "/view/trials?by=setting,method", "/view/trials/{trial}",
    "/view/sweeps/{sweep}", "/view/compare?t={trial}&t={other}", "/docs", "/login", "/nothing",
    "/assets/plotly-0.0.0.min.js",
)  # fmt: skip


def answers(http: httpx2.Client) -> Iterator[str]:
    """The address of every route that answers, in each of its formats."""
    trial = collapsed_trial(http)
    other = result_items(http, status="completed", fields="trial_id", limit=1)[0]["trial_id"]
    named = {"trial": trial, "other": other, "sweep": "demo"}
    names = {
        "trial_id": trial, "name": "demo", "number": "7", "table": "spectra", "iteration": "0",
    }  # fmt: skip
    needed = {"t": f"t={trial}&t={other}", "setting": "setting=C_32-32", "by": "by=method",
              "q": "q=from+trials+limit+2"}  # fmt: skip
    for path, operations in http.get("/openapi.json").json()["paths"].items():
        if "get" not in operations or path.endswith("events"):
            continue
        taken = [parameter["name"] for parameter in operations["get"].get("parameters", ())]
        query = [needed[name] for name in taken if name in needed]
        formats = ["json", "csv", "parquet", "latex", "markdown"] if "format" in taken else [None]
        for form in formats:
            parts = [*query, *([f"format={form}"] if form else [])]
            yield re.sub(r"{(\w+)}", lambda m: names[m[1]], path) + ("?" + "&".join(parts))
    yield from (page.format(**named) for page in PAGES)
    yield from sorted(set(re.findall(r'"(/(?:static|assets)/[^"]+)"', http.get("/").text)))


def test_no_request_loads_a_module(filled: Path, http: httpx2.Client) -> None:
    """In a new process, request by request. The first of a kind is what would load something."""
    requests = [("GET", address) for address in answers(http)]
    requests += [("OPTIONS", "/results"), ("POST", "/results"), ("POST", "/login")]
    command = [sys.executable, "-m", "tests.api.loaded_modules", str(filled)]
    run = subprocess.run(
        command, input=json.dumps(requests), capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert {"pandas", "plotly"} & set(found.pop("at the start")[1]) == set()
    assert len(found) > 100
    assert {request: status for request, (status, _) in found.items() if status >= 500} == {}
    assert {request: modules for request, (_, modules) in found.items() if modules} == {}


@contextmanager
def new_service(root: Path, cache: Path) -> Iterator[httpx2.Client]:
    """A service in a process of its own, ready and not asked anything yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "api", "--port", str(port), "--cache", str(cache)]
    process = subprocess.Popen(
        [*command, "--results", str(root)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    limits = httpx2.Limits(max_connections=None)

    def is_ready() -> bool:
        assert process.poll() is None, "it has ended"
        try:
            return client.get("/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    try:
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits
        ) as client:
            wait_for(is_ready, 60)
            yield client
    finally:
        process.terminate()
        process.wait(20)


def test_the_first_figures_and_files_at_once(
    filled: Path, http: httpx2.Client, tmp_path: Path
) -> None:
    """Threads that load a library see each other's half loaded modules."""
    ids = [item["trial_id"] for item in result_items(http, status="completed", fields="trial_id")]
    figures = [f"/figures/trials/{trial_id}/strip" for trial_id in ids]
    figures += [f"/figures/trials/{trial_id}/spectra" for trial_id in ids]
    files = [
        f"/trials/{trial_id}/evaluations?format={form}"
        for trial_id in ids
        for form in ("csv", "parquet")
    ]
    pairs = zip(itertools.cycle(figures), itertools.cycle(files), strict=False)
    addresses = [address for pair in itertools.islice(pairs, 50) for address in pair]
    with new_service(filled, tmp_path) as client, ThreadPoolExecutor(len(addresses)) as threads:
        statuses = list(threads.map(lambda a: client.get(a).status_code, addresses))
    assert statuses == [200] * 100


def test_a_process_that_is_there_for_the_service_bounds_its_memory() -> None:
    program = (
        "import gc, sys, pyarrow as pa\n"
        "from api import preload\n"
        "preload.keep_memory_small()\n"
        "preload.settle()\n"
        "preload.give_back()\n"
        "preload.share_interpreter()\n"
        "print(pa.default_memory_pool().backend_name, gc.get_freeze_count() > 1000, "
        "gc.get_threshold() == preload.COLLECTIONS, "
        "sys.getswitchinterval() < 0.001)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["system", "True", "True", "True"], done.stderr
