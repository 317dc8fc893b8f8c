"""Table I as data, and its scaling to the digits."""

import math

import pytest

from sweep.paper.table2 import TABLE_II
from trainer.config.own_images import own_resolution
from trainer.config.settings import (
    ALL_SETTINGS,
    DATASETS,
    LAYERS,
    METHODS,
    PROFILES,
    SETTINGS,
    SHORTCUTS,
    TOY_PENALTY_WEIGHTS,
    TOYS,
    USUAL_LAYERS,
    dataset_facts,
    network_widths,
    setting_name,
)

# Group, width of D, data set: batch sizes.
TABLE_I = {
    ("A", 128, "cifar10"): (16, 32, 64, 128, 256, 512, 1024),
    ("B", 64, "cifar10"): (8, 16, 32, 64, 128, 256),
    ("C", 32, "cifar10"): (8, 16, 32, 64),
    ("D", 256, "cifar10"): (128, 256, 512),
    ("E", 128, "stl10"): (64, 256),
    ("E", 64, "stl10"): (256,),
    ("E", 32, "stl10"): (256,),
    ("E", 64, "imagenet"): (512, 2048),
}


def test_table_i_has_the_papers_26_rows():
    rows = {
        f"{group}_{batch}-{width}": (group, batch, width, dataset)
        for (group, width, dataset), batches in TABLE_I.items()
        for batch in batches
    }
    assert len(rows) == 26
    found = {name: (s.group, s.batch_size, s.channels, s.dataset) for name, s in SETTINGS.items()}
    assert found == rows


def test_table_i_and_table_ii_have_the_same_rows():
    assert list(SETTINGS) == list(TABLE_II)


def test_every_size_of_table_i_goes_with_every_other_outside_it():
    outside = [s for name, s in ALL_SETTINGS.items() if name not in SETTINGS]
    assert {(s.batch_size, s.channels) for s in outside} == {
        (2**b, 2**c) for b in range(3, 12) for c in range(5, 9)
    }
    assert all((s.group, s.dataset) == ("U", None) for s in outside)
    assert ALL_SETTINGS["U_16-256"].batch_size == 16
    assert list(ALL_SETTINGS)[:26] == list(SETTINGS)


@pytest.mark.parametrize("name", ["paper", "digits"])
def test_sizes_on_a_data_set_have_the_name_of_their_row(name):
    profile = PROFILES[name]
    for row in SETTINGS.values():
        dataset = profile.dataset[row.dataset]
        assert setting_name(profile, dataset, row.batch_size, row.channels) == row.name


def test_sizes_that_are_no_row_on_the_data_set_are_named_by_themselves():
    paper = PROFILES["paper"]
    assert setting_name(paper, "cifar10", 16, 256) == "U_16-256"
    assert setting_name(paper, "cifar10", 256, 32) == "U_256-32", "E_256-32 is of STL-10"
    assert setting_name(paper, "stl10", 64, 64) == "U_64-64", "B_64-64 is of CIFAR-10"
    assert setting_name(paper, "cifar10-conditional", 64, 64) == "U_64-64"


def test_data_sets():
    resolutions = {name: dataset.resolution for name, dataset in DATASETS.items()}
    assert resolutions == {
        "cifar10": 32, "cifar10-conditional": 32, "stl10": 32, "imagenet": 128,
        "digits8": 8, "digits16": 16, "ring8": None, "grid25": None, "affine": None,
    }  # fmt: skip
    classes = {name: dataset.classes for name, dataset in DATASETS.items() if dataset.classes}
    assert classes == {"cifar10-conditional": 10, "imagenet": 1000}
    modes = {name: dataset.modes for name, dataset in DATASETS.items() if dataset.modes}
    assert modes == {"digits8": 1000, "digits16": 1000, "ring8": 8, "grid25": 25}


def test_recipe_of_the_released_cifar_code():
    for name in ("cifar10", "cifar10-conditional", "stl10"):
        r = PROFILES["paper"].recipes[name]
        assert (r.generator_channels, r.latent_size, r.generator_batch_factor) == (256, 128, 2)
        assert (r.n_critic, r.iterations, r.optimiser, r.beta2) == (5, 50_000, "adam", 0.9)
        assert (r.learning_rate, r.discriminator_learning_rate, r.decays) == (2e-4, None, True)
        assert (r.generator_normalisation, r.micro_batch) == ("none", None)


