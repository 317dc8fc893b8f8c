"""Faults of an object store, one for each request, as a function of a seed. No network here.

The fault of a request depends on its method, its key and how many such requests came before, not
on what other requests came in between: a trial that asks for the same things meets the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

# Kinds, by what becomes of the request and of its answer.
DELAY = "delay"  # applied and answered after a while
LATE = "late"  # the same, but after the client has given up and gone on
REFUSE = "refuse"  # not applied; answered with one of ERRORS
DROP = "drop"  # not applied; the connection is reset
DROP_AFTER = "drop after"  # applied; the connection is reset instead of an answer
REFUSE_AFTER = "refuse after"  # applied; answered with one of ERRORS
CUT = "cut"  # applied; half of the answer's body, then the connection is closed
SLOW = "slow"  # applied; the answer drips
DOUBLE = "double"  # applied and answered, and applied once more some seconds later
READ_FAULTS = {DELAY: 2, REFUSE: 3, DROP: 2, CUT: 2, SLOW: 1}
DELETE_FAULTS = {DELAY: 2, LATE: 1, REFUSE: 3, DROP: 2, DROP_AFTER: 2, REFUSE_AFTER: 2}
PUT_FAULTS = DELETE_FAULTS | {LATE: 3, DOUBLE: 8, SLOW: 1}
FAULTS: Mapping[str, Mapping[str, int]] = {
    "GET": READ_FAULTS,
    "HEAD": READ_FAULTS,
    "PUT": PUT_FAULTS,
    "DELETE": DELETE_FAULTS,
    "POST": DELETE_FAULTS,
}
# Status, code and message, as S3 answers them.
ERRORS = (
    (500, "InternalError", "We encountered an internal error. Please try again."),
    (503, "SlowDown", "Please reduce your request rate."),
    (503, "ServiceUnavailable", "Service is unable to handle request."),
)
# In s. Arrow's client gives up on an answer after 3. What comes late is to outlast a small trial:
# while it trains, the next evaluation writes over whatever was lost.
DELAY_SECONDS = (0.05, 1.5)
LATE_SECONDS = (3.5, 15.0)
DOUBLE_SECONDS = (0.2, 20.0)
SLOW_SECONDS = (0.5, 2.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The fault of one request; `seconds` of delay, dripping, or until it is applied again."""

    kind: str
    seconds: float = 0.0
    error: tuple[int, str, str] = ERRORS[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The share of requests that have a fault, by whether they write, and outages.

    An outage is (the request that it begins with, counted over all; how long, in s).
    """

    seed: int
    of_reads: float = 0.0
    of_writes: float = 0.0
    outages: tuple[tuple[int, float], ...] = ()

    def draw(self, method: str, key: str, number: int) -> Fault | None:
        """The fault of the `number`-th request of this method and key, from 0; None for none."""
        rng = random.Random(f"{self.seed} {method} {key} {number}")
        kinds = FAULTS.get(method, READ_FAULTS)
        share = self.of_reads if kinds is READ_FAULTS else self.of_writes
        if rng.random() >= share:
            return None
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        span = {
            DELAY: DELAY_SECONDS,
            LATE: LATE_SECONDS,
            DOUBLE: DOUBLE_SECONDS,
            SLOW: SLOW_SECONDS,
        }.get(kind, (0.0, 0.0))
        return Fault(kind=kind, seconds=rng.uniform(*span), error=rng.choice(ERRORS))


def draw_faults(rng: random.Random) -> Faults:
    """Faults of a round: of up to one write in five, of fewer reads, and some outages."""
    outages = [(rng.randrange(200), round(rng.uniform(1, 8), 1))] if rng.random() < 0.3 else []
    return Faults(
        seed=rng.randrange(2**32),
        of_reads=round(rng.uniform(0.0, 0.04), 3),
        of_writes=round(rng.uniform(0.02, 0.2), 3),
        outages=tuple(outages),
    )
