"""Grafana's dashboard by what Grafana asks of one; its queries run in test_prometheus.py."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import yaml

from tests.deploy.dashboard import GRAFANA, VARIABLE, dashboard, queries, variables

COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# That Grafana knows by itself.
BUILT_IN = {"__rate_interval"}
# A description tells what the title leaves open; a row is a heading.
KINDS = {"stat", "table", "timeseries", "row"}


def panels() -> list[dict[str, Any]]:
    return dashboard()["panels"]


def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    return not beside and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


def test_it_is_one_that_grafana_10_4_and_later_take() -> None:
    board = dashboard()
    # Of Grafana 10.4; later ones bring it up to their own when they load it.
    assert board["schemaVersion"] == 39
    assert board["uid"] == "srgan-sweep"
    assert board["title"]
    assert "id" not in board  # a number of one Grafana's database
    assert "__inputs" not in board  # which provisioning leaves unfilled


def test_panels_have_numbers_of_their_own() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(number, int) and number > 0 for number in ids)


def test_panels_are_within_the_grid_and_lie_side_by_side() -> None:
    places = [panel["gridPos"] for panel in panels()]
    for place in places:
        assert place.keys() == {"x", "y", "w", "h"}
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= COLUMNS
        assert min(place["w"], place["h"]) > 0
    assert not any(overlap(a, b) for a, b in itertools.combinations(places, 2))


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_asks_the_chosen_prometheus(panel: dict[str, Any]) -> None:
    assert panel["type"] in KINDS
    if panel["type"] == "row":
        return
    assert panel["description"].endswith(".")
    assert panel["datasource"] == SOURCE
    assert panel["targets"]
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        assert target["instant"] != target["range"]
        assert (target.get("format") == "table") == (panel["type"] == "table")


def test_variables_are_those_that_are_asked_for() -> None:
    named = variables()
    assert named["datasource"]["type"] == "datasource"
    assert named["datasource"]["query"] == "prometheus"
    used = {name for query in queries().values() for name in VARIABLE.findall(query)} - BUILT_IN
    of_variables = (v["query"]["query"] for v in named.values() if v["type"] == "query")
    used |= {name for query in of_variables for name in VARIABLE.findall(query)}
    assert used | {"datasource"} == named.keys()
    assert next(iter(named)) == "datasource"  # the others ask it


def test_provisioning_names_where_compose_puts_things() -> None:
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/sweeps.yml").read_text())[
        "providers"
    ]
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    compose = yaml.safe_load((GRAFANA.parent / "compose.yaml").read_text())
    mounts = [volume.split(":")[:2] for volume in compose["services"]["grafana"]["volumes"]]
    assert ["./grafana/dashboards", provider["options"]["path"]] in mounts
    assert ["./grafana/provisioning", "/etc/grafana/provisioning"] in mounts
    host, port = source["url"].removeprefix("http://").split(":")
    assert compose["services"][host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    scrape = yaml.safe_load((GRAFANA.parent / "prometheus/prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scrape["scrape_interval"]
