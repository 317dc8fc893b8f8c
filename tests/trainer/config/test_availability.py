"""What is said of data sets that are not there: the layout, and what to do."""

import pytest

from trainer.config import availability
from trainer.config.availability import LAYOUTS, has_gpu, imagenet_folder, missing_reason
from trainer.config.settings import DATASETS


@pytest.mark.parametrize("dataset", sorted(set(DATASETS) - set(LAYOUTS)))
def test_data_that_is_made_here_is_never_missing(dataset):
    assert missing_reason(dataset, None) is None


def test_every_layout_is_of_a_known_data_set():
    assert set(LAYOUTS) <= set(DATASETS)


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [
        ("cifar10", "cifar-10-batches-py"),
        ("cifar10-conditional", "cifar-10-batches-py"),
        ("stl10", "stl10_binary"),
    ],
)
def test_a_set_that_can_be_downloaded(tmp_path, dataset, folder):
    assert missing_reason(dataset, None) == (
        f"{dataset} is read from --data-root, which must hold {LAYOUTS[dataset]}"
    )
    assert missing_reason(dataset, None, download=True), "downloaded to where?"
    assert missing_reason(dataset, tmp_path) == (
        f"no {dataset} under {tmp_path}: put {LAYOUTS[dataset]} there, or give --download"
    )
    assert missing_reason(dataset, tmp_path, download=True) is None
    (tmp_path / folder).mkdir()
    assert missing_reason(dataset, tmp_path) is None


@pytest.mark.parametrize("inside", ["imagenet", "."])
def test_imagenet_is_two_folders_and_never_downloaded(tmp_path, inside):
    (tmp_path / inside / "train").mkdir(parents=True)
    for download in (False, True):
        said = missing_reason("imagenet", tmp_path, download=download)
        assert said == (
            f"no imagenet under {tmp_path}: put imagenet/train/ and imagenet/val/ (ILSVRC 2012) "
            "with a folder per class, such as n01440764/ there; it cannot be downloaded from here"
        )
    (tmp_path / inside / "val").mkdir()
    assert missing_reason("imagenet", tmp_path) is None
    assert imagenet_folder(tmp_path) == tmp_path / inside


@pytest.mark.parametrize("dataset", ["images", "images64-01234567"])
def test_own_pictures_are_wherever_the_path_says(tmp_path, dataset):
    assert "a folder, zip, tar, npz or npy of pictures" in missing_reason(dataset, None)
    assert (
        missing_reason(dataset, tmp_path / "p") == f"no pictures at {tmp_path}/p: there is nothing"
    )
    (tmp_path / "p").touch()
    assert missing_reason(dataset, tmp_path / "p") is None, (
        "what it holds is found when it is read"
    )


def test_a_gpu_is_hidden_by_cuda_s_own_variable(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(availability, "DEVICE_FILES", ("/dev/null",))
    assert has_gpu()
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert not has_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert has_gpu()
    monkeypatch.setattr(availability, "DEVICE_FILES", ("/dev/no such device[0-9]*",))
    assert not has_gpu()
