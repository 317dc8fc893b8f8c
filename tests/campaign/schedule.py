"""Schedules of a campaign: what befalls a sweep and when, as a function of a kind and a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.campaign.s3_faults import Faults, draw_faults

# How the rounds of a campaign are dealt out: 6 kill, 3 s3 and 1 hosts of ten.
PATTERN = ("kill", "s3", "kill", "kill", "s3", "kill", "hosts", "kill", "s3", "kill")
KINDS = ("kill", "s3", "hosts")
# One S3 round in so many runs whole sweeps through Ray, the others trials alone.
WHOLE_EVERY = 20

# Processes of a sweep on a cluster of its own, and how often each is the one that is killed.
ROLES = {"driver": 3, "worker": 3, "raylet": 3, "gcs": 2, "all": 1}
# What befalls three hosts: `a` has the head and the driver, `b` and `c` a trial's CPU each.
BLOWS = {"cut b": 4, "cut c": 4, "cut a": 1, "kill b": 2, "kill c": 2, "worker": 2}
MOST_EVENTS = 4
# Reports between two events: a small sweep makes 32.
MOST_REPORTS = 8
# In s: up to here a command is still starting Ray and importing torch.
START_UP_SECONDS = 10.0
# In s: Ray gives a host up that has been silent for about 30.
SHORT_CUT_SECONDS, LONG_CUT_SECONDS = (2.0, 10.0), (35.0, 70.0)
# In s: an owner that is suspended for longer than starts.STALE_SECONDS is superseded.
PAUSE_SECONDS = (1.0, 18.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An act and its target, so many reports or seconds after the event before it.

    Seconds also count anew with every start of a command. `seconds` is how long a pause or a cut
    lasts, `pick` chooses among several targets.
    """

    act: str
    target: str
    after: float
    unit: str
    seconds: float = 0.0
    pick: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All that befalls one round. `faults` are those of S3; `whole`: a sweep through Ray."""

    kind: str
    seed: int
    events: tuple[Event, ...]
    faults: Faults | None = None
    whole: bool = True

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.seed}"


def deal(seed: int, count: int, kinds: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The kind and the seed of each of `count` rounds, from `seed` on."""
    pattern = [kind for kind in PATTERN if kind in kinds]
    for number in range(seed, seed + count):
        yield pattern[number % len(pattern)], number


def draw(kind: str, seed: int) -> Schedule:
    """The schedule of a round; equal for an equal kind and seed."""
    rng = random.Random(f"{kind} {seed}")
    if kind == "kill":
        return Schedule(kind=kind, seed=seed, events=_kills(rng, rng.randint(1, MOST_EVENTS)))
    if kind == "hosts":
        return Schedule(kind=kind, seed=seed, events=_blows(rng))
    whole = seed % WHOLE_EVERY == WHOLE_EVERY - 1
    events = _kills(rng, rng.randint(0, 1)) if whole else _starts(rng)
    return Schedule(kind=kind, seed=seed, events=events, faults=draw_faults(rng), whole=whole)


def _kills(rng: random.Random, count: int) -> tuple[Event, ...]:
    return tuple(
        Event(act="kill", target=_weighted(rng, ROLES), pick=rng.randrange(16), **_moment(rng))
        for _ in range(count)
    )


def _moment(rng: random.Random) -> dict:
    if rng.random() < 0.7:
        return {"after": rng.randrange(MOST_REPORTS), "unit": "reports"}
    return {"after": round(rng.uniform(0, START_UP_SECONDS), 2), "unit": "seconds"}


def _blows(rng: random.Random) -> tuple[Event, ...]:
    events = []
    for _ in range(rng.randint(1, 3)):
        act, _, host = _weighted(rng, BLOWS).partition(" ")
        seconds = rng.choice((SHORT_CUT_SECONDS, LONG_CUT_SECONDS)) if act == "cut" else (0, 0)
        events.append(
            Event(
                act="kill" if act == "worker" else act,
                target=host or act,
                after=rng.randrange(2 * MOST_REPORTS),
                unit="reports",
                seconds=round(rng.uniform(*seconds), 1),
                pick=rng.randrange(16),
            )
        )
    return tuple(events)


def _starts(rng: random.Random) -> tuple[Event, ...]:
    """A rival beside the first start in every round; kills and pauses of whoever is first."""
    events = [Event(act="rival", target="worker", after=rng.randrange(4), unit="reports")]
    for _ in range(rng.randint(0, 2)):
        act = "pause" if rng.random() < 0.3 else "kill"
        seconds = round(rng.uniform(*PAUSE_SECONDS), 1) if act == "pause" else 0.0
        after = rng.randrange(1, 5)
        events.append(
            Event(act=act, target="worker", after=after, unit="reports", seconds=seconds)
        )
    return tuple(events)


def _weighted(rng: random.Random, weights: dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]
