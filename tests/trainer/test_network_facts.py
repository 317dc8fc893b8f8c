"""Facts of a person's own networks, against sums by hand, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.own_code_files import write_code
from trainer.config.lookup import UsageError
from trainer.config.own_code import NetworkSizes
from trainer.network_facts import network_facts

SIZES = NetworkSizes(resolution=8, channels=4, generator_channels=4, latent_size=6, classes=None)
SOURCE = """
import torch
from torch import nn

def g():
    return nn.Sequential(nn.Linear(6, 192), nn.Unflatten(1, (3, 8, 8)))

def d(out=1):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, out))

class Looking(nn.Sequential):
    def forward(self, x):
        assert float(x.detach().sum()) != 0.5
        return super().forward(x)

def build(): return g(), d()
def looking(): return g(), Looking(*d())
def wide(): return g(), d(2)
def flat(): return nn.Linear(6, 192), d()
def several(): return g(), type("Two", (nn.Module,), {"forward": lambda self, x: (x, x)})()
def other_side(): return g(), nn.Sequential(nn.Flatten(), nn.Linear(7, 1))
def constant(): return g(), type("One", (nn.Module,), {"forward": lambda s, x: torch.ones(2)})()
def unused():
    network = d()
    network.extra = nn.Linear(2, 2)
    network.forward = lambda x: nn.Sequential(*list(network)[:4])(x)
    return g(), network
def after(*first): return g(), nn.Sequential(*first, nn.Flatten(), nn.LazyLinear(1))
def grouped(): return after(nn.Conv2d(3, 6, 3, groups=3))
def batched(): return after(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return write_code(tmp_path, monkeypatch, "facts_module", SOURCE)


def test_costs_are_those_of_sums_by_hand(module: str) -> None:
    facts = network_facts(f"{module}:build", SIZES)
    assert facts.layers == ("0",)
    assert facts.ranks == (4,)
    assert facts.voting == (0,)
    assert facts.operations == (6 * 192, 4 * 27 * 36 + 144)
    assert facts.parameters == (7 * 192, 4 * 27 + 4 + 145)
    # Kept of an image: of G its z, of D the image and the rectified map.
    assert facts.kept_bytes == (4 * 6, 4 * (3 * 64 + 4 * 36))
    assert (facts.untouchable, facts.unreached, facts.mixes_images) == (None, None, None)


def test_networks_that_look_at_numbers_are_counted_on_real_ones(module: str) -> None:
    looked, plain = (network_facts(f"{module}:{name}", SIZES) for name in ("looking", "build"))
    assert looked.operations == plain.operations
    assert looked.kept_bytes[1] >= plain.kept_bytes[1]


def test_what_limits_the_methods_is_said(module: str) -> None:
    grouped = network_facts(f"{module}:grouped", SIZES)
    assert grouped.untouchable == "0 is 3 matrices in one, as of groups"
    assert network_facts(f"{module}:batched", SIZES).mixes_images == "1"
    assert network_facts(f"{module}:unused", SIZES).unreached == "D's extra.weight is not used"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "wide",
            r"one number per image, \[2\] or \[2, 1\], but is \[2, 2\]",
        ),
        ("flat", r"G\(z\[2, 6\]\) must be images \[2, 3, 8, 8\], in \[-1, 1\], but is \[2, 192\]"),
        ("several", "must be a tensor of floating-point numbers, but is tuple"),
        ("other_side", r"D\(x\[2, 3, 8, 8\]\) failed: RuntimeError: addmm"),
        ("constant", "has no gradient: nothing could be trained"),
    ],
)
def test_what_cannot_be_trained_is_one_line(module: str, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        network_facts(f"{module}:{name}", SIZES)
    assert "\n" not in str(refusal.value)
