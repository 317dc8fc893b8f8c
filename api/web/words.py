"""Numbers, times and verdicts as a person reads them."""

from __future__ import annotations

from typing import Protocol

from sweep.store.vocabulary import FINISHED, SIGNALS, UNREADABLE


class Signals(Protocol):
    """The iteration at which each signal of a collapse began, None for one that was not seen."""

    @property
    def mode_collapse_at(self) -> int | None: ...
    @property
    def spectral_collapse_at(self) -> int | None: ...
    @property
    def dead_at(self) -> int | None: ...
    @property
    def diverged_at(self) -> int | None: ...


NOUNS = dict(
    zip(
        SIGNALS,
        ("mode collapse", "spectral collapse", "a dead discriminator", "divergence"),
        strict=True,
    )
)


class Judged(Signals, Protocol):
    """A trial's status beside its signals."""

    @property
    def status(self) -> str: ...


def number(value: float | None, digits: int = 3) -> str:
    """Writes a number to `digits` significant figures, whole from 100 on; a dash for none."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def duration(seconds: float) -> str:
    """Writes a duration to about two figures: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def verdict(trial: Judged) -> str:
    """States the collapses in a sentence, and which of two came first."""
    if trial.status == "planned":
        return "Not started."
    if trial.status == UNREADABLE:
        return "Its file cannot be read: how it stands is not known."
    collapses = [
        f"{noun} from iteration {onset}"
        for name, noun in NOUNS.items()
        if (onset := getattr(trial, name)) is not None
    ]
    if not collapses:
        so_far = "" if trial.status in FINISHED else " so far"
        return f"No collapse was seen{so_far}."
    sentence = ", ".join(collapses)
    return f"{sentence[0].upper()}{sentence[1:]}.{_order(trial)}"


def _order(trial: Signals) -> str:
    modes, spectrum = trial.mode_collapse_at, trial.spectral_collapse_at
    if modes is None or spectrum is None:
        return ""
    if modes == spectrum:
        return " Both began at the same evaluation."
    first = "spectrum" if spectrum < modes else "modes"
    return f" The {first} went first, {abs(modes - spectrum)} iterations before the other."
