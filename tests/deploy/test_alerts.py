"""Rules for Prometheus: as it takes them, and about metrics that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.web.latency import LatencyHistogram
from api.web.metrics import exposition, store_metrics
from api.web.service import open_service
from sweep.report.expense import GpuRates
from sweep.store.store import Store
from tests.api.stores import identity, write_driver, write_plan, write_trial

DEPLOY = Path(__file__).parents[2] / "deploy"
SCENES = Path(__file__).parent / "alerts_test.yml"
DURATION = re.compile(r"\d+[smhd]")
NAME = re.compile(r"\b(?:sweep|http)_\w+")
# Labels of every sample, and of the rules themselves.
SCRAPED = {"instance", "job"}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    assert group.keys() == {"name", "rules"}
    return group["rules"]


def promtool(*arguments: str, text: str = "") -> None:
    """Runs promtool; fails with what it says."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool on PATH: nothing was checked by it (apt-get install prometheus)")
    done = subprocess.run(
        [program, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `/metrics` answers, with a sample of every metric that there is."""
    store, collapsed = Store(tmp_path_factory.mktemp("results")), identity("C_32-32", "sn", 0)
    write_trial(store, collapsed)
    write_plan(store, "demo", [collapsed])
    write_driver(store, "demo")
    service = open_service(store, None, GpuRates(2.49, "USD", 700))
    service.watcher.refresh()
    assert service.watcher.current is not None
    service.latency["GET", "/results", "2xx"] = LatencyHistogram()
    return exposition(service, store_metrics(service.watcher.current), datetime.now(UTC))


@pytest.fixture(scope="module")
def metrics(exposed: str) -> dict[str, tuple[str, set[str]]]:
    """Help and labels of every metric by its name."""
    helps = dict(re.findall(r"^# HELP (\w+) (.*)$", exposed, re.MULTILINE))
    labels: dict[str, set[str]] = {name: set() for name in helps}
    for name, label_text in re.findall(r"^(\w+)\{(.*)\} ", exposed, re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r'(\w+)="', label_text))
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


def test_prometheus_takes_the_rules_and_the_example_of_a_scrape() -> None:
    promtool("check", "rules", str(DEPLOY / "prometheus/alerts.yml"))
    promtool("check", "config", "--syntax-only", str(DEPLOY / "prometheus/prometheus.yml"))


def test_every_alert_fires_and_is_silent_by_the_scenes() -> None:
    promtool("test", "rules", str(SCENES))


def test_a_scene_has_every_alert_fire_and_the_healthy_one_none() -> None:
    names = {rule["alert"] for rule in rules()}
    healthy, *troubled = yaml.safe_load(SCENES.read_text())["tests"]
    assert {look["alertname"] for look in healthy["alert_rule_test"]} == names
    assert not any("exp_alerts" in look for look in healthy["alert_rule_test"])
    looks = [look for scene in troubled for look in scene["alert_rule_test"]]
    assert {look["alertname"] for look in looks if look.get("exp_alerts")} == names


def test_prometheus_has_nothing_to_say_against_the_metrics(exposed: str) -> None:
    assert 'http_request_duration_seconds_bucket{method="GET",route="/results"' in exposed
    promtool("check", "metrics", text=exposed)


def test_every_metric_is_explained(metrics: dict[str, tuple[str, set[str]]]) -> None:
    text = (DEPLOY / "README.md").read_text()
    own = {name for name in metrics if not name.startswith("http_")} - {"sweep_event_streams"}
    assert own <= set(NAME.findall(text))
