"""Which signals of a collapse were judged, as a trial's row has it. Standard library only."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Mapping

from sweep.store.vocabulary import SIGNALS, Row

# The reason that passes when a run goes on; the trainer writes it.
TOO_EARLY = "too few evaluations so far"


def reasons_not_judged(row: Row) -> Mapping[str, str] | None:
    """By signal, without its `_at`, the reason why it was not judged: empty if all were.

    None if the row does not say, as those of earlier versions do not.
    """
    return _reasons(row.get("not_judged"))


@functools.lru_cache(maxsize=256)
def _reasons(text: str | None) -> Mapping[str, str] | None:
    return None if text is None else {name: str(why) for name, why in json.loads(text).items()}


def is_judged(signal: str, not_judged: Collection[str] | None) -> bool:
    """Tells whether a signal was judged; where that is not recorded, it counts as judged.

    `signal` is one of SIGNALS, `not_judged` has the names of those that were not.
    """
    return not_judged is None or signal.removesuffix("_at") not in not_judged


def standing_reason(signal: str, reasons: Mapping[str, str] | None) -> str | None:
    """The reason why a signal is not judged, unless it passes when the run goes on."""
    reason = (reasons or {}).get(signal.removesuffix("_at"))
    return None if reason == TOO_EARLY else reason


def healthy(row: Row) -> bool | None:
    """True if every signal was judged and none seen, False if one was seen, None if it is open."""
    if any(row[signal] is not None for signal in SIGNALS):
        return False
    return True if reasons_not_judged(row) == {} else None
