"""`python -m api.mcp` as an agent starts it or reaches it, through the SDK's client."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from api.app import create_app
from api.mcp import __main__ as command
from api.web.access import Tokens
from tests.api.logins import CONTROL, READ
from tests.api.servers import result_items

ROOT = Path(__file__).parents[3]
QUESTION = {"q": "select count(*) n from trials"}
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


async def _counted(client: Client) -> int:
    result = await client.call_tool("sql", QUESTION)
    assert result.structured_content is not None, result
    return result.structured_content["items"][0]["n"]


def begun(http: httpx2.Client) -> int:
    return sum(item["status"] != "planned" for item in result_items(http))


@pytest.mark.slow
def test_a_question_over_stdio(filled: Path, http: httpx2.Client, tmp_path: Path) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "api.mcp", "--results", str(filled), "--cache", str(tmp_path)],
        cwd=str(ROOT),
    )

    async def asked() -> int:
        async with Client(parameters) as client:
            return await _counted(client)

    assert asyncio.run(asked()) == begun(http)


@contextmanager
def mcp_over_http(root: Path, tokens: Tokens) -> Iterator[str]:
    """The address of a real server in a thread."""
    app = create_app(root, tokens)
    config = uvicorn.Config(
        command.guarded(app, ("127.0.0.1",)), port=0, log_level="warning", lifespan="on"
    )
    server = uvicorn.Server(config)

    async def serve() -> None:
        async with app.router.lifespan_context(app):
            await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}{command.PATH}"
    server.should_exit = True
    thread.join(10)


def test_a_question_over_http(filled: Path, http: httpx2.Client) -> None:
    async def asked(url: str) -> int:
        async with Client(url) as client:
            return await _counted(client)

    with mcp_over_http(filled, Tokens()) as url:
        assert asyncio.run(asked(url)) == begun(http)


def test_over_http_each_request_has_the_rights_of_its_token(filled: Path) -> None:
    def tools(url: str, token: str | None) -> Any:
        headers = {"Accept": "application/json, text/event-stream"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        answer = httpx2.post(url, json=body, headers=headers, timeout=20)
        if answer.status_code != 200:
            return answer.status_code
        return {tool["name"] for tool in answer.json()["result"]["tools"]}

    with mcp_over_http(filled, Tokens(READ, CONTROL)) as url:
        assert tools(url, None) == 401
        assert tools(url, "x" * 40) == 401
        assert "ask_trial" not in tools(url, READ)
        assert {"results", "ask_trial"} <= tools(url, CONTROL)
    with mcp_over_http(filled, Tokens()) as url:
        other = {"Host": "attacker.example", "Accept": "application/json, text/event-stream"}
        assert httpx2.post(url, json=INITIALIZE, headers=other).status_code == 421
        # What a page of another site can send without asking the browser first.
        plain = httpx2.post(url, content=b"{}", headers={"Content-Type": "text/plain"})
        assert plain.status_code in (400, 406, 415)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--http", "--host", "0.0.0.0"], "needs a token"),
        (["--token-file", "/no/such/file"], "cannot read the token file"),
        (["--results", "ftp://host/results"], "results cannot be in ftp://"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert reason in err


def test_without_the_sdk_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert command.main([]) == 2
    assert "pip install 'srgan-sweep[mcp]'" in capsys.readouterr().err
