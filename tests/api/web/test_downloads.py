"""Parquet by address: whole, in parts, and as programs read it."""

from __future__ import annotations

import gc
import io
import os
import re
import threading
from pathlib import Path
from typing import BinaryIO

import fsspec
import httpx2
import pandas
import polars
import pyarrow.parquet as pq
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.web import downloads
from api.web.downloads import Download, Downloads, requested_part
from tests.api.servers import serving

ADDRESS = "/results?format=parquet&fields=*"


@pytest.fixture(scope="module")
def body(http: httpx2.Client) -> bytes:
    return http.get(ADDRESS).content


def part(http: httpx2.Client, text: str, **headers: str) -> httpx2.Response:
    return http.get(ADDRESS, headers={"Range": text, **headers})


def test_the_length_is_known_before(http: httpx2.Client, body: bytes) -> None:
    head = http.head(ADDRESS, headers={"Accept-Encoding": "gzip"})
    assert head.headers["content-length"] == str(len(body))
    assert head.headers["accept-ranges"] == "bytes"
    assert re.fullmatch(r'"[0-9a-f]+-[0-9a-f]+"', head.headers["etag"]), "strong"
    assert "content-encoding" not in head.headers


@pytest.mark.parametrize("text", ["bytes=0-3", "bytes=-8", "bytes=100-2099", "bytes=4000-"])
def test_a_part(http: httpx2.Client, body: bytes, text: str) -> None:
    whole = http.head(ADDRESS)
    answer = part(http, text, **{"Accept-Encoding": "gzip"})
    assert answer.status_code == 206
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers["content-range"])
    assert found is not None
    first, last, size = map(int, found.groups())
    assert size == len(body)
    assert answer.content == body[first : last + 1]
    assert answer.headers["content-length"] == str(last + 1 - first)
    for name in ("etag", "cache-control", "vary", "content-type", "content-disposition"):
        assert answer.headers[name] == whole.headers[name]


def test_what_is_no_part_of_it(http: httpx2.Client, body: bytes) -> None:
    beyond = part(http, f"bytes={len(body)}-")
    assert beyond.status_code == 416
    assert beyond.headers["content-type"] == "application/problem+json"
    assert beyond.headers["content-range"] == f"bytes */{len(body)}"
    for ignored in ("bytes=0-1,5-6", "bytes=5-1", "rows=0-1"):
        assert part(http, ignored).content == body
    assert http.head(ADDRESS, headers={"Range": "bytes=0-3"}).status_code == 200
    csv = http.get("/results?format=csv", headers={"Range": "bytes=0-3"})
    assert csv.status_code == 200


def test_a_part_goes_with_its_version(http: httpx2.Client, body: bytes) -> None:
    etag = http.head(ADDRESS).headers["etag"]
    assert part(http, "bytes=0-3", **{"If-Range": etag}).status_code == 206
    for other in ('"other"', f"W/{etag}", etag.replace("-", "-0")):
        whole = part(http, "bytes=0-3", **{"If-Range": other})
        assert (whole.status_code, whole.content) == (200, body)
    again = part(http, "bytes=0-3", **{"If-None-Match": etag})
    assert (again.status_code, again.headers["etag"]) == (304, etag)


