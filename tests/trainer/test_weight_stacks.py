"""Stacks of weights; their gradients are tested with `trainer.normalisation`."""

import torch

from tests.trainer.test_layers import CONV, EMBEDDING, LINEAR, layer_of
from trainer.weight_stacks import advance_stacks, stacked_by_shape


def test_layers_of_one_shape_and_normalisation_share_a_stack():
    kinds = [(CONV, "sn"), (LINEAR, "sn"), (CONV, "sn"), (EMBEDDING, "sn"), (LINEAR, "none")]
    found = stacked_by_shape([layer_of(*kind) for kind in kinds])
    assert [len(stack.layers) for stack in found] == [2, 1, 1, 1]


def test_a_zero_weight_keeps_finite_vectors():
    layer = layer_of(LINEAR, "sn")
    with torch.no_grad():
        layer.weight.zero_()
    advance_stacks(stacked_by_shape([layer]))
    assert layer.u.isfinite().all()
    assert layer.v.isfinite().all()
