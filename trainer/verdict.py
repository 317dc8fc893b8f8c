"""A verdict, and its words.

Each signal is seen, not seen, or not judged; healthy is a run of which all were judged and none
was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SIGNALS = {
    "mode_collapse_at": "mode collapse",
    "spectral_collapse_at": "spectral collapse",
    "dead_at": "dead D",
    "diverged_at": "diverged",
}
# The one reason that passes when a run goes on.
TOO_EARLY = "too few evaluations so far"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Each `*_at` is the iteration at which a signal began, None for one not seen. By the
    signal's name `rules` says which rule spoke, and `not_judged` why none could."""

    mode_collapse_at: int | None
    spectral_collapse_at: int | None
    dead_at: int | None
    diverged_at: int | None
    rules: Mapping[str, str]
    not_judged: Mapping[str, str]
    stop: str | None

    @property
    def onsets(self) -> dict[str, int | None]:
        return {name: getattr(self, name) for name in SIGNALS}

    @property
    def healthy(self) -> bool | None:
        """False if a signal was seen; None if none was, but not all were judged."""
        if any(onset is not None for onset in self.onsets.values()):
            return False
        return None if self.not_judged else True

    @property
    def words(self) -> str:
        return in_words(self.onsets, self.not_judged)


def in_words(onsets: Mapping[str, int | None], not_judged: Mapping[str, str] | None) -> str:
    """Names the signals seen, with their iterations, and those not judged; else `healthy`.

    Keys of `onsets` are as in SIGNALS. `not_judged` is None where that was not recorded, as by
    earlier versions.
    """
    words = [
        f"{word} at {onsets[name]}" for name, word in SIGNALS.items() if onsets[name] is not None
    ]
    # A run that diverged has ended, and nothing else is asked of it.
    if not_judged and onsets["diverged_at"] is None:
        words.append(_words_of_not_judged(not_judged))
    if words:
        return ", ".join(words)
    return "no collapse seen" if not_judged is None else "healthy"


def _words_of_not_judged(reasons: Mapping[str, str]) -> str:
    end = "not judged yet" if set(reasons.values()) == {TOO_EARLY} else "not judged"
    names = [word for name, word in SIGNALS.items() if name.removesuffix("_at") in reasons]
    # Divergence is always judged: the others are all that there can be.
    if len(names) == len(SIGNALS) - 1:
        return end
    return f"{' and '.join(names)} {end}"