def test_one_etag_is_one_body(
    filled: Path, http: httpx2.Client, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by another service over the same store, and when nothing is kept."""
    monkeypatch.setattr(downloads, "MOST_BYTES", 0)
    etag = http.head(ADDRESS).headers["etag"]
    with serving(filled) as other:
        for _ in range(2):
            answer = other.get(ADDRESS)
            assert answer.headers["etag"] == etag
            assert answer.content == body


def test_it_is_made_once(http: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    original = downloads._written
    monkeypatch.setattr(downloads, "_written", lambda w: made.append(1) or original(w))
    path = "/results?format=parquet&fields=setting"
    threads = [threading.Thread(target=http.get, args=[path]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_one_answer_serves_all_who_wait_for_it(http: httpx2.Client) -> None:
    """Of a heavy route: each has a stream of its own, and the part that it asked for."""
    path = "/claims?format=parquet"
    ranges = [None, "bytes=0-3", None, "bytes=-4", None, "bytes=0-3"]
    answers: dict[int, httpx2.Response] = {}

    def ask(k: int, text: str | None) -> None:
        answers[k] = http.get(path, headers={"Range": text} if text else {})

    threads = [threading.Thread(target=ask, args=item) for item in enumerate(ranges)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = answers[0].content
    assert (whole[:4], whole[-4:]) == (b"PAR1", b"PAR1")
    expected = [whole, b"PAR1", whole, b"PAR1", whole, b"PAR1"]
    assert [answers[k].content for k in range(len(ranges))] == expected
    assert [answers[k].status_code for k in range(4)] == [200, 206, 200, 206]


def written(content: bytes) -> downloads.Write:
    def write(file: BinaryIO) -> None:
        file.write(content)

    return write


def open_files() -> int:
    """Open files that have no name."""
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return sum(os.path.islink(link) and "(deleted)" in os.readlink(link) for link in links)


def test_what_is_kept_is_bounded_and_what_is_read_stays() -> None:
    gc.collect()
    before, kept = open_files(), Downloads()
    size = downloads.MOST_BYTES // 4
    first = kept.get("0", written(b"a" * 1000))
    for k in range(1, 7):
        kept.get(f"{k}", written(bytes(size)))
    assert kept.size <= downloads.MOST_BYTES
    assert b"".join(first.part(990, 1000)) == b"a" * 10
    assert kept.get("6", written(b"")).size == size
    assert kept.get("0", written(b"b")).size == 1
    del kept, first
    gc.collect()
    assert open_files() == before


def test_a_download_that_cannot_be_made_is_made_by_the_next() -> None:
    kept = Downloads()

    def fail(file: BinaryIO) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        kept.get("a", fail)
    assert b"".join(kept.get("a", written(b"abc")).part(0, 3)) == b"abc"


def test_a_full_disk_is_told(http: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(write: downloads.Write) -> Download:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "_written", fail)
    answer = http.get("/results?format=parquet&seed=1")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the download cannot be written: No space left on device"


def test_programs_read_it_by_address(http: httpx2.Client, body: bytes) -> None:
    expected = pq.read_table(io.BytesIO(body)).to_pydict()
    address = f"{str(http.base_url).rstrip('/')}{ADDRESS}".replace("*", "%2A")
    scanned = polars.scan_parquet(address, glob=False)
    failed = scanned.filter(polars.col("status") == "failed").select("trial_id").collect()
    assert failed["trial_id"].to_list() == [
        name for name, status in zip(expected["trial_id"], expected["status"], strict=True)
        if status == "failed"
    ]  # fmt: skip
    assert pandas.read_parquet(address)["trial_id"].tolist() == expected["trial_id"]
    with fsspec.open(address, block_size=4096) as file:
        assert pq.read_table(file, columns=["seed"])["seed"].to_pylist() == expected["seed"]


SIZE, ETAG = 1000, '"version-content"'


def request(**headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return Request({"type": "http", "headers": pairs})


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=0-99", (0, 100)),
        ("bytes=999-999", (999, 1000)),
        ("bytes=990-", (990, 1000)),
        ("bytes=990-5000", (990, 1000)),
        ("bytes=-8", (992, 1000)),
        ("bytes=-5000", (0, 1000)),
        (" bytes = 0 - 0 ", (0, 1)),
        ("bytes=0-99,200-299", None),
        ("bytes=9-8", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=٣-٤", None),
        ("bytes=0-" + "9" * 30, None),
        ("rows=0-99", None),
        ("", None),
    ],
)
def test_a_single_range_of_bytes(text: str, part: tuple[int, int] | None) -> None:
    assert requested_part(request(range=text), SIZE, ETAG) == part


@pytest.mark.parametrize("text", ["bytes=1000-", "bytes=1000-2000", "bytes=-0"])
def test_a_part_behind_the_end(text: str) -> None:
    with pytest.raises(HTTPException) as refused:
        requested_part(request(range=text), SIZE, ETAG)
    assert refused.value.status_code == 416
    assert refused.value.headers == {"Content-Range": "bytes */1000"}


@pytest.mark.parametrize(
    ("condition", "counts"),
    [
        (ETAG, True),
        (f"W/{ETAG}", False),
        ('"version-other"', False),
        ("Sat, 28 Nov 2026 22:00:00 GMT", False),
    ],
)
def test_a_part_of_another_version_is_the_whole(condition: str, counts: bool) -> None:
    part = requested_part(request(range="bytes=0-9", if_range=condition), SIZE, ETAG)
    assert part == ((0, 10) if counts else None)
