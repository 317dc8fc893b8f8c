"""Root of a store; atomic replacement of a local file, consistent reading of an object."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pyarrow.fs as pafs

from sweep.store.processes import is_gone_by_name
from sweep.store.tables import first_line

# Times a folder may be removed before a file in it is created.
CREATIONS = 10
# Times an object may be replaced while it is read: a store that tells wrong sizes never ends.
READS = 5
PARQUET_END = b"PAR1"
# Kinds of URI, each tried; Arrow knows others, with errors of kinds of their own.
SCHEMES = ("s3", "gs", "gcs", "file")
PLACES = "a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
# Time for which Arrow itself repeats a request; retry.py repeats them, too, and says so.
GCS_RETRY = timedelta(seconds=2)
# No writer takes as long for one file, also where its disk was full for a night.
ABANDONED_SECONDS = 2 * 24 * 3600.0


def open_root(text: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a folder or a URI, and the path in it.

    Raises ValueError for a URI that names no place where results can be, OSError as Arrow does.
    """
    if "://" not in text:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text):  # else a folder `s3:` would be made
            raise ValueError(f"a URI has two slashes: {text.replace(':/', '://', 1)}")
        return pafs.LocalFileSystem(), os.path.abspath(os.path.expanduser(text))
    scheme = text.partition("://")[0]
    if scheme not in SCHEMES:
        raise ValueError(f"results cannot be in {scheme}://, but in {PLACES}")
    fs, base = pafs.FileSystem.from_uri(_single_put_uri(text))
    if not base.strip("/"):
        raise ValueError(f"it names no place: results can be in {PLACES}")
    if isinstance(fs, pafs.S3FileSystem):
        # A URI cannot name a strategy, and the one that it gets tries every 0.2 s, 31 times: up
        # to five minutes for an endpoint that does not answer, and no one is told.
        fs = _changed(fs, retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=3))
    elif isinstance(fs, pafs.GcsFileSystem) and "retry_limit_seconds" not in text:
        fs = _changed(fs, retry_time_limit=GCS_RETRY)  # else a quarter of an hour
    return fs, base


def _changed(fs: pafs.FileSystem, **changes: object) -> pafs.FileSystem:
    rebuild, (options,) = fs.__reduce__()
    return rebuild(options | changes)


def without_secrets(text: str) -> str:
    """Drops the user part of any URI in the text: it may hold an access key."""
    return re.sub(r"://[^/@\s]+@", "://", text)


def without_details(error: BaseException) -> str:
    """First line of the error, without the record that Google's library puts at its end."""
    return first_line(error).partition(" error_info={")[0]


def _single_put_uri(uri: str) -> str:
    """Adds the option with which S3 takes a small file by one put, not a multipart upload."""
    if not uri.startswith("s3://") or "allow_delayed_open" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}allow_delayed_open=true"


def replace(path: str, content: bytes, temporary: str) -> None:
    """Replaces a local file whole: temporary file, fsync, rename, fsync of the folder.

    The temporary file stands in another folder, lest a reader of all files of a folder meet what
    a killed writer left; only where that is another file system, it stands beside the file.
    """
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    try:
        with _created(temporary) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        beside = f"{folder}/.{name}.{os.getpid()}.tmp"
        if isinstance(error, OSError) and error.errno == errno.EXDEV and temporary != beside:
            return replace(path, content, beside)
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _created(path: str) -> BinaryIO:
    """Creates a file and its folder, which another process may remove while it is empty."""
    for _ in range(CREATIONS):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            return open(path, "wb")
    raise FileNotFoundError(errno.ENOENT, "its folder is removed again and again", path)


def room_left(folder: str) -> str:
    """The room that a disk has left for others than root, in words."""
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        return f"how much is free cannot be said: {error}"
    if disk.f_files and not disk.f_favail:
        return "no more files fit"
    return f"{disk.f_bavail * disk.f_frsize} bytes are free"


def shortage(folder: str, enough_bytes: int = 1) -> str | None:
    """Returns in words how much room there is if that is less than `enough_bytes` or no file more
    fits; None if there is enough, or the file system does not tell."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    # Some file systems do not count.
    is_short = disk.f_blocks and disk.f_bavail * disk.f_frsize < enough_bytes
    return room_left(folder) if is_short or (disk.f_files and not disk.f_favail) else None


def obstacle(folder: str) -> str | None:
    """Returns why nobody can write to a folder, as far as can be seen without writing."""
    with contextlib.suppress(OSError):
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return "is read-only"
    words = shortage(folder)
    return None if words is None else f"has no room ({words})"


def check_permissions(folders: Iterable[str]) -> None:
    """Raises PermissionError if one of the folders is there and this process may not write to
    it."""
    by_effective_ids = os.access in os.supports_effective_ids
    for folder in filter(os.path.isdir, folders):
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=by_effective_ids):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)


def remove_abandoned(folder: str, now: float) -> None:
    """Removes what killed writers left in a folder of temporary files, and the folder if nothing
    is in it; `now` is in s of 1970. A file of another machine, whose writer may live, must be old.
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            writer = entry.name.rpartition(".")[2]
            with contextlib.suppress(FileNotFoundError):
                if is_gone_by_name(writer) or now - entry.stat().st_mtime > ABANDONED_SECONDS:
                    os.unlink(entry.path)
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def read_object(fs: pafs.FileSystem, path: str) -> bytes:
    """Reads the bytes of one version of an object. Raises FileNotFoundError, or OSError.

    Arrow asks for the size and then for as many bytes. Of an object that was replaced in between
    it returns a part, or all of it and then whatever the buffer held: here zeros, lest the end of
    an older file follow. Parquet shows by its end that it is whole, of others the size is asked
    again.
    """
    for _ in range(READS):
        with fs.open_input_file(path) as stream:
            content = bytearray(stream.size())
            try:
                stream.readinto(content)
            except OSError:
                # Of one that was deleted in between only the next look says so.
                if fs.get_file_info(path).is_file:
                    raise
                continue
        if content.endswith(PARQUET_END) or fs.get_file_info(path).size == len(content):
            return bytes(content)
    raise OSError(f"it was replaced each of the {READS} times that it was read")
