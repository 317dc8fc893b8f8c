"""Numbers, times and verdicts as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


NOUNS: Mapping[str, str] = dict(
    zip(
        SIGNALS,
        ("mode collapse", "spectral collapse", "a dead discriminator", "divergence"),
        strict=True,
    )
)


class Judged(Signals, Protocol):
    """A trial's status beside its signals, and why some of these were not judged: None where that
    is not recorded."""

    @property
    def status(self) -> str: ...
    @property
    def not_judged(self) -> Mapping[str, str] | None: ...


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


def verdict(trial: Judged, rules: Mapping[str, str] | None = None) -> str:
    """States the collapses, which of two came first, the rules, and what was not judged.

    `rules` are by signal without its `_at`, as `verdict_rules` has them.
    """
    if trial.status == "planned":
        return "Not started."
    if trial.status == UNREADABLE:
        return "Its file cannot be read: how it stands is not known."
    collapses = [
        f"{noun} from iteration {onset}"
        for name, noun in NOUNS.items()
        if (onset := getattr(trial, name)) is not None
    ]
    # A run that diverged has ended, and nothing else is asked of it.
    unjudged = [] if trial.diverged_at is not None else list(_not_judged(trial.not_judged or {}))
    if collapses:
        sentence = f"{_capitalised(', '.join(collapses))}.{_order(trial)}"
        return " ".join([sentence + _by_rule(trial, rules or {}), *unjudged])
    # Divergence is always judged: the others are all that there can be.
    if len(trial.not_judged or {}) == len(SIGNALS) - 1:
        return " ".join(unjudged)
    so_far = "" if trial.status in FINISHED else " so far"
    return " ".join([f"No collapse was seen{so_far}.", *unjudged])


def _not_judged(reasons: Mapping[str, str]) -> Iterator[str]:
    """A sentence per reason, with the signals that were not judged for it."""
    names_by_reason: dict[str, list[str]] = {}
    for signal, reason in reasons.items():
        names_by_reason.setdefault(reason, []).append(NOUNS.get(f"{signal}_at", signal))
    for reason, names in names_by_reason.items():
        if len(names) == len(SIGNALS) - 1:
            yield f"Not judged: {reason}."
        else:
            verb = "is" if len(names) == 1 else "are"
            yield f"{_capitalised(' and '.join(names))} {verb} not judged: {reason}."


def _capitalised(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _by_rule(trial: Signals, rules: Mapping[str, str]) -> str:
    parts = [
        f"{noun}, {rule}"
        for name, noun in NOUNS.items()
        if getattr(trial, name) is not None and (rule := rules.get(name.removesuffix("_at")))
    ]
    return f" By rule: {'; '.join(parts)}." if parts else ""


def _order(trial: Signals) -> str:
    modes, spectrum = trial.mode_collapse_at, trial.spectral_collapse_at
    if modes is None or spectrum is None:
        return ""
    if modes == spectrum:
        return " Both began at the same evaluation."
    first = "spectrum" if spectrum < modes else "modes"
    return f" The {first} went first, {abs(modes - spectrum)} iterations before the other."
