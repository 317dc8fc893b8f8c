"""Tools made of the service's own description: each is one of its routes, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

# Of routes that answer a program; figures and streams are for pages.
TAGS = frozenset(["results", "trials", "paper", "compare", "actions", "notes"])
MEDIA = frozenset(["application/json", "image/png"])
# Of a list's parameters this one is an object whose properties are sent as parameters.
SPREAD = "ranges"
# An agent reads JSON.
LEFT_OUT = frozenset(["format"])


@dataclass(frozen=True, slots=True)
class RouteTool:
    """A route as a tool: where its arguments go, and their JSON schema."""

    name: str
    description: str
    method: str
    path: str
    path_names: frozenset[str]
    body_names: frozenset[str]
    schema: Mapping[str, Any]

    def address(self, arguments: Mapping[str, Any]) -> str:
        """The path with its query. Raises KeyError for a name of the path that is missing."""
        path = re.sub(r"{(\w+)}", lambda m: quote(str(arguments[m[1]]), safe=""), self.path)
        query: list[tuple[str, str]] = []
        for name, value in arguments.items():
            if name not in self.path_names | self.body_names:
                query += _parameters(name, value)
        return f"{path}?{urlencode(query)}" if query else path

    def body(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that are sent as the request's body."""
        return {name: arguments[name] for name in self.body_names if name in arguments}


def _parameters(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if name == SPREAD and isinstance(value, dict):
        for own_name, own_value in value.items():
            yield from _parameters(own_name, own_value)
        return
    for each in value if isinstance(value, list) else [value]:
        yield name, str(each).lower() if isinstance(each, bool) else str(each)


def route_tools(description: Mapping[str, Any]) -> dict[str, RouteTool]:
    """Makes the tools by name of the routes in an OpenAPI description."""
    tools = {}
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if TAGS & set(operation.get("tags", ())) and _media(operation) & MEDIA:
                tool = _tool(path, method.upper(), operation)
                tools[tool.name] = tool
    return tools


def _media(operation: Mapping[str, Any]) -> set[str]:
    responses = operation["responses"]
    return {
        media
        for code in ("200", "201", "202")
        for media in responses.get(code, {}).get("content", ())
    }


def _tool(path: str, method: str, operation: Mapping[str, Any]) -> RouteTool:
    parameters = [p for p in operation.get("parameters", ()) if p["in"] in ("path", "query")]
    shown = [p for p in parameters if p["name"] not in LEFT_OUT]
    content = operation.get("requestBody", {}).get("content", {})
    body = content.get("application/json", {}).get("schema", {})
    properties = {p["name"]: _property(p) for p in shown} | body.get("properties", {})
    required = [p["name"] for p in shown if p.get("required")] + body.get("required", [])
    schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    return RouteTool(
        name=_name(path, method),
        description=operation.get("description") or operation["summary"],
        method=method,
        path=path,
        path_names=frozenset(p["name"] for p in parameters if p["in"] == "path"),
        body_names=frozenset(body.get("properties", {})),
        schema=schema,
    )


def _property(parameter: Mapping[str, Any]) -> dict[str, Any]:
    described = {"description": parameter["description"]} if "description" in parameter else {}
    return dict(parameter["schema"]) | described


def _name(path: str, method: str) -> str:
    """`/trials/{trial_id}/evaluations` is `trial_evaluations`: one of the many is singular.

    What is added to `/trials/{trial_id}/notes` is `add_trial_note`; `/actions` are asked.
    """
    words = []
    for word in path.strip("/").split("/"):
        if word.startswith("{"):
            words[-1] = words[-1].removesuffix("s")
        else:
            words.append(word)
    if method == "POST":
        return f"ask_{words[0]}" if words[-1] == "actions" else f"add_{'_'.join(words)[:-1]}"
    return "_".join(words)
