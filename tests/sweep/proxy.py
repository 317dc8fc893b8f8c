"""An HTTP port in front of an S3 server that holds back, loses and counts chosen requests."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONDITIONS = ("if-match", "if-none-match")


class Request:
    """A request as it came."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        self.method, self.path, self.headers, self.body = method, path, headers, body

    def sent_to(self, target: tuple[str, int]) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(*target, timeout=60)
        try:
            connection.request(self.method, self.path, self.body, self.headers)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read()
        finally:
            connection.close()


class Proxy:
    """Forwards requests to `target`. Whoever is told that a request failed tries it again."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.requests: list[str] = []
        self.held: list[Request] = []
        self.ignores_conditions = self.refuses_conditions = self.is_closed = False
        self._to_hold: list[tuple[str, str]] = []
        self._to_lose: list[tuple[str, str]] = []
        self._server = Server(self)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def hold(self, method: str, text: str) -> None:
        """The next such request is kept back, and its connection is reset."""
        self._to_hold.append((method, text))

    def lose_answer(self, method: str, text: str) -> None:
        """The next such request is applied, and its connection is reset."""
        self._to_lose.append((method, text))

    def let_go(self) -> list[int]:
        """Applies what was held back, late; returns the statuses of the answers."""
        held, self.held = self.held, []
        assert held, "nothing was held back"
        return [request.sent_to(self.target)[0] for request in held]

    def close(self) -> None:
        """Refuses new connections, and resets those that are open at their next request."""
        self.is_closed = True
        self._server.shutdown()
        self._server.server_close()

    def count(self, act: Callable[[], Any]) -> list[str]:
        """The requests that an act makes, as method and the last part of the path."""
        before = len(self.requests)
        act()
        return self.requests[before:]

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes] | None:
        """The answer to a request; None if the connection is to be reset."""
        path = request.path.partition("?")[0]
        self.requests.append(f"{request.method} {path.rpartition('/')[2]}")
        if self.is_closed:
            return None
        if takes(self._to_hold, request):
            self.held.append(request)
            return None
        conditions = [name for name in request.headers if name.lower() in CONDITIONS]
        if conditions and self.refuses_conditions and request.method == "PUT":
            return 501, {"content-type": "application/xml"}, b"<Error><Code>No</Code></Error>"
        if self.ignores_conditions:
            for name in conditions:
                del request.headers[name]
        answer = request.sent_to(self.target)
        return None if takes(self._to_lose, request) else answer


def takes(rules: list[tuple[str, str]], request: Request) -> bool:
    """Whether a rule matches the request; it is then used up."""
    for rule in rules:
        if rule[0] == request.method and rule[1] in request.path:
            rules.remove(rule)
            return True
    return False


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.proxy = proxy


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride] - the only one
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        skipped = ("connection", "expect", "transfer-encoding", "content-length")
        headers = {k: v for k, v in self.headers.items() if k.lower() not in skipped}
        answer = self.server.proxy.answer(Request(self.command, self.path, headers, self.body()))
        if answer is None:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
            return
        self.reply(*answer)

    def reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
        length, is_head = headers.get("content-length", "0"), self.command == "HEAD"
        self.send_response_only(status)
        for name, value in headers.items():
            if name not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("content-length", length if is_head else str(len(content)))
        self.end_headers()
        if not is_head:
            self.wfile.write(content)

    def body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        content = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = forward

    def log_message(self, format: str, *args: Any) -> None:
        pass
