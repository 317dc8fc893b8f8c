"""`/llms.txt`: what the service answers, in Markdown, for programs that read prose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response

from api.web.addresses import public_address
from api.web.etags import not_modified_or_continue
from api.web.parameters import known_parameters
from api.web.problems import RESPONSES
from sweep.store.schemas import SCHEMAS

router = APIRouter(
    tags=["operation"], dependencies=[Depends(known_parameters)], responses=RESPONSES
)

# By tag, in the order in which a reader needs them. Others are of pages alone.
SECTIONS = {
    "results": "Trials and sweeps",
    "trials": "One trial",
    "notes": "Notes and tags",
    "compare": "Trials side by side",
    "paper": "The paper beside what was measured",
    "actions": "Actions (with the control token, `Authorization: Bearer ...`)",
    "orders": "Orders of trials (placed with the control token)",
    "operation": "The service itself",
}
NOTES = """\
- A trial's id says what was run: `<profile>.<setting>.<method>.<i or ->.s<seed>-<hash>`.
- A number that is not finite is null, and `nonfinite` names it. NaN is a result: the run diverged.
- `best` is the lowest distance before mode collapse, `final` the last. FD-digits is never FID.
- A trial is healthy only if every signal was judged; `not_judged` says why one was not.
- Tables come as JSON, CSV, Parquet or Arrow (`?format=`); JSON lists are paged (`next_cursor`).
- Errors are `application/problem+json`, with the reason in `detail`.
"""


@router.get("/llms.txt", response_class=PlainTextResponse)
def llms(request: Request) -> Response:
    """What the service answers, for language models: routes, tables, how numbers are meant."""
    text = guide(request.app.openapi(), public_address(request, ""))
    not_modified_or_continue(request, text, "text/plain")
    return PlainTextResponse(text)


def guide(description: Mapping[str, Any], address: str) -> str:
    """The text of an OpenAPI description and of the store's tables; addresses begin with
    `address`."""
    summary, _, _ = description["info"]["description"].partition("\n")
    parts = [f"# {description['info']['title']}\n\n> {summary}\n", NOTES]
    for tag, title in SECTIONS.items():
        if lines := list(_routes(description, tag, address)):
            parts.append("\n".join([f"## {title}\n", *lines]) + "\n")
    parts.append("\n".join(["## Tables of `/sql?q=select ...`\n", *_tables()]) + "\n")
    parts.append(
        f"## Optional\n\n- [OpenAPI]({address}/openapi.json): every parameter and answer\n"
        f"- [Reference]({address}/docs): the same to try out\n"
    )
    return "\n".join(parts)


def _routes(description: Mapping[str, Any], tag: str, address: str) -> Iterator[str]:
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if tag in operation.get("tags", ()):
                meaning = " ".join(operation.get("description", "").split("\n\n")[0].split())
                verb = "" if method == "get" else f"{method.upper()} "
                yield f"- [{verb}{path}]({address}{path}): {meaning}"


def _tables() -> Iterator[str]:
    for table, schema in SCHEMAS.items():
        yield f"- `{table}`: {', '.join(schema.names)}"
