from __future__ import annotations

import re

import httpx2

from sweep.store.schemas import SCHEMAS


def test_it_has_every_question_and_every_table(http: httpx2.Client) -> None:
    response = http.get("/llms.txt")
    assert response.headers["content-type"].startswith("text/plain")
    text = response.text
    assert text.startswith("# srgan-sweep\n\n> ")
    paths = http.get("/openapi.json").json()["paths"]
    questions = {
        path
        for path, operations in paths.items()
        for operation in operations.values()
        if set(operation["tags"]) & {"results", "trials", "paper", "actions"}
    }
    named = set(re.findall(r"^- \[(?:POST )?(/\S*)\]", text, re.MULTILINE))
    assert questions <= named
    for table, schema in SCHEMAS.items():
        assert f"- `{table}`: {', '.join(schema.names)}" in text


def test_addresses_lead_to_the_service(http: httpx2.Client) -> None:
    text = http.get("/llms.txt").text
    for address in ("/results", "/openapi.json", "/docs"):
        (url,) = re.findall(rf"\]\((\S*{address})\)", text)
        assert http.get(url).status_code == 200


def test_it_needs_the_token_that_all_else_needs(closed: httpx2.Client) -> None:
    assert closed.get("/llms.txt").status_code == 401
