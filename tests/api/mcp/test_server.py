"""The server through the SDK's own client, in this process."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client

from api.app import create_app
from api.mcp.server import mcp_server
from api.web.access import Tokens
from tests.api.logins import CONTROL, READ
from tests.api.servers import collapsed_trial

Asked = Callable[[Client], Awaitable[Any]]


def with_client(root: Path, token: str | None, asked: Asked, tokens: Tokens | None = None) -> Any:
    """What is asked of a server that was started with the token."""

    async def run() -> Any:
        app = create_app(root, tokens)
        async with app.router.lifespan_context(app), Client(mcp_server(app, token)) as client:
            return await asked(client)

    return asyncio.run(run())


def test_answers_are_the_services_own(filled: Path, http: httpx2.Client) -> None:
    trial = collapsed_trial(http)
    questions: dict[str, tuple[dict[str, Any], str]] = {
        "results": ({"setting": ["C_32-32"], "limit": 3}, "/results?setting=C_32-32&limit=3"),
        "trial_evaluations": ({"trial_id": trial}, f"/trials/{trial}/evaluations"),
        "claims": ({}, "/claims"),
        "sql": ({"q": "select count(*) n from trials"}, "/sql?q=select count(*) n from trials"),
    }

    async def asked(client: Client) -> dict[str, Any]:
        return {name: await client.call_tool(name, args) for name, (args, _) in questions.items()}

    for name, result in with_client(filled, None, asked).items():
        expected = http.get(questions[name][1]).json()
        assert not result.is_error
        assert result.structured_content == expected
        assert json.loads(result.content[0].text) == expected


def test_a_grid_is_a_picture(filled: Path, http: httpx2.Client) -> None:
    trial = collapsed_trial(http)
    arguments = {"trial_id": trial, "iteration": 300}
    result = with_client(filled, None, lambda c: c.call_tool("trial_sample", arguments))
    assert (result.content[0].type, result.content[0].mime_type) == ("image", "image/png")


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("trial", {"trial_id": "nobody"}, "404 Not Found: there is no trial 'nobody'"),
        ("trial", {}, "trial needs trial_id"),
        ("results", {"stting": "C_32-32"}, "results has no argument stting"),
        ("results", {"sort": "nothing"}, "422"),
        ("sql", {"q": "drop table trials"}, "only a SELECT is answered"),
        ("nothing", {}, "there are: "),
        ("ask_sweep", {"name": "demo", "action": "stop"}, "it needs the control token"),
    ],
)
def test_a_refusal_says_why(
    filled: Path, tool: str, arguments: dict[str, Any], reason: str
) -> None:
    result = with_client(filled, None, lambda client: client.call_tool(tool, arguments))
    assert result.is_error
    assert reason in result.content[0].text


@pytest.mark.parametrize(("token", "controls"), [(None, False), (READ, False), (CONTROL, True)])
def test_only_a_control_token_acts(
    filled: Path, token: str | None, controls: bool, tmp_path: Path
) -> None:
    async def asked(client: Client) -> tuple[set[str], Any]:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        arguments = {"name": "fig8", "action": "stop"}
        return tools, await client.call_tool("ask_sweep", arguments)

    root = shutil.copytree(filled, tmp_path / "copied")
    tools, result = with_client(root, token, asked, Tokens(READ, CONTROL))
    assert ("ask_sweep" in tools) == controls
    assert "results" in tools
    assert result.is_error != controls
    assert (root / "sweeps" / "fig8.control.json").exists() == controls
