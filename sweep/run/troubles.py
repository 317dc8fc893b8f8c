"""Troubles with the store on the driver's screen, whichever process of the sweep has them.

A worker puts its own into the cluster's key-value store, where a thread of the driver finds them
beside the driver's own: it shows them also while everything else of the driver waits.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sweep.report.display import Show
from sweep.run import temporary_folder
from sweep.store.retry import (
    FULL,
    REPEAT_SECONDS,
    Trouble,
    end_in_words,
    got_through_within,
    in_words,
    told_elsewhere,
    troubles,
)

NAMESPACE = "sweep-troubles"
LOOK_SECONDS = 1.0
# What passes sooner is shown to nobody: a store that is busy refuses a call now and then.
SHORT_SECONDS = 2.0
# A worker in trouble repeats its report; one that no longer does was killed.
RENEW_SECONDS = 5.0
SILENT_SECONDS = 30.0
# Time for which an end is looked for.
RECOVERY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Report:
    """Troubles that another than the driver has, and the places that are well again."""

    troubles: tuple[Trouble, ...] = ()
    recovered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Line:
    """The last line on a trouble: `began_at` of that, `shown_at` in s of time.monotonic()."""

    began_at: float
    shown_at: float


@contextmanager
def watched(show: Show, tell: Callable[..., None]) -> Iterator[None]:
    """Shows the sweep's troubles as notes until the block ends: each once it lasts, again every
    REPEAT_SECONDS, and its end. `tell` gets those that last, as `trouble`, for the record."""
    listen, look_at_folder = _listener(), _temporary_folder()
    last_lines: dict[str, Line] = {}

    def look() -> None:
        now = time.monotonic()
        reports, places = [*listen(now), look_at_folder(now)], set(last_lines)
        recovered = {place for report in reports for place in report.recovered}
        recovered |= {place for place in places if got_through_within(place, RECOVERY_SECONDS)}
        reported_troubles = [trouble for report in reports for trouble in report.troubles]
        current = by_place([*troubles(), *reported_troubles])
        texts = news(last_lines, current, recovered, now)
        if texts or last_lines.keys() != places:
            lasting = [in_words(current[place], now) for place in last_lines]
            tell(trouble="; ".join(lasting) or None)
        for text in texts:
            show("note", text=text)

    with told_elsewhere(), _repeated(look):
        yield


@contextmanager
def reported() -> Iterator[None]:
    """Reports this worker's troubles to its driver until the block ends."""
    with _repeated(_reporter()):
        yield


def by_place(all_troubles: Iterable[Trouble]) -> dict[str, Trouble]:
    """One trouble for each place: the first of the list, as old as the oldest one there."""
    merged: dict[str, Trouble] = {}
    for trouble in all_troubles:
        first = merged.setdefault(trouble.place, trouble)
        merged[trouble.place] = replace(first, began_at=min(first.began_at, trouble.began_at))
    return merged


def news(
    last_lines: dict[str, Line],
    current: Mapping[str, Trouble],
    recovered: Collection[str],
    now: float,
) -> list[str]:
    """Texts to show at `now`, in s of time.monotonic(); puts them down in `last_lines`.

    A trouble that vanishes without recovery, like that of a killed worker, takes no text.
    """
    texts: list[str] = []
    for place, trouble in current.items():
        last = last_lines.get(place)
        began_at = trouble.began_at if last is None else min(last.began_at, trouble.began_at)
        waits = now - began_at < SHORT_SECONDS
        if last is not None:
            waits = now - last.shown_at < REPEAT_SECONDS
        if not waits:
            last_lines[place] = Line(began_at, now)
            texts.append(in_words(replace(trouble, began_at=began_at), now))
    for place in last_lines.keys() - current.keys():
        last = last_lines.pop(place)
        if place in recovered:
            texts.append(end_in_words(place, now - last.began_at))
    return texts


@contextmanager
def _repeated(look: Callable[[], None]) -> Iterator[None]:
    """Calls `look` every LOOK_SECONDS in a thread until the block ends, and once more then."""
    stop = threading.Event()

    def work() -> None:
        is_last = False
        while not is_last:
            is_last = stop.wait(LOOK_SECONDS)
            with contextlib.suppress(OSError):  # of a screen that is gone
                look()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LOOK_SECONDS)  # a cluster that is gone may not answer


