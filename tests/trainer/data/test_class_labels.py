"""Classes of pictures by their folders, and by the labels of StyleGAN's tools."""

import json
from pathlib import Path

import pytest

from trainer.config.lookup import UsageError
from trainer.data.class_labels import class_labels

ROOT = Path("pics")


def by_folder(*names):
    return list(class_labels(ROOT, names, None).values())


def test_the_first_folder_that_is_not_shared_is_the_class():
    assert by_folder("cat/1.png", "dog/2.png") == ["cat", "dog"]
    assert by_folder("pics/cat/1.png", "pics/dog/a/2.png") == ["cat", "dog"]
    assert by_folder("1.png", "2.png") == [None, None]
    assert by_folder("all/1.png", "all/2.png") == [None, None]
    assert by_folder("cat/1.png", "2.png") == ["cat", None]
    assert by_folder() == []


def labels_file(pairs):
    return json.dumps({"labels": pairs}).encode()


def test_labels_of_a_file_come_first():
    names = ["x/00/a.png", "x/00/b.png"]
    labels = class_labels(ROOT, names, labels_file([["00/a.png", 3], ["00/b.png", 11]]))
    assert labels == {"x/00/a.png": "3", "x/00/b.png": "11"}
    assert class_labels(ROOT, ["cat/a.png", "dog/b.png"], labels_file(None)) == {
        "cat/a.png": "cat",
        "dog/b.png": "dog",
    }
    labels = class_labels(ROOT, names, labels_file([["00/a.png", 3]]))
    assert labels["x/00/b.png"] is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (labels_file([["c.png", 1]]), "labels 'c.png', which is not among its pictures"),
        (labels_file([["a.png", [0, 1]]]), "no numbers or names"),
        (b"[1, 2]", "is not"),
        (b"{", "is not"),
    ],
)
def test_labels_that_are_not_those_of_the_pictures(content, text):
    with pytest.raises(UsageError, match=text):
        class_labels(ROOT, ["a.png"], content)
