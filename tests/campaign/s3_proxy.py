"""An S3 endpoint on loopback that passes requests on to another one, each with its fault.

    with faulty_s3(("127.0.0.1", port_of_moto), Faults(seed=0, of_writes=0.1)) as proxy:
        Store(f"s3://bucket/results?endpoint_override=127.0.0.1:{proxy.port}&scheme=http&...")
        proxy.drain()  # until what is to be applied late has been applied

It serves in a thread of its own. Writes of one key are applied one at a time, so that a
conditional put is atomic also where the server behind is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.campaign import s3_faults
from tests.campaign.s3_faults import Fault, Faults

WRITES = ("PUT", "POST", "DELETE")
# Headers of one connection, which the next one does not share.
HOP_BY_HOP = (b"connection:", b"expect:", b"keep-alive:")
LONGEST_HEAD = 2**20
PARTS_OF_A_SLOW_ANSWER = 10
# Headers of a request without a client: the server asks whose it is, and checks no signature.
CREDENTIAL = "Credential=test/20260101/us-east-1/s3/aws4_request"
SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=host, Signature=0"}
# What changes while nothing goes forward: a heartbeat is no progress.
HEARTBEATS = ("/claims/", ".json", "/.writable")


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer: its head with the empty line that ends it, and its body."""

    head: bytes
    body: bytes

    @property
    def first_line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def method(self) -> str:
        return self.first_line.split(" ")[0]

    @property
    def key(self) -> str:
        """The path without bucket and query."""
        path = self.first_line.split(" ")[1].partition("?")[0]
        return "/" + path.lstrip("/").partition("/")[2]


