"""Objects of a bucket that are replaced in order: only the version that the writer knows.

A put that was given up may be applied half a minute later, on top of what was written since: only
the store can refuse it. `If-None-Match: *` creates an object where there is none, and `If-Match`
(on GCS a generation) replaces one version. Arrow has no such put; obstore has.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import obstore
from obstore import exceptions

# A request that takes longer is given up; Arrow does after 9 s. A big body gets more, in steps.
REQUEST_SECONDS = 10
LEAST_BYTES_PER_SECOND = 1_000_000
REFUSED = (
    exceptions.AlreadyExistsError,
    exceptions.PreconditionError,
    exceptions.NotModifiedError,
)
# Failures that pass, in the words of obstore 0.12.
_PASSING = re.compile(r"HTTP error|status code: (429|5(?!01)\d\d)|Server returned error response")

# The ETag and the generation of an object, as its store tells them.
Version = dict[str, Any]


class Changed(Exception):
    """The object is not of the version that was to be replaced."""


class Objects:
    """The objects below a prefix; paths are relative, and what fails is an OSError.

    `open_client` opens the bucket with requests that may take a number of seconds.
    """

    def __init__(self, open_client: Callable[[int], Any], prefix: str) -> None:
        self._client = lru_cache(open_client)
        self._prefix = prefix

    def get(self, path: str) -> tuple[bytes | None, Version | None]:
        """Reads an object and its version by one request; None twice if there is none."""
        with _explained():
            try:
                answer = obstore.get(self._client(REQUEST_SECONDS), self._prefix + path)
                return bytes(answer.bytes()), _version(answer.meta)
            except FileNotFoundError:
                return None, None

    def version(self, path: str) -> Version | None:
        """Asks for the version of an object; None if there is none."""
        with _explained():
            try:
                return _version(obstore.head(self._client(REQUEST_SECONDS), self._prefix + path))
            except FileNotFoundError:
                return None

    def put(self, path: str, content: bytes, version: Version | None) -> Version:
        """Replaces an object of that version, with None creates it; returns the new version.

        Raises Changed if the object is another: this request, or an earlier try of the same put
        whose answer was lost, may have made it so.
        """
        mode: Any = "create" if version is None else version
        with _explained():
            client = self._client(_seconds_for(len(content)))
            try:
                return _version(obstore.put(client, self._prefix + path, content, mode=mode))
            except REFUSED:
                raise Changed(path) from None


def _version(answer: Any) -> Version:
    return {name: answer[name] for name in ("e_tag", "version") if answer[name] is not None}


def _seconds_for(size: int) -> int:
    """Seconds that a request of `size` bytes may take, doubled in steps: each is a client."""
    return REQUEST_SECONDS << (size // (REQUEST_SECONDS * LEAST_BYTES_PER_SECOND)).bit_length()


@contextmanager
def _explained() -> Iterator[None]:
    """Turns the errors of obstore into OSError, with an errno if they pass by themselves."""
    try:
        yield
    except exceptions.BaseError as error:
        text = " ".join(str(error).split("\n\nDebug source:")[0].split())
        failed = OSError(text)
        if _PASSING.search(text):
            failed.errno = errno.ETIMEDOUT
        raise failed from None
