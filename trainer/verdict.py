"""A verdict, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Each `*_at` is an iteration or None; `rules` says by name which rule spoke and why."""

    mode_collapse_at: int | None
    spectral_collapse_at: int | None
    dead_at: int | None
    diverged_at: int | None
    rules: Mapping[str, str]
    stop: str | None

    @property
    def words(self) -> str:
        return in_words({name: getattr(self, name) for name in SIGNALS})


SIGNALS = {
    "mode_collapse_at": "mode collapse",
    "spectral_collapse_at": "spectral collapse",
    "dead_at": "dead D",
    "diverged_at": "diverged",
}


def in_words(signals: Mapping[str, int | None]) -> str:
    """`healthy`, or the signals with their iterations; keys as in SIGNALS."""
    seen_signals = [
        f"{word} at {signals[name]}" for name, word in SIGNALS.items() if signals[name] is not None
    ]
    return ", ".join(seen_signals) or "healthy"