class Proxy:
    """Serves on `port` of this machine; `counts` of requests and of each kind of fault."""

    def __init__(self, target: tuple[str, int], faults: Faults) -> None:
        self.target = target
        self.faults = faults
        self.port = 0
        self.counts: Counter[str] = Counter()
        # Writes that were applied to anything but heartbeats.
        self.progress = 0
        self._asked: Counter[tuple[str, str]] = Counter()
        self._outage_until = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._loop = asyncio.new_event_loop()

    async def listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LONGEST_HEAD)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def run(self, coroutine: Coroutine[Any, Any, Any], seconds: float | None = None) -> Any:
        """Runs a coroutine in the proxy's thread and returns its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds)

    def drain(self, seconds: float = 60.0) -> None:
        """Waits until every request that was taken has been applied, also those to come late."""
        self.run(self._drain(), seconds)

    async def _drain(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader, writer)) is not None:
                # Goes on also if the client does not wait for it.
                if not await self._spawn(self._answer(request, writer)):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # cancelled when the proxy ends; streams would print it
        finally:
            with contextlib.suppress(ConnectionError):
                writer.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return asyncio.shield(task)

    async def _answer(self, request: Message, writer: asyncio.StreamWriter) -> bool:
        """Applies and answers with the request's fault; False if the connection is to close."""
        fault = self._fault_of(request)
        kind = None if fault is None else fault.kind
        if fault is None:
            return await _send(writer, await self._apply(request))
        if kind in (s3_faults.DELAY, s3_faults.LATE):
            await asyncio.sleep(fault.seconds)
        elif kind == s3_faults.REFUSE:
            return await _send(writer, _error(fault, request))
        elif kind == s3_faults.DROP:
            return _reset(writer)
        answer = await self._apply(request)
        if kind == s3_faults.DROP_AFTER:
            return _reset(writer)
        if kind == s3_faults.REFUSE_AFTER:
            return await _send(writer, _error(fault, request))
        if kind == s3_faults.CUT and len(answer.body) > 1:
            await _send(writer, Message(answer.head, answer.body[: len(answer.body) // 2]))
            return False
        if kind == s3_faults.SLOW:
            return await _drip(writer, answer, fault.seconds)
        if kind == s3_faults.DOUBLE:
            self._spawn(self._apply_again(request, fault.seconds))
        return await _send(writer, answer)

    def _fault_of(self, request: Message) -> Fault | None:
        counted = (request.method, request.key)
        number, self._asked[counted] = self._asked[counted], self._asked[counted] + 1
        for begin, seconds in self.faults.outages:
            if self.counts["requests"] == begin:
                self._outage_until = time.monotonic() + seconds
        self.counts["requests"] += 1
        fault = self.faults.draw(*counted, number)
        if time.monotonic() < self._outage_until:
            fault = Fault(kind=s3_faults.REFUSE, error=s3_faults.ERRORS[1])
        if fault is not None:
            self.counts[fault.kind] += 1
        return fault

    async def _apply_again(self, request: Message, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._apply(request)

    async def _apply(self, request: Message) -> Message:
        if request.method not in WRITES:
            return await self._forward(request)
        async with self._locks[request.key]:
            answer = await self._forward(request)
        if not any(part in request.key for part in HEARTBEATS):
            self.progress += 1
        return answer

    async def _forward(self, request: Message) -> Message:
        reader, writer = await asyncio.open_connection(*self.target, limit=LONGEST_HEAD)
        try:
            lines = [
                line
                for line in request.head.rstrip(b"\r\n").split(b"\r\n")
                if not line.lower().startswith(HOP_BY_HOP)
            ]
            head = b"\r\n".join([*lines, b"Connection: close", b"", b""])
            writer.write(head + request.body)
            await writer.drain()
            answer = await _read_answer(reader, request.method)
        finally:
            writer.close()
        kept = [
            line
            for line in answer.head.rstrip(b"\r\n").split(b"\r\n")
            if not line.lower().startswith(HOP_BY_HOP)
        ]
        return Message(b"\r\n".join([*kept, b"", b""]), answer.body)


@contextmanager
def faulty_s3(target: tuple[str, int], faults: Faults) -> Iterator[Proxy]:
    """Serves in front of the S3 endpoint `target` until the block ends."""
    proxy = Proxy(target, faults)
    thread = threading.Thread(target=proxy._loop.run_forever, daemon=True)
    thread.start()
    server = proxy.run(proxy.listen())
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(server.close)
        proxy.run(_cancel_others())
        proxy._loop.call_soon_threadsafe(proxy._loop.stop)
        thread.join()
        proxy._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Message | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = _headers(head)
    if headers.get(b"expect", b"").lower() == b"100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    return Message(head, await _read_body(reader, headers))


async def _read_answer(reader: asyncio.StreamReader, method: str) -> Message:
    while (head := await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100"):
        pass
    status = head.split(b" ")[1]
    if method == "HEAD" or status in (b"204", b"304"):
        return Message(head, b"")
    return Message(head, await _read_body(reader, _headers(head)))


async def _read_body(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> bytes:
    if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
        return await reader.readexactly(int(headers.get(b"content-length", b"0")))
    body = b""
    while True:  # kept as it is: the head that goes with it says that it is chunked
        line = await reader.readline()
        size = int(line.split(b";")[0], 16)
        body += line + await reader.readexactly(size + 2)
        if size == 0:
            return body


def _headers(head: bytes) -> dict[bytes, bytes]:
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _error(fault: Fault, request: Message) -> Message:
    status, code, text = fault.error
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
        f"<Message>{text}</Message><RequestId>0</RequestId></Error>"
    ).encode()
    head = (
        f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    return Message(head, b"" if request.method == "HEAD" else body)


async def _send(writer: asyncio.StreamWriter, answer: Message) -> bool:
    try:
        writer.write(answer.head + answer.body)
        await writer.drain()
    except ConnectionError:
        return False  # the client has given up
    return True


async def _drip(writer: asyncio.StreamWriter, answer: Message, seconds: float) -> bool:
    size = max(1, len(answer.body) // PARTS_OF_A_SLOW_ANSWER)
    parts = [answer.body[at : at + size] for at in range(0, len(answer.body), size)]
    for part in [answer.head, *parts]:
        await asyncio.sleep(seconds / PARTS_OF_A_SLOW_ANSWER)
        if not await _send(writer, Message(part, b"")):
            return False
    return True


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Ends the connection as a crashed server does, by RST."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
