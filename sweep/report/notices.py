"""Notices about a sweep: what of the store's records is worth a message, and its words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sweep.report.progress import method_in_words
from sweep.store.vocabulary import Row
from trainer.verdict import in_words

EVENTS = ("collapse", "failure", "out_of_memory", "stalled", "end")
# Columns of `trials` that notices are made of.
COLUMNS = (
    "trial_id", "setting", "method", "i_ratio", "seed", "status", "iteration", "failures",
    "traceback", "mode_collapse_at", "spectral_collapse_at", "dead_at", "diverged_at",
)  # fmt: skip
# Signals of a trial that is lost; a spectrum that collapsed is none of a bad run by itself.
LOST = ("mode_collapse_at", "dead_at", "diverged_at")
# As in trainer/out_of_memory.py, which needs torch: names of errors, and words of the others.
OUT_OF_MEMORY_ERRORS = ("OutOfMemoryError", "MemoryError")
OUT_OF_MEMORY_WORDS = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED",
    "DefaultCPUAllocator: can't allocate memory",
)
END_SENTENCES = {
    "finished": "is done",
    "failed": "has ended with failures",
    "interrupted": "was interrupted; the same command goes on with it",
    "lost": "has lost its cluster; the same command goes on with it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An event of a sweep or a trial. `key` names it in a file: one event has one key for good."""

    key: str
    event: str
    text: str
    trial_id: str | None = None
    iteration: int | None = None


def trial_notices(row: Row) -> Iterator[Notice]:
    """Notices on a stored trial: that it is lost, and its last failure."""
    trial_id = row["trial_id"]
    method = method_in_words(row["method"], row["i_ratio"], row.get("data_share"))
    name = f"{row['setting']} {method} seed {row['seed']}"
    onsets = [row[signal] for signal in LOST if row[signal] is not None]
    if onsets:
        yield Notice(
            key=f"collapse.{trial_id}",
            event="collapse",
            text=f"{name}: {in_words(row, None)}",
            trial_id=trial_id,
            iteration=min(onsets),
        )
    is_failed = row["status"] == "failed"
    failures = row["failures"] or int(is_failed)
    if failures:
        last_line = (row["traceback"] or "").strip().rpartition("\n")[2]
        reason = f": {last_line}" if last_line else ""
        out_of_memory = is_out_of_memory(row["traceback"] or "")
        times = f" ({failures} times)" if failures > 1 else ""
        verb = "ran out of memory" if out_of_memory else "failed"
        yield Notice(
            key=f"failure.{trial_id}.{failures}",
            event="out_of_memory" if out_of_memory else "failure",
            text=f"{name} {verb}{times}{reason}" + ("" if is_failed else "; it goes on"),
            trial_id=trial_id,
            iteration=row["iteration"],
        )


def is_out_of_memory(traceback: str) -> bool:
    """Tells whether a stored traceback is of a memory that did not suffice."""
    names = re.findall(r"^(?:\w+\.)*(\w+)(?::|$)", traceback, flags=re.MULTILINE)
    has_words = any(words in traceback for words in OUT_OF_MEMORY_WORDS)
    return has_words or any(name in OUT_OF_MEMORY_ERRORS for name in names)


def sweep_notices(sweep: str, record: Mapping[str, Any], *, silent: bool) -> Iterator[Notice]:
    """Notices on a driver's record: that its run has ended, or that it is `silent`."""
    state, attempt = record.get("state"), record.get("attempt")
    if state in END_SENTENCES:
        yield Notice(
            key=f"end.{attempt}",
            event="end",
            text=f"{_name_and_counts(record)} {END_SENTENCES[state]}",
        )
    elif silent:
        beat = re.sub(r"[^\w]", "", str(record.get("heartbeat")))
        text = (
            f"sweep {sweep} is stalled: its driver on {record.get('host')} was last heard of at "
        )
        text += f"{record.get('heartbeat')}; the same command goes on with it"
        yield Notice(key=f"stalled.{attempt}.{beat}", event="stalled", text=text)


def _name_and_counts(record: Mapping[str, Any]) -> str:
    counts = record.get("counts") or {}
    numbers = ", ".join(f"{n} {status}" for status, n in counts.items())
    return f"sweep {record.get('sweep')}" + (f" ({numbers})" if numbers else "")


def body(notice: Notice, sweep: str, noted_at: datetime, service: str | None) -> dict[str, Any]:
    """The message as JSON; `service` is the address at which people reach the service, if any.

    The sentence stands under the names that Slack (`text`) and Discord (`content`) show.
    """
    page = f"/view/trials/{quote(notice.trial_id)}" if notice.trial_id else None
    page = page or f"/view/sweeps/{quote(sweep)}"
    return {
        "event": notice.event,
        "sweep": sweep,
        "trial_id": notice.trial_id,
        "iteration": notice.iteration,
        "at": noted_at.isoformat(timespec="seconds"),
        "link": service.rstrip("/") + page if service else None,
        "text": notice.text,
        "content": notice.text,
    }
