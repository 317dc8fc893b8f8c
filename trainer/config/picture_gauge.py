"""Identity of the gauge of own pictures, FD-pictures. Standard library only.

Without the reference Inception weights own pictures are scored by features that are learnt from
themselves (`trainer.scores.picture_features`). A number of it is of one set of pictures and one
version of the gauge; it is no FID, and is never called one.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

SCORE = "fd_pictures"
TITLE = "FD-pictures"
# Raised with whatever changes a number of the gauge: trials get other ids then.
VERSION = 1
# Fewer say too little of a distribution to be compared with.
FEWEST = 200
MODES = 50


@lru_cache(maxsize=1)
def gauge_hash() -> str:
    """SHA-256 that stands for the gauge's recipe in a trial's identity, beside its pictures'."""
    return hashlib.sha256(f"{SCORE} {VERSION}".encode()).hexdigest()


def is_gauged(scorer: str | None) -> bool:
    """Tells whether a trial's scorer is this gauge."""
    return scorer == gauge_hash()
