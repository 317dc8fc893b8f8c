"""Table I of the paper, the two profiles that run it, and the methods. Standard library only.

A *setting* is a row of Table I. A *profile* says what a setting becomes when it is run: `paper`
is the real thing, `digits` the same 26 rows scaled down to the digits that scikit-learn ships.
A *method* says what is done to the discriminator's weights.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar


class UsageError(ValueError):
    """Bad input, found before any work started: one line on what is wrong and what helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A row of Table I: `batch_size` real images per D update, D of width `channels` (CH)."""

    group: str
    batch_size: int
    channels: int
    dataset: str

    @property
    def name(self) -> str:
        return f"{self.group}_{self.batch_size}-{self.channels}"


def _table_i() -> dict[str, Setting]:
    rows = [
        *(("A", batch, 128, "cifar10") for batch in (16, 32, 64, 128, 256, 512, 1024)),
        *(("B", batch, 64, "cifar10") for batch in (8, 16, 32, 64, 128, 256)),
        *(("C", batch, 32, "cifar10") for batch in (8, 16, 32, 64)),
        *(("D", batch, 256, "cifar10") for batch in (128, 256, 512)),
        ("E", 64, 128, "stl10"),
        ("E", 256, 128, "stl10"),
        ("E", 256, 64, "stl10"),
        ("E", 256, 32, "stl10"),
        ("E", 512, 64, "imagenet"),
        ("E", 2048, 64, "imagenet"),
    ]
    settings = [Setting(group=g, batch_size=b, channels=c, dataset=d) for g, b, c, d in rows]
    return {setting.name: setting for setting in settings}


SETTINGS: Mapping[str, Setting] = _table_i()


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is done to D's convolution weights beside spectral normalization.

    Every `PROJECTION_PERIOD`th iteration, after each of its D updates, the weight W of each
    convolution is overwritten (form `project`, as released): `lifts` raises sigma_2..sigma_i to
    sigma_1 (static compensation, Eq. 9), `renormalises` divides by sigma_1. With the two
    controls, SN against SR is a 2x2 experiment.
    """

    lifts: bool
    renormalises: bool
    formula: str
    source: str

    @property
    def form(self) -> str | None:
        return "project" if self.lifts or self.renormalises else None


METHODS: Mapping[str, Method] = {
    "sn": Method(
        lifts=False,
        renormalises=False,
        formula="W_SN = W / sigma_1",
        source="Eq. (4); Miyato et al. 2018",
    ),
    "sr-static": Method(
        lifts=True,
        renormalises=True,
        formula="sn, and W <- U diag(1, .., 1, sigma_{i+1}/sigma_1, ..) V^T",
        source="released CIFAR code, updater; Eqs. (9), (10)",
    ),
    "sn-renorm": Method(
        lifts=False,
        renormalises=True,
        formula="sn, and W <- W / sigma_1: the control without the lift",
        source="control, not in the paper",
    ),
    "sr-lift": Method(
        lifts=True,
        renormalises=False,
        formula="sn, and W <- U diag(sigma_1, .., sigma_1, sigma_{i+1}, ..) V^T: lift only",
        source="control, not in the paper",
    ),
}

# `iteration % 5 == 0` in the released updater; the paper does not mention a period.
PROJECTION_PERIOD = 5
DEFAULT_I_RATIO = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How the rows of Table I are run: networks, optimiser, length, and what is measured when."""

    device: str
    generator_channels: int
    generator_batch_factor: int
    n_critic: int
    learning_rate: float
    iterations: int
    evaluate_every: int
    curve_samples: int
    final_samples: int
    batch_size: Mapping[int, int]
    channels: Mapping[int, int]
    dataset: Mapping[str, str]


def _identity(values: Sequence[int]) -> dict[int, int]:
    return {value: value for value in values}


_BATCH_SIZES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
_CHANNELS = (32, 64, 128, 256)

PROFILES: Mapping[str, Profile] = {
    # Released CIFAR code: Adam 2e-4, n_dis 5, G batch twice D's, 50k iterations.
    "paper": Profile(
        device="cuda",
        generator_channels=256,
        generator_batch_factor=2,
        n_critic=5,
        learning_rate=2e-4,
        iterations=50_000,
        evaluate_every=1_000,
        curve_samples=5_000,
        final_samples=5_000,
        batch_size=_identity(_BATCH_SIZES),
        channels=_identity(_CHANNELS),
        dataset={"cifar10": "cifar10", "stl10": "stl10", "imagenet": "imagenet"},
    ),
    # Table I in miniature: widths 16 * log2(CH / 16), batch sizes 16 * (batch / 8) ** (1 / 3) to
    # the nearest multiple of 4, a fiftieth of the iterations. STL-10's rows share their sizes with
    # CIFAR-10's, so they run on the digits at 16x16; ImageNet's rows have sizes of their own
    # and run on the 8x8 digits, unconditionally.
    "digits": Profile(
        device="cpu",
        generator_channels=32,
        generator_batch_factor=1,
        n_critic=1,
        learning_rate=2e-3,
        iterations=1_000,
        evaluate_every=50,
        curve_samples=1_000,
        final_samples=10_000,
        batch_size={
            8: 16, 16: 20, 32: 24, 64: 32, 128: 40, 256: 52, 512: 64, 1024: 80, 2048: 100,
        },
        channels={32: 16, 64: 32, 128: 48, 256: 64},
        dataset={"cifar10": "digits8", "stl10": "digits16", "imagenet": "digits8"},
    ),
}  # fmt: skip


T = TypeVar("T")


def lookup(what: str, table: Mapping[str, T], name: str) -> T:
    """`table[name]`; raises UsageError with the nearest names when there is none."""
    if name in table:
        return table[name]
    raise UsageError(_unknown(what, name, table))


def select(what: str, table: Mapping[str, T], patterns: Sequence[str]) -> list[str]:
    """Names of `table` that match any of the shell patterns, in the table's order.

    Raises UsageError for a pattern that matches nothing.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        matches = fnmatch.filter(table, pattern)
        if not matches:
            raise UsageError(_unknown(what, pattern, table))
        chosen.update(matches)
    return [name for name in table if name in chosen]


def _unknown(what: str, name: str, table: Mapping[str, object]) -> str:
    by_folded = {key.casefold(): key for key in table}
    near = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.4)
    hint = ", ".join(by_folded[key] for key in near) or ", ".join(table)
    return f"unknown {what} {name!r}; did you mean: {hint}?"
