"""Augmentations against loops over images, in float64."""

import pytest
import torch

from trainer.augmentation import augmented, cut_out, recoloured, shifted

SIDES = [8, 16, 32]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(side, n=40):
    return torch.rand(n, 3, side, side, generator=rng(9), dtype=torch.float64) + 0.1


def moved(image, down, right):
    """Pixel by pixel; what comes from outside is 0."""
    side, out = image.shape[-1], torch.zeros_like(image)
    for y in range(side):
        for x in range(side):
            if 0 <= y + down < side and 0 <= x + right < side:
                out[:, y, x] = image[:, y + down, x + right]
    return out


@pytest.mark.parametrize("side", SIDES[:2])
def test_a_shift_moves_whole_images_by_up_to_an_eighth(side):
    x, reach, seen = images(side), side // 8, set()
    for image, found in zip(x, shifted(x, rng()), strict=True):
        moves = [
            (down, right)
            for down in range(-reach, reach + 1)
            for right in range(-reach, reach + 1)
            if torch.equal(moved(image, down, right), found)
        ]
        assert len(moves) == 1
        seen.update(moves)
    assert len(seen) > 4 * reach


@pytest.mark.parametrize("side", SIDES)
def test_a_cutout_is_a_square_of_half_the_side_perhaps_in_part_outside(side):
    x, sizes = images(side), set()
    for image, found in zip(x, cut_out(x, rng()), strict=True):
        gone = (found == 0).all(0)
        rows, columns = gone.any(1).nonzero().flatten(), gone.any(0).nonzero().flatten()
        assert torch.equal(gone, gone.any(1)[:, None] & gone.any(0)[None, :])
        assert torch.equal(found[:, ~gone], image[:, ~gone])
        for edge in (rows, columns):
            if len(edge):
                assert torch.equal(edge, torch.arange(int(edge[0]), int(edge[-1]) + 1))
                assert len(edge) == side // 2 or edge[0] == 0 or edge[-1] == side - 1
            sizes.add(len(edge))
    assert max(sizes) == side // 2


def test_colours_follow_the_formula():
    x = images(8, 5)
    b, s, c = torch.rand(3, 5, 1, 1, 1, generator=rng(3), dtype=torch.float64).flatten(1)
    found = recoloured(x, rng(3))
    for k in range(5):
        y = x[k] + b[k] - 0.5
        grey = (y[0] + y[1] + y[2]) / 3
        y = torch.stack([grey + 2 * s[k] * (channel - grey) for channel in y])
        y = y.mean() + (0.5 + c[k]) * (y - y.mean())
        torch.testing.assert_close(found[k], y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("function", [shifted, recoloured, cut_out, augmented])
def test_gradients_are_those_of_central_differences(function):
    x = images(8, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: function(y, rng(1)), x)


@pytest.mark.parametrize("function", [shifted, recoloured, cut_out, augmented])
def test_images_are_changed_each_in_its_own_way_and_reproducibly(function):
    x = images(16, 1).expand(12, 3, 16, 16)
    found = function(x, rng(5))
    assert torch.equal(found, function(x, rng(5)))
    assert len({tuple(image.flatten().tolist()) for image in found}) > 3
