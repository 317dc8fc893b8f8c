"""Downloads that can be read in parts: whole files on disk, kept for the requests that follow.

Who reads Parquet by address asks for its length, its end and then for columns, all of which have
to be of the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.exceptions import HTTPException

from api.web.etags import set_strong_etag

# In the folder of temporary files, which a container may keep in memory.
MOST_BYTES = 128 * 2**20
SENT_BYTES = 256 * 2**10
SINGLE_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII)

Write = Callable[[BinaryIO], None]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Download:
    """A file without a name, gone with the last that reads it; `digest` is of its content."""

    descriptor: int
    size: int
    digest: str

    def part(self, start: int, end: int) -> Iterator[bytes]:
        """Yields the bytes from `start` to before `end`. Raises OSError if they are not there."""
        while start < end:
            content = os.pread(self.descriptor, min(SENT_BYTES, end - start), start)
            if not content:
                raise OSError(f"a download of {self.size} bytes ends at {start}")
            yield content
            start += len(content)


@dataclass(slots=True)
class Downloads:
    """The latest downloads, of at most MOST_BYTES together. One at a time is made for a key."""

    size: int = 0
    _downloads: OrderedDict[Hashable, Download] = field(default_factory=OrderedDict)
    _makings: dict[Hashable, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, write: Write) -> Download:
        """The download of that key, or a new one of what `write` writes. Raises OSError."""
        with self._lock:
            making = self._makings.setdefault(key, threading.Lock())
        with making:
            try:
                return self._kept(key) or self._put(key, _written(write))
            finally:
                with self._lock:
                    self._makings.pop(key, None)

    def _kept(self, key: Hashable) -> Download | None:
        with self._lock:
            if key in self._downloads:
                self._downloads.move_to_end(key)
            return self._downloads.get(key)

    def _put(self, key: Hashable, download: Download) -> Download:
        with self._lock:
            self._downloads[key] = download
            self.size += download.size
            while self.size > MOST_BYTES:
                self.size -= self._downloads.popitem(last=False)[1].size
        return download


def _written(write: Write) -> Download:
    with tempfile.TemporaryFile() as file:
        write(file)
        file.flush()
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        download = Download(os.dup(file.fileno()), file.tell(), digest)
    weakref.finalize(download, os.close, download.descriptor)
    return download


def download_response(
    request: Request, media: str, headers: dict[str, str], write: Write
) -> Response:
    """What `write` writes, or the part of it that the request asks for; never compressed.

    Gives the response an ETag of its own bytes, in the place of the one that it has.
    """
    downloads: Downloads = request.app.state.downloads
    key = (request.state.headers["ETag"], request.scope.get("root_path", ""))
    try:
        download = downloads.get(key, write)
    except OSError as error:
        reason = f"the download cannot be written: {error.strerror or error}"
        raise HTTPException(503, reason, headers={"Retry-After": "10"}) from error
    etag = set_strong_etag(request, download.digest)
    part = requested_part(request, download.size, etag)
    start, end = part or (0, download.size)
    headers |= {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    if part is not None:
        headers |= request.state.headers
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{download.size}"
    return StreamingResponse(
        download.part(start, end), 200 if part is None else 206, headers, media
    )


def requested_part(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The first byte of the part and the one behind its last; None for the whole of `size` bytes.

    Several ranges, other units and what is malformed count as no range, and so does any of another
    version of the body than `etag`, by If-Range (RFC 9110, 13.1.5 and 14.2). Raises a 416 for a
    part behind the end.
    """
    match = SINGLE_RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not (first or last) or (first and last and int(first) > int(last)):
        return None
    start = int(first) if first else max(0, size - int(last))
    if start >= size:
        detail = f"the body has {size} bytes, none of them in {match.string.strip()}"
        raise HTTPException(416, detail, headers={"Content-Range": f"bytes */{size}"})
    return start, min(int(last) + 1, size) if first and last else size
