"""Marks as they are kept in the store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweep.mirrors.marks import Mark, Marks
from sweep.store.store import Store, StoreError


def marks(root: Path, place: str = "http://x experiment demo") -> Marks:
    read = Marks(store=Store(root), sweep="demo", tracker="mlflow", place=place)
    read.read()
    return read


def test_another_process_reads_what_was_noted(tmp_path: Path) -> None:
    first = marks(tmp_path)
    assert first.of("t0") == Mark(run_id=None, through=-1, tags="", in_doubt=False)
    first.note({"t0": Mark(run_id="r", through=50, tags="x")})
    first.doubt(["t0", "t1"])
    second = marks(tmp_path)
    assert second.of("t0") == Mark(run_id="r", through=50, tags="x", in_doubt=True)
    assert second.of("t1") == Mark(in_doubt=True)
    assert second.of("t2") == Mark()


def test_each_place_has_marks_of_its_own(tmp_path: Path) -> None:
    marks(tmp_path).note({"t0": Mark(through=50)})
    assert marks(tmp_path, "http://y experiment demo").of("t0") == Mark()
    (file,) = (tmp_path / "mirrors").iterdir()
    assert file.name.startswith("demo.mlflow-")
    assert json.loads(file.read_text())["place"] == "http://x experiment demo"


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"trials": {"t0": {"thru": 3}}}'])
def test_a_file_that_is_none_of_a_mirrors_is_an_error(tmp_path: Path, content: bytes) -> None:
    own = marks(tmp_path)
    own.store.write(f"{own.name}.json", content)
    with pytest.raises(
        StoreError, match=r"mirrors/demo.mlflow-\w+.json in .* no file of a mirror"
    ):
        own.read()
