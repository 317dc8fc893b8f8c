"""Torch warns of its old weight norm and spectral norm; published discriminators use them."""

import warnings

import pytest


@pytest.fixture(autouse=True)
def old_hooks():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, message=".*weight_norm.*")
        warnings.filterwarnings("ignore", category=UserWarning, message="Lazy modules")
        yield
