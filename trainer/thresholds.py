"""Limits of the signals of a collapse, by the kind of the trial."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from trainer.config.own_images import recipe_name
from trainer.config.settings import PROFILES, TOYS
from trainer.config.trial import TrialConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Limits of the signals. The defaults separate SN runs of the digits profile, and only those.

    `burn_in` and `spectral_burn_in` are shares of the planned iterations, `patience` a number of
    consecutive evaluations after them, `grace` how many evaluations a run gets after the first
    bad one, so that its collapse is on record. `modes_never` is a share of the modes that there
    are, `modes_fell` one of the best count so far. Where Inception scores stand in for modes,
    IS below `is_fell` of its best and FID above `fid_rose` times its best count together, and a
    FID that never came below `fid_never` of the first one: these three are not calibrated. Nor
    are those of own pictures' gauge: coverage, once it was `coverage_risen`, below
    `coverage_fell` of its best, and FD-pictures above `fd_pictures_rose` times its best, together.
    A run planned for fewer iterations than `shortest` is not judged.

    Calibrated on seeds 100 and 101. Collapsed: C_8-32, C_32-32 (twice), C_64-32, of at most 28
    modes from 30 % to 50 % of the run, with two to five layers fallen to its end. Not collapsed:
    B_8-64, B_64-64, B_256-64, A_16-128, A_64-128 (twice), of 29 modes once and then more; in
    A_64-128 up to four layers fall in the first half and recover, hence the longer burn-in. Seed
    102 and the rest of these eight settings by three seeds were added later and moved nothing.

    `low_share_rose` is calibrated on the eight settings by seed 100: in three evaluations after
    the burn-in the mean share rose by 0.11, 0.14 and 0.16 where SN collapsed (C), by 0.03 at most
    where it did not, but for A_64-128, whose wide D draws well with 0.21. So the share does not
    speak without sigma_2.
    """

    shortest: int = 0
    burn_in: float = 0.3
    spectral_burn_in: float = 0.5
    patience: int = 3
    grace: int = 8
    modes_never: float = 0.03
    modes_fell: float = 0.5
    is_fell: float = 0.75
    fid_rose: float = 1.5
    fid_never: float = 0.6
    coverage_risen: float = 0.1
    coverage_fell: float = 0.5
    fd_pictures_rose: float = 2.0
    layers_fell: int = 2
    sigma2_fell: float = 0.85
    low_share_rose: float = 0.07
    gap_gone: float = 0.02
    dead_spread: float = 1e-4


DEFAULT_THRESHOLDS = Thresholds()
# In the plane a run needs half of its time to find its modes, and has only 8 or 25 of them; a
# discriminator of constant outputs is where JARE converges to, not a failure.
TOY_THRESHOLDS = Thresholds(burn_in=0.5, modes_never=0.4, dead_spread=0.0)


def thresholds_for(config: TrialConfig) -> Thresholds:
    """The thresholds of its kind of trial, for runs of its recipe's length or longer.

    They were calibrated at that length alone: a shorter run has not risen yet where the rules
    would see a collapse.
    """
    return _of_recipe(config.profile, config.dataset)


@lru_cache(maxsize=64)
def _of_recipe(profile: str, dataset: str) -> Thresholds:
    toy = profile == "toy"
    recipe = TOYS[dataset] if toy else PROFILES[profile].recipes[recipe_name(dataset)]
    return replace(TOY_THRESHOLDS if toy else DEFAULT_THRESHOLDS, shortest=recipe.iterations)
