"""Matrices of weights against what the layer does: its output is a sum of matrix products."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trainer.weights import layouts


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_a_convolution_of_one_pixel_is_its_blocks_side_by_side(groups):
    weight, x = draw(6, 12 // groups, 3, 3), draw(1, 12, 3, 3, seed=1)
    layout = layouts.convolution(weight.shape, groups)
    truth = F.conv2d(x, weight, groups=groups).flatten()
    parts = x.reshape(groups, -1, 1)
    torch.testing.assert_close((layout.matrices(weight) @ parts).flatten(), truth)
    assert layout.sizes == (groups, 6 // groups, 12 // groups * 9)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_is_the_adjoint_of_a_convolution(groups):
    weight = draw(4, 6 // groups, 2, 2)
    layout = layouts.transposed_convolution(weight.shape, groups)
    # Stride as large as the kernel: every output pixel has one input, and each tap its matrix.
    x = draw(1, 4, 1, 1, seed=1)
    out = F.conv_transpose2d(x, weight, groups=groups, stride=2).reshape(groups, -1, 4)
    matrices = layout.matrices(weight).reshape(groups, 6 // groups, 4 // groups, 4)
    truth = torch.einsum("goit,gi->got", matrices, x.reshape(groups, -1))
    torch.testing.assert_close(out, truth)


@pytest.mark.parametrize(
    "layout",
    [
        layouts.convolution((8, 2, 3), 4),
        layouts.transposed_convolution((8, 2, 3, 3), 4),
        layouts.rows_of_blocks((6, 5), 3),
        layouts.rows_of_blocks((3, 4, 5), 1),
        layouts.operand((2, 3, 4)),
        layouts.operand((3, 4)),
        layouts.summed((3, 4, 5), "hcd", "bnc", "bhnd"),
        layouts.summed((3, 4), "ij", "bj", "bi"),
    ],
)
def test_a_tensor_comes_back_from_its_matrices(layout):
    weight = draw(*layout.shape)
    matrices = layout.matrices(weight)
    assert matrices.shape == layout.sizes
    assert torch.equal(layout.tensor(matrices), weight)
    assert layout.r == min(layout.sizes[1:])


def test_an_einsum_sums_over_the_columns_of_its_factor():
    weight, x = draw(3, 4, 5), draw(2, 7, 4, seed=1)
    layout = layouts.summed(weight.shape, "hcd", "bnc", "bhnd")
    truth = torch.einsum("hcd,bnc->bhnd", weight, x)
    # h and d are in the output alone, c is summed over.
    ours = (layout.matrices(weight)[0] @ x.reshape(-1, 4).mT).reshape(3, 5, 2, 7)
    np.testing.assert_allclose(ours.permute(2, 0, 3, 1), truth, atol=1e-12)
    assert layouts.summed((3, 4), "ij", "ij", "ij") is None
    assert layouts.summed((3, 4), "..j", "bj", "b") is None


def test_taps_make_a_weight_spatial():
    assert layouts.convolution((4, 4, 3, 3), 1).spatial
    assert not layouts.convolution((4, 4, 1, 1), 1).spatial
    assert not layouts.rows_of_blocks((4, 4), 1).spatial
