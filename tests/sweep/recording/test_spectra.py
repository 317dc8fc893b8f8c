"""Summaries of spectra against the trainer's own, which are of torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sweep.recording.spectra import (
    Layers,
    blocks_by_layer,
    descending,
    layers_of,
    mean_of_voting,
    summaries,
)
from trainer.config.lookup import UsageError
from trainer.weights.monitor import summaries as truth


def spectra() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"conv": (1, 16), "grouped": (3, 5), "depthwise": (8, 1), "zero": (1, 4)}
    values = {k: torch.rand(n, generator=generator).double() for k, n in shapes.items()}
    values["zero"] = torch.tensor([[2.0, 0.0, 0.0, 0.0]]).double()
    return {name: sigma.sort(dim=1, descending=True).values for name, sigma in values.items()}


def test_summaries_are_the_monitors() -> None:
    ours, theirs = summaries(blocks_by_layer(spectra())), truth(spectra())
    for name, values in theirs.items():
        assert ours[name] == pytest.approx(values, rel=1e-12, nan_ok=True), name


def test_values_that_are_not_finite_stay_so() -> None:
    found = summaries(blocks_by_layer({"a": [2.0, math.nan, 1.0], "b": [0.0, 0.0, 0.0]}))
    assert math.isnan(found["low_share"][0])
    assert math.isnan(found["sigma2_ratio"][1])


def test_a_list_of_spectra_has_numbers_for_names() -> None:
    assert list(blocks_by_layer([np.ones(3), np.ones(2)])) == ["layer_0", "layer_1"]


def test_layers_of_rank_four_vote_or_those_that_are_named() -> None:
    blocks = blocks_by_layer(spectra())
    assert layers_of(blocks, None).voting == [0, 1, 3]
    assert layers_of(blocks, ["g*", "depthwise"]).voting == [1]
    with pytest.raises(UsageError, match="no layer is named 'x'; there are: conv, grouped"):
        layers_of(blocks, ["x"])


def test_the_mean_is_of_those_that_vote() -> None:
    assert mean_of_voting([1.0, 2.0, 6.0], Layers(names=["a", "b", "c"], voting=[0, 2])) == 3.5
    assert math.isnan(mean_of_voting([1.0], Layers(names=["a"])))


def test_blocks_are_stored_together_descending() -> None:
    assert descending(np.array([[3.0, 1.0], [4.0, 2.0]])) == [4.0, 3.0, 2.0, 1.0]


@pytest.mark.parametrize("sigma", [np.zeros((1, 2, 3)), np.zeros(0), 3.0, "x"])
def test_another_shape_is_refused(sigma: object) -> None:
    with pytest.raises(UsageError, match="spectra"):
        blocks_by_layer({"a": sigma})
