"""What counts as a hang: no change of the results, and no word."""

from __future__ import annotations

import os
from pathlib import Path

from sweep.store.store import Store
from tests.campaign.stillness import Stillness, events_in, store_state, words_in


def test_the_time_since_the_last_change_is_measured() -> None:
    still = Stillness(since=0.0)
    assert still.seconds("a", 10.0) == 0
    assert still.seconds("a", 25.0) == 15
    assert still.seconds("b", 26.0) == 0
    assert still.seconds("b", 150.0) == 124


def test_heartbeats_are_no_progress(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("samples/t/0.png", b"0")
    before = store_state(tmp_path)
    store.write("claims/t.json", b"{}")
    store.write("sweeps/s.json", b"{}")
    assert store_state(tmp_path) == before
    store.write("samples/t/0.png", b"1")
    os.utime(tmp_path / "samples/t/0.png", ns=(0, 2**62))
    assert store_state(tmp_path) != before


def test_summaries_are_no_words_and_half_a_line_is_no_event(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert (words_in([log]), events_in([log])) == (0, [])
    log.write_text('{"event": "trial", "n": 1}\nRay says\n{"event": "tri')
    words = words_in([log])
    assert events_in([log]) == [{"event": "trial", "n": 1}]
    with log.open("a") as file:
        file.write('al"}\n{"event": "summary"}\n')
    assert len(events_in([log])) == 3
    assert words_in([log]) == words + 1
