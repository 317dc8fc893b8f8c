"""One open page of a service: it follows the store's events and loads itself again after each.

Lines of JSON on stdout say every ten seconds how many answers there were and how long they took,
as those of clients.py do; soak.py starts it.

    python tests/benchmarks/page.py --port 8000 --path /view/sweeps/everything --seconds 60
"""

from __future__ import annotations

import argparse
import http.client
import json
import time

# A stream is never silent for so long.
PATIENCE_SECONDS = 60.0
TICK_SECONDS = 10.0


def follow(port: int, path: str, seconds: float) -> None:
    """Reads events and loads the page after each, for so long."""
    stream = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    stream.request("GET", "/events")
    events = stream.getresponse()
    began = ticked = time.monotonic()
    tally = {"answers": 0, "not_modified": 0, "events": 0}
    times: list[float] = []
    while time.monotonic() - began < seconds:
        line = events.readline()
        if not line:
            _say({"wrong": "/events", "reason": "the stream ended"})
            return
        if line.startswith(b"data:"):
            tally["events"] += 1
            times.append(_load(port, path))
            tally["answers"] += 1
        if time.monotonic() - ticked > TICK_SECONDS:
            ticked = time.monotonic()
            _say(tally | {"times": times})
            times = []
    _say(tally | {"times": times})


def _load(port: int, path: str) -> float:
    """Loads the page; returns the time that it took, in ms.

    On a connection of its own: one that has been quiet for 5 s is closed.
    """
    sent = time.monotonic()
    page = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    page.request("GET", path, headers={"Accept-Encoding": "gzip"})
    answer = page.getresponse()
    answer.read()
    page.close()
    if answer.status != 200:
        _say({"wrong": path, "reason": f"status {answer.status}"})
    return round(1000 * (time.monotonic() - sent), 1)


def _say(line: object) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/view/sweeps/everything")
    parser.add_argument("--seconds", type=float, required=True)
    args = parser.parse_args()
    follow(args.port, args.path, args.seconds)


if __name__ == "__main__":
    main()
