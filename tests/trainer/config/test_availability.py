"""What is said of data sets that are not there: the layout, and what to do."""

import pytest

from trainer.config.availability import LAYOUTS, imagenet_folder, missing_reason
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
