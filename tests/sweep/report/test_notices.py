"""What of stored rows and drivers' records is worth a message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sweep.report.notices import (
    COLUMNS,
    OUT_OF_MEMORY_WORDS,
    body,
    sweep_notices,
    trial_notices,
)
from sweep.store.schemas import SCHEMAS
from trainer import out_of_memory

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def row(**values: Any) -> dict[str, Any]:
    start = {"trial_id": "t", "setting": "C_8-32", "method": "sn", "seed": 3, "status": "running"}
    return dict.fromkeys(COLUMNS) | start | values


def test_its_columns_are_stored() -> None:
    assert set(COLUMNS) <= set(SCHEMAS["trials"].names)


@pytest.mark.parametrize("status", ["planned", "running", "completed", "stopped"])
def test_a_healthy_trial_is_no_news(status: str) -> None:
    assert list(trial_notices(row(status=status, failures=0))) == []
    assert list(trial_notices(row(status=status, spectral_collapse_at=300))) == []


@pytest.mark.parametrize("signal", ["mode_collapse_at", "dead_at", "diverged_at"])
def test_a_lost_trial_is_told_once(signal: str) -> None:
    (first,) = trial_notices(row(**{signal: 300}))
    (later,) = trial_notices(row(**{signal: 250}, status="collapsed", spectral_collapse_at=200))
    assert first.key == later.key == "collapse.t"
    assert (first.event, first.iteration, later.iteration) == ("collapse", 300, 250)
    assert first.text.startswith("C_8-32 sn seed 3: ")
    assert "300" in first.text


def test_each_failure_is_told() -> None:
    (first,) = trial_notices(row(status="failed", failures=1, traceback="a\nValueError: x\n"))
    (second,) = trial_notices(row(status="failed", failures=2, traceback="a\nOSError: y"))
    (missed,) = trial_notices(row(status="running", failures=2))
    assert first.text == "C_8-32 sn seed 3 failed: ValueError: x"
    assert second.text == "C_8-32 sn seed 3 failed (2 times): OSError: y"
    assert first.key != second.key == missed.key
    assert missed.text == "C_8-32 sn seed 3 failed (2 times); it goes on"
    (unnumbered,) = trial_notices(row(status="failed"))
    assert unnumbered.key == "failure.t.1"


@pytest.mark.parametrize(
    "line",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to",
        "torch.cuda.OutOfMemoryError: x",
        "MemoryError",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate",
    ],
)
def test_a_lack_of_memory_is_an_event_of_its_own(line: str) -> None:
    (notice,) = trial_notices(row(status="failed", failures=1, traceback=f"a\n{line}"))
    assert notice.event == "out_of_memory"
    assert notice.key == "failure.t.1"
    assert "ran out of memory" in notice.text


def test_its_words_are_the_trainers() -> None:
    assert out_of_memory._WORDS == OUT_OF_MEMORY_WORDS
    (notice,) = trial_notices(row(status="failed", failures=1, traceback="ValueError: Memory x"))
    assert notice.event == "failure"


def test_the_end_and_a_stall_are_told() -> None:
    record = {"sweep": "demo", "state": "running", "attempt": "a", "host": "head"}
    record |= {"heartbeat": AT.isoformat(), "counts": {"completed": 3, "failed": 1}}
    assert list(sweep_notices("demo", record, silent=False)) == []
    (stalled,) = sweep_notices("demo", record, silent=True)
    assert stalled.event == "stalled"
    assert "head was last heard of at 2026-03-01" in stalled.text
    for state in ("finished", "failed", "interrupted", "lost"):
        (end,) = sweep_notices("demo", record | {"state": state}, silent=False)
        assert (end.event, end.key) == ("end", "end.a")
        assert end.text.startswith("sweep demo (3 completed, 1 failed) ")
    later = record | {"heartbeat": "2026-03-01T13:00:00+00:00"}
    (again,) = sweep_notices("demo", later, silent=True)
    assert again.key != stalled.key


def test_the_message_is_what_receivers_show() -> None:
    (notice,) = trial_notices(row(mode_collapse_at=300))
    message = body(notice, "demo", AT, "https://lab/sweeps/")
    assert message == {
        "event": "collapse",
        "sweep": "demo",
        "trial_id": "t",
        "iteration": 300,
        "at": "2026-03-01T12:00:00+00:00",
        "link": "https://lab/sweeps/view/trials/t",
        "text": notice.text,
        "content": notice.text,
    }
    assert body(notice, "demo", AT, None)["link"] is None
    (end,) = sweep_notices("a b", {"state": "finished", "attempt": "a"}, silent=False)
    assert body(end, "a b", AT, "http://x")["link"] == "http://x/view/sweeps/a%20b"
