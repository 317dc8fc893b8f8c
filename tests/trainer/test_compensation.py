"""Every method's rule for one weight, against the singular values that it promises."""

import numpy as np
import pytest
import torch

from trainer.compensation import compensated, lifted
from trainer.config.methods import METHODS


def weight(seed=0):
    return torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(seed))


def sigma(matrix):
    return np.linalg.svd(matrix.double().flatten(1).numpy(), compute_uv=False)


PROMISES = {
    "sr-static": lambda s: np.r_[np.ones(4), s[4:] / s[0]],
    "sn-renorm": lambda s: s / s[0],
    "sr-lift": lambda s: np.r_[np.full(4, s[0]), s[4:]],
    "sr-floor": lambda s: np.maximum(s, 0.7 * s[0]),
    "sr-dynamic": lambda s: s,
    "sr-iso": lambda s: s,
}


@pytest.mark.parametrize("name", PROMISES)
def test_a_first_call_gives_the_spectrum_that_the_method_promises(name):
    method = METHODS[name]
    w = weight()
    i_ratio = 0.5 if method.lifts else None
    projected, _ = compensated(method, w, None, i_ratio=i_ratio, floor=0.7)
    np.testing.assert_allclose(sigma(projected), np.sort(PROMISES[name](sigma(w)))[::-1], 1e-5)


@pytest.mark.parametrize("name", ["sr-dynamic", "sr-dynamic-renorm", "sr-iso"])
def test_a_second_call_goes_on_from_what_the_first_remembered(name):
    first, second = weight(), weight(1)
    _, memory = compensated(METHODS[name], first, None, i_ratio=None, floor=None)
    projected, _ = compensated(METHODS[name], second, memory, i_ratio=None, floor=None)
    a, b = sigma(first), sigma(second)
    truth = a if name == "sr-iso" else np.maximum(a / a[0], b / b[0])
    truth = truth * b[0] if name == "sr-dynamic" else truth
    np.testing.assert_allclose(sigma(projected), truth, 1e-5)


def test_without_an_i_ratio_nothing_is_lifted():
    assert lifted(None, weight()) == 1
    assert lifted(0.5, weight()) == 4


def test_a_floor_is_needed_where_the_method_has_one():
    with pytest.raises(AssertionError):
        compensated(METHODS["sr-floor"], weight(), None, i_ratio=None, floor=None)
