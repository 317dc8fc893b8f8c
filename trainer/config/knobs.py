"""The knobs of each method: what a comparison tunes, over which range. Standard library only.

A method has at most two knobs of its own, those that matter most, and beside them D's learning
rate. A knob takes levels of a scale, so that a candidate that was tried is known by its trial ids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """A field of TrialConfig and the `levels`, ascending, that a tuner may give it.

    `scale` says how they are spaced: linear, log, or listed. `source` is where the range is from.
    """

    name: str
    levels: Sequence[float]
    scale: str
    source: str

    @property
    def range_in_words(self) -> str:
        low, high = self.levels[0], self.levels[-1]
        return f"{self.name} {low:g} to {high:g} ({self.scale}, {len(self.levels)} levels)"


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _around(published: float, below: int, above: int, source: str) -> Knob:
    """A penalty's weight in half decades, so many below and above the published one."""
    levels = [_rounded(published * math.sqrt(10) ** k) for k in range(-below, above + 1)]
    return Knob(name="penalty_weight", levels=levels, scale="log", source=source)


_TWO_DECADES = "two decades below and above the published weight: our choice"


def _weight(published: float) -> Knob:
    return _around(published, 4, 4, _TWO_DECADES)


RATE = Knob(
    name="discriminator_rate_factor",
    levels=[_rounded(2 ** (k / 2)) for k in range(-4, 7)],
    scale="log",
    source="two time scales, Heusel et al. 2017; SAGAN takes 4; here 1/4 to 8: our choice",
)
# At a factor of 1 the method is called sn.
_OTHER_RATE = Knob(
    name=RATE.name,
    levels=[level for level in RATE.levels if level != 1],
    scale=RATE.scale,
    source=RATE.source,
)
_I = Knob(
    name="i_ratio",
    levels=[k / 16 for k in range(1, 17)],
    scale="linear",
    source="the paper's Fig. 8 varies i; its default is 0.5",
)
_PERIOD = Knob(
    name="projection_period",
    levels=[1, 2, 5, 10, 20],
    scale="log",
    source="5 in the released code; the paper names no period",
)

KNOBS: Mapping[str, Sequence[Knob]] = {
    "sn": (),
    "sn-ttur": (_OTHER_RATE,),
    "sr-static": (_I, _PERIOD, RATE),
    "sn-renorm": (_PERIOD, RATE),
    "sr-lift": (_I, _PERIOD, RATE),
    "sr-dynamic": (_PERIOD, RATE),
    "sr-dynamic-renorm": (_PERIOD, RATE),
    "sr-static-reparam": (_I, RATE),
    "sr-dynamic-reparam": (RATE,),
    "sr-floor": (
        Knob(
            name="spectral_floor",
            levels=[k / 10 for k in range(1, 11)],
            scale="linear",
            source="a share of sigma_1, published nowhere: all of its range",
        ),
        _PERIOD,
        RATE,
    ),
    "sr-iso": (_PERIOD, RATE),
    "none": (RATE,),
    "wn": (RATE,),
    "pacgan": (
        Knob(
            name="packing", levels=[2, 3, 4], scale="linear", source="Lin et al. 2018 try 2, 3, 4"
        ),
        RATE,
    ),
    "simgd": (RATE,),
    "jare": (_weight(100.0), RATE),
    "conopt": (_weight(10.0), RATE),
    "r1": (_weight(10.0), RATE),
    "rpgan": (RATE,),
    "rpgan-r1r2": (
        _around(0.05, 2, 7, "the presets of R3GAN's code reach from 0.05 to 150"),
        RATE,
    ),
    "unrolled": (
        Knob(
            name="unrolled_steps",
            levels=[1, 2, 5, 10],
            scale="listed",
            source="Metz et al. 2017 compare 0, 1, 5 and 10",
        ),
        RATE,
    ),
    "wgan-gp": (
        _weight(10.0),
        Knob(
            name="n_critic",
            levels=[1, 2, 5],
            scale="listed",
            source="Gulrajani et al. 2017 take 5 updates of D; the digits profile takes 1",
        ),
        RATE,
    ),
    "orthonormal": (_weight(1e-4), RATE),
    "srip": (_weight(0.01), RATE),
    "lecam": (_weight(0.3), RATE),
    "bcr": (_weight(10.0), RATE),
    "diffaug": (RATE,),
    "nugan": (
        Knob(
            name="nudge_gamma",
            levels=[0.0, 0.01, 0.03, 0.1, 0.3],
            scale="listed",
            source="Jastrzebski et al. 2019 nudge with gammas from 0.01",
        ),
        Knob(
            name="nudge_k",
            levels=[1, 2, 5, 10],
            scale="listed",
            source="Jastrzebski et al. 2019 take 5 directions",
        ),
        RATE,
    ),
}


def tuning_note(method: str) -> str | None:
    """Says that a method has no knob of its own, and what is tuned instead; None if it has one."""
    if not KNOBS[method]:
        return "runs as published: at another rate of D it is sn-ttur, which is tuned"
    if {knob.name for knob in KNOBS[method]} == {RATE.name}:
        return "has no knob of its own: D's learning rate alone is tuned"
    return None
