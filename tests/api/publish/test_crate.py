"""RO-Crate metadata: what the specification demands of it, and that it misses no file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from api.publish.crate import METADATA, crate
from api.publish.local_service import LocalService
from api.publish.part import SweepPart
from api.publish.provenance import facts
from tests.api.publish.test_provenance import AT


def entities(content: bytes) -> dict[str, dict[str, Any]]:
    graph = json.loads(content)["@graph"]
    by_id = {entity["@id"]: entity for entity in graph}
    assert len(by_id) == len(graph)
    return by_id


def test_it_describes_every_file(published: Path) -> None:
    by_id = entities((published / METADATA).read_bytes())
    files = {p.relative_to(published).as_posix() for p in published.rglob("*") if p.is_file()}
    described = {name for name, entity in by_id.items() if entity["@type"] == "File"}
    assert described == files - {METADATA, "SHA256SUMS"}
    root = by_id["./"]
    assert {part["@id"] for part in root["hasPart"]} == described
    assert root["@type"] == "Dataset"
    assert root["datePublished"]
    assert by_id[METADATA]["about"] == {"@id": "./"}
    assert by_id[METADATA]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    for entity in by_id.values():
        for value in entity.values():
            for reference in value if isinstance(value, list) else [value]:
                if isinstance(reference, dict) and not reference["@id"].startswith("https://w3id"):
                    assert reference["@id"] in by_id
    index = by_id["index.html"]
    assert index["encodingFormat"] == "text/html"
    assert int(index["contentSize"]) == (published / "index.html").stat().st_size


def test_a_licence_is_named_where_one_is_given(small: Path, tmp_path: Path) -> None:
    snapshot = LocalService(SweepPart(small, "small")).snapshot
    found = facts(snapshot, "small", "command", AT)
    assert "license" not in entities(crate(tmp_path, found, None, 13))["./"]
    named = entities(crate(tmp_path, found, "CC-BY-4.0", 13))
    assert named["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    address = "https://example.org/terms"
    assert entities(crate(tmp_path, found, address, 13))[address]["@type"] == "CreativeWork"