def test_recipe_of_the_released_imagenet_code():
    r = PROFILES["paper"].recipes["imagenet"]
    assert (r.generator_channels, r.latent_size, r.generator_batch_factor) == (64, 128, 1)
    assert (r.n_critic, r.iterations, r.optimiser, r.beta2) == (1, 500_000, "adam", 0.999)
    assert (r.learning_rate, r.discriminator_learning_rate, r.decays) == (1e-4, 4e-4, False)
    assert (r.generator_normalisation, r.micro_batch) == ("sn", 32)


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_complete(name):
    profile = PROFILES[name]
    for setting in SETTINGS.values():
        assert setting.batch_size in profile.batch_size
        assert setting.channels in profile.channels
        if profile.dataset:
            assert profile.dataset[setting.dataset] in profile.recipes
    assert all(dataset_facts(name) for name in profile.recipes)


def test_own_pictures_have_recipes_in_the_paper_s_sizes_and_in_small():
    taking = [name for name, profile in PROFILES.items() if profile.takes_own_images]
    assert taking == ["paper", "small"]
    for name in taking:
        own = {n: recipe for n, recipe in PROFILES[name].recipes.items() if own_resolution(n)}
        assert list(own) == ["images32", "images64", "images128"]
        assert all(recipe.curve_protocol for recipe in own.values()), "scored by Inception alone"
    paper, small = PROFILES["paper"], PROFILES["small"]
    assert paper.recipes["images32"] == paper.recipes["cifar10"]
    assert paper.recipes["images128"] == paper.recipes["imagenet"]
    assert (small.batch_size, small.channels) == (
        PROFILES["digits"].batch_size,
        PROFILES["digits"].channels,
    )
    scored = {name: profile.scored_by_inception for name, profile in PROFILES.items()}
    assert scored == {"paper": True, "digits": False, "small": True}


def test_sizes_on_own_pictures_are_no_row_of_table_1():
    for name in ("paper", "small"):
        assert setting_name(PROFILES[name], "images32-01234567", 8, 32) == "U_8-32"


def test_facts_of_own_pictures_follow_from_their_name():
    facts = dataset_facts("images64-01234567")
    assert facts is not None
    assert (facts.resolution, facts.modes) == (64, None)
    assert dataset_facts("cifar10") is DATASETS["cifar10"]
    assert dataset_facts("elsewhere") is None


def test_every_resolution_has_widths_that_halve_and_double_back():
    """G ends at the resolution from 4 pixels or more; D's side divides by two so often."""
    for resolution in (8, 16, 32, 64, 128):
        widths = network_widths(resolution)
        assert resolution % 2 ** (len(widths.generator) - 1) == 0
        assert resolution % 2**widths.pooled == 0
        shortcuts = widths.pooled - 1
        layers = 3 + 2 * (len(widths.discriminator) - 1) + shortcuts
        assert layers == LAYERS.get(resolution, USUAL_LAYERS)
        assert len(SHORTCUTS[layers]) == widths.pooled


def test_toys_are_data_sets_with_their_own_penalty_weights():
    assert set(TOYS) == {name for name, d in DATASETS.items() if d.resolution is None}
    for problem, method in TOY_PENALTY_WEIGHTS:
        assert problem in TOYS
        assert METHODS[method].penalty


def test_digits_scaling_keeps_the_order_of_batch_sizes_and_widths():
    digits = PROFILES["digits"]
    for table in (digits.batch_size, digits.channels):
        assert list(table.values()) == sorted(set(table.values()))
    for channels, scaled in digits.channels.items():
        assert scaled == 16 * math.log2(channels / 16)
    for batch, scaled in digits.batch_size.items():
        assert abs(scaled - 16 * (batch / 8) ** (1 / 3)) <= 2
        assert scaled % 4 == 0
    fraction = (
        digits.recipes["digits8"].iterations / PROFILES["paper"].recipes["cifar10"].iterations
    )
    assert fraction == 1 / 50
