"""TensorBoard: an event file for each trial, which grows by whole records.

A process that is killed may leave half a record at the end. It is cut off when the file is first
opened again, and the file says by itself up to where its points go: nothing is in it twice, and no
session start has to purge what was written before. The numbers are TensorBoard's: float32, NaN and
infinity among them.
"""

from __future__ import annotations

import importlib
import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweep.mirrors.histograms import histogram, not_finite
from sweep.mirrors.runs import Point, Run
from sweep.mirrors.tracker import Away
from trainer.config.lookup import UsageError

PACKAGES = ("tensorboard", "crc32c")
FOLDER = "runs"
TAGS = "tags"
# Places of width and height in a PNG, whose header has them first.
_PNG_SIZE = struct.Struct(">II")
_PNG_SIZE_AT = 16
_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")


@dataclass(slots=True)
class EventFile:
    """Contents of an event file: `size` in bytes of its whole records, whether it has the trial's
    parameters, the last `iteration` whose point it has, -1 if none, and its latest `tags`."""

    path: Path
    size: int = 0
    has_parameters: bool = False
    iteration: int = -1
    tags: str = ""


@dataclass(slots=True)
class TensorBoard:
    """A folder of event files, one for each trial, in a folder of its own."""

    folder: Path
    _files: dict[str, EventFile] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return str(self.folder)

    def send(
        self, run: Run, points: Sequence[Point], run_id: str | None, *, in_doubt: bool
    ) -> str:
        """Appends what the file does not have. What it has it says itself, also when in doubt."""
        try:
            file = self._files.get(run.trial_id)
            if file is None:
                file = self._opened(run)
                # Of what was sent before, the file may lack the end, or all.
                points = points if run_id is None else run.points(file.iteration)
            points = [point for point in points if point.iteration > file.iteration]
            self._append(file, list(_records(run, points, file)))
        except OSError as error:
            self._files.pop(run.trial_id, None)
            raise Away(f"cannot write {run.trial_id}: {error.strerror or error}") from error
        file.has_parameters = True
        file.iteration = points[-1].iteration if points else file.iteration
        file.tags = _tags_text(run)
        self._files[run.trial_id] = file
        return run.trial_id

    def _opened(self, run: Run) -> EventFile:
        """The trial's file, without half a record at its end."""
        name = f"events.out.tfevents.{int(run.started_at):010d}.{run.trial_id}"
        path = self.folder / run.trial_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        file = EventFile(path)
        content = path.read_bytes() if path.exists() else b""
        for record in whole_records(content):
            file.size += _LENGTH.size + len(record) + 2 * _CHECKSUM.size
            _take_in(file, record)
        if file.size < len(content):
            with path.open("r+b") as stream:
                stream.truncate(file.size)
        return file

    def _append(self, file: EventFile, records: Sequence[bytes]) -> None:
        content = b"".join(map(framed, records))
        with file.path.open("ab") as stream:
            stream.write(content)
        file.size += len(content)

    def close(self) -> None:
        """Leaves nothing open: each call closes the file that it appends to."""


def opened(address: str | None, sweep: str) -> TensorBoard:
    """The folder of a sweep's runs in a folder of runs. Raises UsageError if it cannot be made."""
    place = address or FOLDER
    if "://" in place:
        raise UsageError(f"TensorBoard's files are written to a folder, not to {place!r}")
    folder = Path(place).expanduser().absolute() / sweep
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from error
    return TensorBoard(folder)


def framed(record: bytes) -> bytes:
    """A record as an event file has it: length and content, each with its masked CRC-32C."""
    length = _LENGTH.pack(len(record))
    return b"".join([length, _checksum(length), record, _checksum(record)])


