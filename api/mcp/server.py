"""The MCP server: lists the tools that a client may use, and asks the service for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from fastapi import FastAPI
from mcp.server import Server, ServerRequestContext
from starlette.requests import Request

from api.mcp.tools import RouteTool, route_tools
from api.reading.version import code_version
from api.web.in_process import Answer, ask

INSTRUCTIONS = """\
What was measured of SN-GAN and SR-GAN training, sweep by sweep, beside the paper's tables.
Begin with `sweeps` and `results`; `sql` answers any SELECT over the tables trials, evaluations,
spectra, outputs and sweeps (`describe trials` lists columns). A number that is not finite is null,
and `nonfinite` names it. A trial is healthy only if every signal was judged; `best` is the lowest
distance before mode collapse. FD-digits is never FID.
"""


def mcp_server(app: FastAPI, own_token: str | None) -> Server[Any]:
    """A server over the service `app`, which has to be running.

    A client over HTTP has the rights of the token that it sends; one over stdio, which has none to
    send, those of `own_token`.
    """
    tools = route_tools(app.openapi())

    def token_of(context: ServerRequestContext[Any, Any]) -> str | None:
        if isinstance(context.request, Request):
            return context.request.headers.get("authorization")
        return f"Bearer {own_token}" if own_token else None

    def controls(context: ServerRequestContext[Any, Any]) -> bool:
        if isinstance(context.request, Request):
            return bool(getattr(context.request.state, "may_control", False))
        return own_token is not None and own_token == app.state.tokens.control

    async def list_tools(
        context: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        may_control = controls(context)
        shown = [tool for tool in tools.values() if tool.method == "GET" or may_control]
        return types.ListToolsResult(tools=list(map(_described, shown)))

    async def call_tool(
        context: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool, arguments = tools.get(params.name), params.arguments or {}
        if tool is None or (tool.method != "GET" and not controls(context)):
            needs = "it needs the control token" if tool else f"there are: {', '.join(tools)}"
            return _failure(f"no tool {params.name!r}: {needs}")
        if unknown := arguments.keys() - tool.schema["properties"].keys():
            return _failure(f"{params.name} has no argument {', '.join(sorted(unknown))}")
        if missing := set(tool.schema["required"]) - arguments.keys():
            return _failure(f"{params.name} needs {', '.join(sorted(missing))}")
        return _result(await _asked(app, tool, arguments, token_of(context)))

    return Server(
        "srgan-sweep",
        version=code_version(),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _described(tool: RouteTool) -> types.Tool:
    reads = tool.method == "GET"
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=dict(tool.schema),
        annotations=types.ToolAnnotations(
            read_only_hint=reads, destructive_hint=not reads, open_world_hint=False
        ),
    )


async def _asked(
    app: FastAPI, tool: RouteTool, arguments: Mapping[str, Any], token: str | None
) -> Answer:
    headers = {"accept": "application/json, image/png;q=0.9"}
    if token is not None:
        headers["authorization"] = token
    body = b""
    if tool.body_names:
        headers["content-type"] = "application/json"
        body = json.dumps(tool.body(arguments)).encode()
        headers["content-length"] = str(len(body))
    address = tool.address(arguments)
    return await ask(app, address, method=tool.method, headers=headers, body=body)


def _result(answer: Answer) -> types.CallToolResult:
    if answer.status >= 400:
        problem = json.loads(answer.body)
        return _failure(f"{problem['status']} {problem['title']}: {problem['detail']}")
    if answer.media == "image/png":
        data = base64.b64encode(answer.body).decode()
        return types.CallToolResult(
            content=[types.ImageContent(type="image", data=data, mime_type=answer.media)]
        )
    text = answer.body.decode()
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=json.loads(text)
    )


def _failure(reason: str) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=reason)], is_error=True
    )
