from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from api.mcp.tools import RouteTool, route_tools

DESCRIPTION: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "api" / "openapi.json").read_text()
)
TOOLS = route_tools(DESCRIPTION)


def test_every_question_of_a_program_is_a_tool() -> None:
    """By names that stay: agents are told of them in prompts."""
    assert {
        "results", "groups", "sql", "sweeps", "sweep", "sweep_matrix", "sweep_actions", "trial",
        "trial_evaluations", "trial_spectra", "trial_outputs", "trial_samples", "trial_sample",
        "trial_generate", "table2", "claims", "rivals", "agreement", "detectors", "survival",
        "fig", "fig8", "fig12",
    } <= TOOLS.keys()  # fmt: skip
    assert {name for name, tool in TOOLS.items() if tool.method != "GET"} == {
        "ask_sweep", "ask_trial", "add_sweep_note", "add_trial_note",
    }  # fmt: skip
    paths = [(tool.method, tool.path) for tool in TOOLS.values()]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_a_tool_is_described(tool: RouteTool) -> None:
    jsonschema.Draft202012Validator.check_schema(dict(tool.schema))
    assert "$ref" not in json.dumps(tool.schema)
    assert len(tool.description) > 20
    assert tool.path_names <= set(tool.schema["required"])
    assert "format" not in tool.schema["properties"]


def test_arguments_become_path_query_and_body() -> None:
    results = TOOLS["results"].address(
        {"setting": ["B_*", "C_32-32"], "healthy": True, "ranges": {"fid_lt": 20}, "limit": None}
    )
    assert results == "/results?setting=B_%2A&setting=C_32-32&healthy=true&fid_lt=20"
    assert TOOLS["trial_sample"].address({"trial_id": "a/b", "iteration": 3}) == (
        "/trials/a%2Fb/samples/3"
    )
    asked = {"name": "demo", "action": "stop"}
    assert TOOLS["ask_sweep"].address(asked) == "/sweeps/demo/actions"
    assert TOOLS["ask_sweep"].body(asked) == {"action": "stop"}