def _reporter() -> Callable[[], None]:
    """Returns what reports the troubles of this process: as they change, and again and again."""
    key = f"{_job()}:{socket.gethostname()}:{os.getpid()}"
    beats = itertools.count()
    last: dict[str, Any] = {"places": set(), "time": 0.0}

    def look() -> None:
        now = time.monotonic()
        lasting = [trouble for trouble in troubles() if now - trouble.began_at >= SHORT_SECONDS]
        places = {trouble.place for trouble in lasting}
        if places == last["places"] and (not places or now - last["time"] < RENEW_SECONDS):
            return
        well = last["places"] - places
        recovered = [place for place in well if got_through_within(place, RECOVERY_SECONDS)]
        last.update(places=places, time=now)
        details = [_details(trouble, now) for trouble in lasting]
        report = {"beat": next(beats), "recovered": recovered, "troubles": details}
        _publish(key, json.dumps(report).encode())

    return look


def _details(trouble: Trouble, now: float) -> dict[str, Any]:
    """The trouble as JSON, with its age instead of a time that only this host knows."""
    return {
        "place": trouble.place,
        "kind": trouble.kind,
        "reason": f"{trouble.reason} (seen by {socket.gethostname()})",
        "patience": trouble.patience,
        "age": now - trouble.began_at,
    }


def _listener() -> Callable[[float], list[Report]]:
    """Returns what reads the reports of this driver's workers that are not silent."""
    arrivals: dict[str, tuple[bytes, float]] = {}

    def listen(now: float) -> list[Report]:
        contents = _published()
        for key in arrivals.keys() - contents.keys():
            del arrivals[key]
        for key, content in contents.items():
            if key not in arrivals or arrivals[key][0] != content:
                arrivals[key] = (content, now)
        return [
            _report(content, arrival, now)
            for content, arrival in arrivals.values()
            if now - arrival < SILENT_SECONDS
        ]

    return listen


def _report(content: bytes, arrival: float, now: float) -> Report:
    fields = json.loads(content)
    reported_troubles = tuple(
        Trouble(
            place=details["place"],
            kind=details["kind"],
            reason=details["reason"],
            patience=details["patience"],
            began_at=arrival - details["age"],
        )
        for details in fields["troubles"]
    )
    is_recent = now - arrival < RECOVERY_SECONDS
    return Report(reported_troubles, frozenset(fields["recovered"] if is_recent else ()))


def _temporary_folder() -> Callable[[float], Report]:
    """Returns what reports whether Ray's temporary folder on this host has room."""
    short_since: dict[str, float] = {}

    def look(now: float) -> Report:
        if not _job():
            return Report()
        place = temporary_folder.folder()
        words = temporary_folder.shortage(place)
        if words is None:
            return Report((), frozenset([place] if short_since.pop(place, None) else []))
        reason = f"{words}, and no further trial is started"
        began_at = short_since.setdefault(place, now)
        return Report((Trouble(place, FULL, reason, 0.0, began_at),))

    return look


def _job() -> str:
    """Id of the Ray job, which a driver shares with its workers; empty without a cluster."""
    ray = sys.modules.get("ray")
    is_initialized = getattr(ray, "is_initialized", None)  # not yet there while Ray is imported
    if ray is None or is_initialized is None or not is_initialized():
        return ""
    # Ray may end in another thread at this moment, and raises bare then.
    with contextlib.suppress(Exception):
        return ray.get_runtime_context().get_job_id()
    return ""


def _publish(key: str, content: bytes) -> None:
    from ray.experimental import internal_kv

    # What cannot be reported is in the worker's log.
    with contextlib.suppress(Exception):
        internal_kv._internal_kv_put(key, content, overwrite=True, namespace=NAMESPACE)


def _published() -> dict[str, bytes]:
    """Contents of this job's reports by key; none while there is no cluster."""
    contents: dict[str, bytes] = {}
    # Ray raises many kinds while it starts and ends, and the driver says so by other means.
    with contextlib.suppress(Exception):
        if job := _job():
            from ray.experimental import internal_kv

            for key in internal_kv._internal_kv_list(f"{job}:", namespace=NAMESPACE):
                if content := internal_kv._internal_kv_get(key, namespace=NAMESPACE):
                    contents[key.decode()] = content
    return contents
