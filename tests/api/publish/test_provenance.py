"""Commands, software and rules behind a published sweep."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from api.publish.local_service import LocalService
from api.publish.part import SweepPart
from api.publish.provenance import environment_json, facts

AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_facts_are_the_stores(small: Path) -> None:
    snapshot = LocalService(SweepPart(small, "small")).snapshot
    found = facts(snapshot, "small", "python -m sweep.publish small out", AT)
    assert found.trials == sum(found.statuses.values()) == 13
    assert found.statuses["planned"] == found.statuses["failed"] == 1
    assert found.sweep_command == "python -m sweep.table1 --profile digits"
    assert found.software == [({"python": "3.11", "torch": "2.15"}, 12)]
    assert found.hosts == [("worker-1", 12)]
    assert found.devices == [("not recorded", 12)]
    content = json.loads(environment_json(found))
    assert content["thresholds"] == [{"values": {"patience": 3, "modes_never": 120}, "trials": 12}]
    assert content["published_at"] == "2026-03-01T00:00:00+00:00"


def test_the_page_says_how_to_make_it_again(published: Path) -> None:
    page = (published / "provenance.html").read_text()
    assert "python -m sweep.table1 --profile digits" in page
    assert f"python -m sweep.publish small {published}" in page
    assert "torch" in page
