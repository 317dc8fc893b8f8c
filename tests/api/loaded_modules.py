"""Asks a service in this process, and prints what is loaded at the start and by each request.

    echo '["/", "/results"]' | python tests/api/loaded_modules.py RESULTS

Over plain sockets, because a client would load modules too.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import tempfile
import threading
import time

from api.__main__ import main


def wait_for_start(port: int) -> None:
    """Until the service listens, and has read in advance what it reads in advance."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            break
        time.sleep(0.05)
    while any(thread.name == "warming" for thread in threading.enumerate()):
        time.sleep(0.05)


def status_of(port: int, method: str, address: str) -> int:
    lines = [
        f"{method} {address} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Accept: {'text/html' if address.startswith(('/view', '/paper')) else '*/*'}",
        "Accept-Encoding: gzip",
        "Connection: close",
        "Content-Length: 0",
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return int(answer.split(b" ", 2)[1])


def serve_and_ask(root: str, requests: list[tuple[str, str]]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cache = tempfile.mkdtemp()
    arguments = ["--results", root, "--port", str(port), "--cache", cache]
    threading.Thread(target=main, args=(arguments,), daemon=True).start()
    wait_for_start(port)
    loaded, found = set(sys.modules), {"at the start": (0, sorted(sys.modules))}
    for method, address in requests:
        status = status_of(port, method, address)
        found[f"{method} {address}"] = status, sorted(set(sys.modules) - loaded)
        loaded |= set(sys.modules)
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    serve_and_ask(sys.argv[1], json.load(sys.stdin))
