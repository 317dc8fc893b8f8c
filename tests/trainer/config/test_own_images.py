"""Names of sets of own pictures."""

import pytest

from trainer.config.own_images import OwnImages, own_resolution, recipe_name

OWN = OwnImages(resolution=64, sha256="0123456789abcdef" * 4, images=900, classes=3)


def test_a_set_is_named_after_its_content():
    assert OWN.name == "images64-01234567"
    assert own_resolution(OWN.name) == 64
    assert recipe_name(OWN.name) == "images64"
    assert OWN.fields == {"data_sha256": OWN.sha256, "data_images": 900, "data_classes": 3}


@pytest.mark.parametrize("name", ["images", "images48", "images64-0123", "cifar10", "images64-"])
def test_other_names_are_of_no_own_pictures(name):
    assert own_resolution(name) is None
    assert recipe_name(name) == name
