"""Pictures in archives, zip and tar, WebDataset's shards too. Nothing is unpacked to disk."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from trainer.config.lookup import UsageError
from trainer.data.class_labels import LABELS_FILE, class_labels
from trainer.data.decoding import DamagedPicture
from trainer.data.entries import (
    MOST_BYTES,
    Entry,
    Listing,
    digest_of,
    file_stamp,
    is_picture,
    too_big,
)


def zip_listing(root: Path) -> Listing:
    archive = zipfile.ZipFile(root)
    members = [member for member in archive.infolist() if not member.is_dir()]
    _check_names(root, (member.filename for member in members))
    if any(member.flag_bits & 1 for member in members):
        raise UsageError(f"{root} is encrypted: unpack it and give the folder")
    pictures = {m.filename: m for m in members if is_picture(m.filename)}
    labels_file = next((m for m in members if PurePosixPath(m.filename).name == LABELS_FILE), None)
    labels = class_labels(
        root, list(pictures), None if labels_file is None else archive.read(labels_file)
    )

    def content(member: zipfile.ZipInfo) -> bytes:
        if member.file_size > MOST_BYTES:
            raise DamagedPicture(too_big(member.file_size))
        try:
            return archive.read(member)
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
            raise DamagedPicture(str(error)) from error

    entries = [
        Entry(name=name, read=lambda member=member: content(member), label=labels[name])
        for name, member in pictures.items()
    ]
    return Listing(
        fingerprint=digest_of(root, [file_stamp(root)]),
        n=len(entries),
        others=[m.filename for m in members if m.filename not in pictures and m != labels_file],
        entries=entries,
    )


def tar_listing(paths: Sequence[Path]) -> Listing:
    """Of one tar, or of several shards in their order; `.cls` beside a picture is its class."""
    names: list[str] = []
    others: list[str] = []
    classes: dict[str, str] = {}
    labels_file = None
    for path in paths:
        with tarfile.open(path) as archive:
            for member in archive:
                _check_names(path, [member.name])
                if not member.isfile():
                    continue
                if is_picture(member.name):
                    names.append(member.name)
                elif member.name.endswith(".cls") and member.size < 1000:
                    classes[_key(member.name)] = (
                        _bytes_of(archive, member).decode(errors="replace").strip()
                    )
                elif PurePosixPath(member.name).name == LABELS_FILE:
                    labels_file = _bytes_of(archive, member)
                else:
                    others.append(member.name)
    labels: Mapping[str, str | None] = class_labels(paths[0], names, labels_file)
    if classes:
        labels = {name: classes.get(_key(name)) for name in names}
    root = paths[0] if len(paths) == 1 else paths[0].parent
    return Listing(
        fingerprint=digest_of(root, (f"{path} {file_stamp(path)}" for path in paths)),
        n=len(names),
        others=others,
        entries=_tar_entries(paths, labels),
    )


def _tar_entries(paths: Sequence[Path], labels: Mapping[str, str | None]) -> Iterator[Entry]:
    """Reads in the order of the archive, as a compressed one knows no other."""
    for path in paths:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and is_picture(member.name):
                    yield Entry(
                        name=member.name,
                        read=_given(archive, member),
                        label=labels[member.name],
                    )


def _given(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], bytes]:
    """Gives the member's bytes, which are read now: a tar has one place to read at."""
    size = member.size
    content = None if size > MOST_BYTES else _bytes_of(archive, member)

    def read() -> bytes:
        if content is None:
            raise DamagedPicture(too_big(size))
        return content

    return read


def _bytes_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None  # it is a regular one
    return file.read()


def _key(name: str) -> str:
    """What the files of one WebDataset sample share: the name up to its first dot."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.split(".")[0]))


def _check_names(root: Path, names: Iterable[str]) -> None:
    """Raises UsageError for a name that would lead out of the archive's folder."""
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or (path.parts[:1] and ":" in path.parts[0]):
            raise UsageError(f"{root} holds {name!r}, a name outside its own folder: refused")
