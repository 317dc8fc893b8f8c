"""Files of tensors: found under their own full name, whole, or not at all."""

import pytest
import torch

from trainer.scores.tensor_files import read_tensors, write_tensors


def test_it_is_read_under_its_own_name_alone(tmp_path):
    path = tmp_path / "folder" / "a.pt"
    write_tensors(path, "a", {"mean": torch.arange(3.0)})
    stored = read_tensors(path, "a")
    assert stored is not None
    assert torch.equal(stored["mean"], torch.arange(3.0))
    assert read_tensors(path, "b") is None
    assert [file.name for file in path.parent.iterdir()] == ["a.pt"]


def test_a_damaged_or_absent_file_is_none(tmp_path):
    path = tmp_path / "a.pt"
    assert read_tensors(path, "a") is None
    write_tensors(path, "a", {"mean": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[:-50])
    assert read_tensors(path, "a") is None


def test_where_it_cannot_be_kept_it_warns(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(RuntimeWarning, match="is not kept"):
        write_tensors(tmp_path / "file" / "a.pt", "a", {})
