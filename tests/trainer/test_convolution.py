"""Folded convolutions against the plain layers in float64, bf16 ones against float32."""

import pytest
import torch
import torch.nn.functional as F

from trainer.convolution import conv, pooled_conv, spread, upsampled_conv


def upsampled_plainly(x, weight, bias):
    return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), weight, bias, padding=1)


def pooled_plainly(x, weight, bias):
    return F.avg_pool2d(F.conv2d(x, weight, bias, padding=1), 2)


def plain(x, weight, bias):
    return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


PAIRS = {
    "upsampled": (upsampled_conv, upsampled_plainly),
    "pooled": (pooled_conv, pooled_plainly),
    "same": (conv, plain),
}


def tensors(side, dtype, n=3, taps=3):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(n, 5, side, side, generator=rng, dtype=dtype)
    weight = torch.randn(7, 5, taps, taps, generator=rng, dtype=dtype)
    return [t.requires_grad_() for t in (x, weight, torch.randn(7, generator=rng, dtype=dtype))]


@pytest.mark.parametrize("side", [2, 8, 16, 32])
@pytest.mark.parametrize("kind", ["upsampled", "pooled"])
def test_a_fold_is_exact(kind, side):
    """Values, gradients, and the second derivatives that gradient penalties take."""
    ours, plainly = PAIRS[kind]
    arguments = tensors(side, torch.float64)
    for function in (ours, plainly):
        y = function(*arguments)
        first = torch.autograd.grad(y.square().sum(), arguments, create_graph=True)
        second = torch.autograd.grad(first[0].square().sum(), arguments, allow_unused=True)
        found = [y, *first, *(g for g in second if g is not None)]
        if function is ours:
            expected = found
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12 * float(b.detach().abs().max()))


@pytest.mark.parametrize(("kind", "side"), [("upsampled", 4), ("pooled", 8)])
def test_small_maps_are_not_folded(kind, side):
    ours, plainly = PAIRS[kind]
    arguments = tensors(side, torch.float32)
    assert torch.equal(ours(*arguments), plainly(*arguments))


def test_no_map_between_is_made():
    """The fold would be for nothing if the large map were there after all."""
    x, weight, bias = tensors(32, torch.float32)
    graph = pooled_conv(x, weight, bias).grad_fn
    assert graph is not None
    assert graph.name() == "ConvolutionBackward0"
    assert upsampled_conv(x, weight, bias).grad_fn.name() == "ConvolutionBackward0"


def test_a_spread_kernel_keeps_its_sum():
    weight = tensors(8, torch.float64)[1]
    assert spread(weight).shape == (7, 5, 4, 4)
    torch.testing.assert_close(spread(weight).sum((2, 3)), 4 * weight.sum((2, 3)))
    torch.testing.assert_close(spread(weight, flip=True), spread(weight).flip(2, 3))


@pytest.mark.parametrize("side", [8, 32])
@pytest.mark.parametrize(
    ("kind", "taps"), [("upsampled", 3), ("pooled", 3), ("same", 3), ("same", 1)]
)
def test_bf16_has_the_gradients_of_float32(kind, taps, side):
    """To the eight bits of bf16; the parameters' gradients are float32."""
    ours, plainly = PAIRS[kind]
    arguments = tensors(side, torch.float32, taps=taps)
    expected = plainly(*arguments)
    above = torch.randn_like(expected)
    with torch.autocast("cpu", torch.bfloat16):
        y = ours(*arguments)
    assert y.dtype == torch.bfloat16
    found = torch.autograd.grad(y, arguments, above.bfloat16())
    assert all(gradient.dtype == torch.float32 for gradient in found)
    truth = torch.autograd.grad(expected, arguments, above)
    for a, b in zip([y.float(), *found], [expected, *truth], strict=True):
        assert (a - b).norm() <= 0.01 * b.norm()