def _checksum(content: bytes) -> bytes:
    # The package of tensorboard has this in Python, which takes most of the time of a plain loop.
    from crc32c import crc32c

    value = crc32c(content)
    return _CHECKSUM.pack(((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def whole_records(content: bytes) -> Iterator[bytes]:
    """Records of an event file up to the first that is cut off or damaged."""
    place = 0
    while place + _LENGTH.size + _CHECKSUM.size <= len(content):
        header = content[place : place + _LENGTH.size]
        (length,) = _LENGTH.unpack(header)
        start = place + _LENGTH.size + _CHECKSUM.size
        record, end = content[start : start + length], start + length + _CHECKSUM.size
        if content[start - _CHECKSUM.size : start] != _checksum(header) or end > len(content):
            return
        if content[start + length : end] != _checksum(record):
            return
        yield record
        place = end


def _take_in(file: EventFile, record: bytes) -> None:
    event = _message("event", "Event").FromString(record)
    names = [value.tag for value in event.summary.value]
    if TAGS in names:
        tensor = event.summary.value[names.index(TAGS)].tensor
        file.tags = tensor.string_val[0].decode()
    elif names and names[0].startswith("_hparams_"):
        file.has_parameters = True
    elif names:
        file.iteration = event.step


def _records(run: Run, points: Sequence[Point], file: EventFile) -> Iterator[bytes]:
    if file.size == 0:
        yield _event(run.started_at, file_version="brain.Event:2")
    if not file.has_parameters:
        yield _event(run.started_at, summary=_parameters(run))
    for point in points:
        yield _event(point.time, step=point.iteration, summary=_summary(point))
    text = _tags_text(run)
    if text != file.tags:
        yield _event(run.measured_at, step=run.iteration, summary=_tags(text))


def _event(wall_time: float, **fields: Any) -> bytes:
    return _message("event", "Event")(wall_time=wall_time, **fields).SerializeToString(
        deterministic=True
    )


def _summary(point: Point) -> Any:
    """All of one iteration in one record: it is there as a whole, or not at all."""
    summary = _message("summary", "Summary")()
    add = summary.value.add
    for name, value in point.scalars.items():
        add(tag=name, simple_value=value)
    for layer, values in point.spectra.items():
        histo = _histogram(values)
        if histo is not None:
            add(tag=f"spectrum/layer_{layer}", histo=histo)
        if count := not_finite(values):
            add(tag=f"spectrum_not_finite/layer_{layer}", simple_value=count)
    if point.sample is not None:
        width, height = _PNG_SIZE.unpack_from(point.sample, _PNG_SIZE_AT)
        size = {"width": width, "height": height, "colorspace": 3}
        add(tag="samples", image={**size, "encoded_image_string": point.sample})
    return summary


def _histogram(values: Sequence[float]) -> Any:
    bins = histogram(values)
    if bins is None:
        return None
    counts, edges = bins
    finite = [value for value in values if math.isfinite(value)]
    return _message("histogram", "HistogramProto")(
        min=min(finite),
        max=max(finite),
        num=len(finite),
        sum=sum(finite),
        sum_squares=sum(value * value for value in finite),
        bucket_limit=edges[1:],
        bucket=counts,
    )


def _parameters(run: Run) -> Any:
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    values: Mapping[str, Any] = {
        name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for name, value in run.parameters.items()
    }
    return hparams_pb(values, trial_id=run.trial_id, start_time_secs=run.started_at)


def _tags_text(run: Run) -> str:
    rows = [("name", "value"), ("---", "---"), *run.tags.items()]
    rows += [(name, repr(value)) for name, value in run.end_scores.items()]
    return "\n".join(f"| {name} | {value} |" for name, value in rows)


def _tags(text: str) -> Any:
    """The tags as a table of Markdown, which TensorBoard shows among its texts."""
    value = {
        "tag": TAGS,
        "metadata": {"plugin_data": {"plugin_name": "text"}},
        "tensor": {
            "dtype": "DT_STRING",
            "string_val": [text.encode()],
            "tensor_shape": {"dim": [{"size": 1}]},
        },
    }
    return _message("summary", "Summary")(value=[value])


def _message(module: str, name: str) -> Any:
    """A class of TensorBoard's messages, whose modules are generated and have no types."""
    return getattr(importlib.import_module(f"tensorboard.compat.proto.{module}_pb2"), name)
