"""Rules for Prometheus: as it takes them, and about metrics that there are."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.web.metrics import exposition, store_metrics
from api.web.service import open_service
from tests.api.stores import fill

DEPLOY = Path(__file__).parents[2] / "deploy"
DURATION = re.compile(r"\d+[smhd]")
NAME = re.compile(r"\b(?:sweep|http)_\w+")
# Labels of every sample, and of the rules themselves.
SCRAPED = {"instance", "job"}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    assert group.keys() == {"name", "rules"}
    return group["rules"]


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, set[str]]]:
    """Help and labels of every metric by its name."""
    service = open_service(fill(tmp_path_factory.mktemp("results")), None)
    service.store.write("trials/odd.parquet", b"nothing")
    service.watcher.refresh()
    assert service.watcher.current is not None
    text = exposition(service, store_metrics(service.watcher.current), datetime.now(UTC))
    helps = dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.MULTILINE))
    labels: dict[str, set[str]] = {name: set() for name in helps}
    for name, label_text in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE):
        labels[name] |= set(re.findall(r'(\w+)="', label_text))
    return {name: (helps[name], labels[name]) for name in helps}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_is_one(rule: dict[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"[A-Z]\w+", rule["alert"])
    assert DURATION.fullmatch(rule.get("for", "0s"))
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"]
    assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_is_about_metrics_that_there_are(
    rule: dict[str, Any], metrics: dict[str, tuple[str, set[str]]]
) -> None:
    names = set(NAME.findall(rule["expr"]))
    assert names <= metrics.keys()
    assert not any("deprecated" in metrics[name][0] for name in names)
    known = SCRAPED.union(*(metrics[name][1] for name in names))
    asked = set(re.findall(r"(\w+)=\"", rule["expr"]))
    for listed in re.findall(r"(?:on|by) \(([^)]*)\)", rule["expr"]):
        asked |= {label.strip() for label in listed.split(",")}
    asked |= set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert asked <= known


def test_stalled_sweeps_and_unreadable_files_are_told() -> None:
    expressions = " ".join(rule["expr"] for rule in rules())
    assert 'sweep_state_info{state="stalled"}' in expressions
    assert "sweep_store_unreadable_files" in expressions


def test_every_metric_is_explained(metrics: dict[str, tuple[str, set[str]]]) -> None:
    text = (DEPLOY / "README.md").read_text()
    own = {name for name in metrics if not name.startswith("http_")} - {"sweep_event_streams"}
    assert own <= set(NAME.findall(text))
