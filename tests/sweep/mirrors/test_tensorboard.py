"""TensorBoard's files, read by TensorBoard's own reader."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from sweep.mirrors.tensorboard import framed, opened, whole_records
from tests.sweep.mirrors.stored_sweep import NAMES, StoredSweep, mirror_once, picture

pytest.importorskip("tensorboard")


def read(folder: Path, k: int) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    kinds = ("scalars", "histograms", "images", "tensors")
    events = EventAccumulator(str(folder / "demo" / f"t{k}"), dict.fromkeys(kinds, 0))
    events.Reload()
    return events


def scalars(folder: Path, k: int) -> dict[str, list[tuple[int, str]]]:
    events = read(folder, k)
    return {name: [(e.step, repr(e.value)) for e in events.Scalars(name)] for name in NAMES}


def expected(sweep: StoredSweep, k: int) -> dict[str, list[tuple[int, str]]]:
    return {
        name: [(step, repr(value)) for step, value in points]
        for name, points in sweep.points(k).items()
    }


def event_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_is_mirrored_bit_by_bit_is_the_same_as_at_once(
    sweep: StoredSweep, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    follower = sweep.follower(opened(str(folder), "demo"))
    for k in (0, 1, 0, 0):
        sweep.evaluate(k)
        mirror_once(follower)
    sweep.write(0, status="completed", final_fd_digits=800.0)
    mirror_once(follower)
    mirror_once(sweep.follower(opened(str(folder), "demo")))
    for k in (0, 1):
        assert scalars(folder, k) == expected(sweep, k)
    assert len(event_files(folder)) == 2
    tags = read(folder, 0).Tensors("tags")
    assert len(tags) == 2
    text = tags[-1].tensor_proto.string_val[0].decode()
    assert "| status | completed |" in text
    assert "| link | http://lab:8000/view/trials/t0 |" in text
    assert "| final/fd_digits | 800.0 |" in text


def test_nan_and_infinity_are_kept(sweep: StoredSweep, tmp_path: Path) -> None:
    sweep.evaluate(0, 3)
    mirror_once(sweep.follower(opened(str(tmp_path / "runs"), "demo")))
    events = read(tmp_path / "runs", 0)
    assert math.isnan(events.Scalars("reverse_kl")[1].value)
    assert events.Scalars("d_loss")[2].value == -math.inf


def test_spectra_are_histograms_and_samples_images(sweep: StoredSweep, tmp_path: Path) -> None:
    sweep.evaluate(0, 3)
    mirror_once(sweep.follower(opened(str(tmp_path / "runs"), "demo")))
    events = read(tmp_path / "runs", 0)
    histograms = events.Histograms("spectrum/layer_1")
    assert [h.step for h in histograms] == [0, 50, 100]
    values = histograms[0].histogram_value
    assert (values.min, values.max, values.num, values.sum) == (0.25, 1.0, 3.0, 1.75)
    assert sum(values.bucket) == 3
    assert [e.step for e in events.Scalars("spectrum_not_finite/layer_0")] == [100]
    images = events.Images("samples")
    assert [(i.step, i.width, i.height) for i in images] == [(s, 16, 16) for s in (0, 50, 100)]
    assert images[2].encoded_image_string == picture(100)
    assert "_hparams_/session_start_info" in events.Tags()["tensors"]


def test_a_file_that_is_cut_anywhere_becomes_the_same_file(
    sweep: StoredSweep, tmp_path: Path
) -> None:
    """A kill leaves a part of what was to be written, and marks that are in doubt."""
    sweep.evaluate(0, 3)
    folder = tmp_path / "runs"
    follower = sweep.follower(opened(str(folder), "demo"))
    mirror_once(follower)
    (file,) = event_files(folder)
    content = file.read_bytes()
    for length in range(0, len(content), 331):
        file.write_bytes(content[:length])
        follower.marks.doubt(["t0"])
        mirror_once(sweep.follower(opened(str(folder), "demo")))
        assert file.read_bytes() == content, length


def test_a_file_that_was_removed_is_written_again(sweep: StoredSweep, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    sweep.evaluate(0, 2)
    mirror_once(sweep.follower(opened(str(folder), "demo")))
    (file,) = event_files(folder)
    file.unlink()
    sweep.evaluate(0)
    mirror_once(sweep.follower(opened(str(folder), "demo")))
    assert scalars(folder, 0) == expected(sweep, 0)


def test_records_are_framed_as_tensorboard_frames_them(tmp_path: Path) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    records = [b"", b"a", bytes(range(256)) * 5]
    with (tmp_path / "records").open("wb") as stream:
        writer = RecordWriter(stream)
        for record in records:
            writer.write(record)
    content = b"".join(map(framed, records))
    assert (tmp_path / "records").read_bytes() == content
    assert list(whole_records(content)) == records


@pytest.mark.parametrize("place", [3, 10, 14, 25])
def test_a_damaged_record_ends_what_is_read(place: int) -> None:
    content = bytearray(framed(b"first record") + framed(b"second"))
    content[place] ^= 1
    assert list(whole_records(bytes(content))) == []


def test_a_full_disk_is_a_tracker_that_is_away(sweep: StoredSweep, tmp_path: Path) -> None:
    sweep.evaluate(0)
    tracker, said = opened(str(tmp_path / "runs"), "demo"), []
    follower = sweep.follower(tracker, said.append)
    (tmp_path / "runs/demo/t0").write_text("no folder")
    mirror_once(follower)
    (line,) = said
    assert "is away: cannot write t0: " in line
    assert follower.marks.of("t0").in_doubt
