"""Downloads that can be read in parts: whole files on disk, kept for the requests that follow.

Who reads Parquet by address asks for its length, its end and then for columns, all of which have
to be of the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import weakref
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.exceptions import HTTPException

from api.reading.memo import Results
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


class Downloads:
    """The latest downloads, of at most MOST_BYTES together. One at a time is made for a key."""

    def __init__(self) -> None:
        self._results: Results[Download] = Results(MOST_BYTES, lambda download: download.size)

    @property
    def size(self) -> int:
        return self._results.total

    def get(self, key: Hashable, write: Write) -> Download:
        """The download of that key, or a new one of what `write` writes. Raises OSError."""
        return self._results.get(key, lambda: _written(write))


class PartResponse(StreamingResponse):
    """Sends the bytes of a download from `start` to before `end`."""

    def __init__(self, download: Download, start: int, end: int, status: int) -> None:
        super().__init__(download.part(start, end), status)
        self.download, self.start, self.end = download, start, end

    def again(self) -> PartResponse:
        """The same for another client: a stream is sent once."""
        response = PartResponse(self.download, self.start, self.end, self.status_code)
        response.raw_headers = list(self.raw_headers)
        return response


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
    response = PartResponse(download, start, end, 200 if part is None else 206)
    response.init_headers(headers | {"Content-Type": media})
    return response


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
