"""Grafana's dashboard as its tests take it: panels, their queries, variables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

GRAFANA = Path(__file__).parents[2] / "deploy/grafana"
VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def dashboard() -> dict[str, Any]:
    return json.loads((GRAFANA / "dashboards/sweeps.json").read_text())


def queries() -> dict[str, str]:
    """Every query by the title of its panel and its letter there."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    }


def variables() -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in dashboard()["templating"]["list"]}
