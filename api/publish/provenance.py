"""Provenance of a published sweep: commands, software, machines and rules behind its numbers."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import metadata
from typing import Any

from api.pages.rendering import PLOTLY_VERSION
from api.reading import plans
from api.reading.snapshot import Row, Snapshot
from api.reading.version import code_version
from sweep.store.schemas import SCHEMA_VERSION
from trainer.config.trial import SEMANTICS


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts behind the numbers and the folder. Of what differs between trials, each value with the
    number of its trials, the most frequent first."""

    sweep: str
    published_at: str
    snapshot: str
    trials: int
    statuses: Mapping[str, int]
    started_at: str | None
    updated_at: str | None
    seconds: float
    sweep_command: str | None
    publish_command: str
    software: Sequence[tuple[Mapping[str, Any], int]]
    hosts: Sequence[tuple[str, int]]
    devices: Sequence[tuple[str, int]]
    thresholds: Sequence[tuple[Mapping[str, Any], int]]
    semantics: int
    schema: int
    publisher: Mapping[str, str]


def facts(snapshot: Snapshot, sweep: str, command: str, published_at: datetime) -> Facts:
    """The facts of a snapshot that holds the sweep alone."""
    records = list(snapshot.records.values())
    driver = snapshot.drivers.get(sweep)
    started_records = [row for row in records if row["status"] != "planned"]
    starts = [row["started_at"] for row in started_records if row["started_at"]]
    changes = [row["updated_at"] for row in started_records if row["updated_at"]]
    return Facts(
        sweep=sweep,
        published_at=published_at.isoformat(timespec="seconds"),
        snapshot=snapshot.id,
        trials=len(records),
        statuses=dict(Counter(row["status"] for row in records)),
        started_at=min(starts).isoformat() if starts else None,
        updated_at=max(changes).isoformat() if changes else None,
        seconds=3600 * plans.hours(records),
        sweep_command=driver.command if driver else None,
        publish_command=command,
        software=_counted_objects(started_records, "software"),
        hosts=Counter(row["host"] for row in started_records if row["host"]).most_common(),
        devices=Counter(_device(row) for row in started_records).most_common(),
        thresholds=_counted_objects(started_records, "thresholds"),
        semantics=SEMANTICS,
        schema=SCHEMA_VERSION,
        publisher={
            "python": platform.python_version(),
            "srgan-sweep": _version("srgan-sweep"),
            "code": code_version(),
            "plotly": PLOTLY_VERSION,
        },
    )


def environment_json(facts: Facts) -> bytes:
    """All facts as JSON."""
    content = asdict(facts)
    for name, key in [("software", "versions"), ("thresholds", "values")]:
        content[name] = [{key: value, "trials": n} for value, n in content[name]]
    for name, key in [("hosts", "host"), ("devices", "device")]:
        content[name] = [{key: value, "trials": n} for value, n in content[name]]
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _counted_objects(records: Iterable[Row], column: str) -> list[tuple[dict[str, Any], int]]:
    counts = Counter(row[column] for row in records if row[column])
    return [(_object(text), n) for text, n in counts.most_common()]


def _object(text: str) -> dict[str, Any]:
    """A stored JSON object; one that is not stands as it is under `text`."""
    try:
        value = json.loads(text)
    except ValueError:
        return {"text": text}
    return value if isinstance(value, dict) else {"text": text}


def _device(record: Row) -> str:
    return str(_object(record["config"] or "{}").get("device") or "not recorded")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a working directory that is not installed
        return "not installed"
