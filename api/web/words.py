"""Numbers, times and verdicts as a person reads them."""

from __future__ import annotations

from typing import Protocol


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


class Judged(Signals, Protocol):
    """A trial's status beside its signals."""

    @property
    def status(self) -> str: ...


def number(value: float | None, digits: int = 3) -> str:
    """To `digits` significant figures, whole from 100 on; a dash for none."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def duration(seconds: float) -> str:
    """To two figures or so: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def verdict(trial: Judged) -> str:
    """What was seen, in a sentence; says which came first where two collapses were seen."""
    if trial.status == "planned":
        return "Not started."
    seen = {
        "mode collapse": trial.mode_collapse_at,
        "spectral collapse": trial.spectral_collapse_at,
        "a dead discriminator": trial.dead_at,
        "divergence": trial.diverged_at,
    }
    said = [f"{name} from iteration {at}" for name, at in seen.items() if at is not None]
    if not said:
        so_far = " so far" if trial.status in ("running", "failed", "stopped") else ""
        return f"No collapse was seen{so_far}."
    sentence = ", ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]}.{_order(trial)}"


def _order(trial: Signals) -> str:
    modes, spectrum = trial.mode_collapse_at, trial.spectral_collapse_at
    if modes is None or spectrum is None:
        return ""
    if modes == spectrum:
        return " Both began at the same evaluation."
    first = "spectrum" if spectrum < modes else "modes"
    return f" The {first} went first, {abs(modes - spectrum)} iterations before the other."
