"""Published files are the service's answers, byte for byte."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.publish.builder import in_format, normal, reason_of
from api.publish.figures import choice_key, figures_of, unpacked
from api.publish.markup import parse
from api.web.in_process import Answer
from sweep.store.store import Store


def packed_answers(published: Path, name: str) -> dict[str, Any]:
    script = (published / "figures" / f"{name}.js").read_text()
    return json.loads(script.partition(", ")[2].removesuffix(");\n"))["answers"]


def test_tables_are_the_services(published: Path, service: httpx2.Client) -> None:
    for name, formats in {
        "table2": ("json", "csv", "parquet", "latex", "markdown"),
        "claims": ("json", "csv", "parquet"),
        "survival": ("json", "csv", "parquet"),
        "fig8": ("json", "csv"),
        "fig12": ("json", "csv"),
    }.items():
        for format in formats:
            ending = {"latex": "tex", "markdown": "md"}.get(format, format)
            answer = service.get(f"/{name}", params={"format": format})
            assert (published / "data" / f"{name}.{ending}").read_bytes() == answer.content
    assert (published / "data/sweep.json").read_bytes() == service.get("/sweeps/small").content
    for format in ("csv", "parquet"):
        answer = service.get("/results", params={"sweep": "small", "format": format})
        assert (published / f"data/trials.{format}").read_bytes() == answer.content


def test_trials_are_the_services(published: Path, small: Path, service: httpx2.Client) -> None:
    for row in Store(small).read_rows("sweeps", "small"):
        trial_id = row["trial_id"]
        folder = published / "trials" / trial_id
        assert (folder / "trial.json").read_bytes() == service.get(f"/trials/{trial_id}").content
        if not (folder / "evaluations.csv").exists():
            assert service.get(f"/trials/{trial_id}").json()["status"] == "planned"
            continue
        for table, format in [
            ("evaluations", "csv"), ("spectra", "parquet"), ("outputs", "parquet"),
        ]:  # fmt: skip
            answer = service.get(f"/trials/{trial_id}/{table}", params={"format": format})
            assert (folder / f"{table}.{format}").read_bytes() == answer.content
        for sample in (folder / "samples").iterdir():
            answer = service.get(f"/trials/{trial_id}/samples/{sample.stem}")
            assert sample.read_bytes() == answer.content


@pytest.mark.parametrize("page", ["/paper?profile=digits", "/view/sweeps/small", "trial"])
def test_figures_are_the_services(
    published: Path, small: Path, service: httpx2.Client, page: str
) -> None:
    prefix = ""
    if page == "trial":
        trial_id = Store(small).read_rows("sweeps", "small")[0]["trial_id"]
        page, prefix = f"/view/trials/{trial_id}", f"{trial_id}."
    figures = figures_of(parse(service.get(page).text))
    assert figures
    for figure in figures:
        answers = packed_answers(published, prefix + figure.id)
        choices = dict(figure.choices())
        assert answers.keys() == choices.keys()
        assert figure.usual_key in answers
        for key, address in choices.items():
            assert unpacked(answers[key]["packed"]) == service.get(address).content, address


def test_data_behind_figures_are_there(published: Path) -> None:
    files = [
        file
        for script in (published / "figures").glob("*.js")
        for answer in packed_answers(published, script.stem).values()
        for file in answer["files"].values()
    ]
    assert len(files) > 100
    assert [file for file in set(files) if not (published / file).is_file()] == []


def test_every_link_leads_to_a_file(published: Path) -> None:
    for path in published.rglob("*.html"):
        page = parse(path.read_text())
        for element in page.walk():
            for name in ("href", "src", "data-figure"):
                address = re.sub(r"[?#].*", "", element.get(name))
                if address and not address.startswith("https://"):
                    assert (path.parent / address).exists(), (path.name, element.get(name))
        assert "hx-" not in path.read_text()
        assert not list(page.find("form", method="post"))


def test_addresses_are_told_apart_by_what_they_say() -> None:
    assert normal("/x?b=2&a=1") == normal("/x?a=1&b=2") == "/x?a=1&b=2"
    assert in_format("/x?a=1&limit=5", "csv") == "/x?a=1&format=csv"
    assert in_format("/x?a=1&limit=5", "json") == "/x?a=1&limit=5"
    assert choice_key({"b": "2", "a": ""}) == "b=2"


def test_an_error_gives_its_reason() -> None:
    assert reason_of(Answer(404, "x", b'{"detail": "gone"}')) == "gone"
    assert reason_of(Answer(500, "x", b"<html>")) == "the service answered 500"
