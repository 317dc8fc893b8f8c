"""The line under each figure, and its data."""

from __future__ import annotations

import csv
import io

import httpx2

from tests.api.paper.paper_page import PLATES


def test_every_figure_with_a_sentence_has_its_line(story: httpx2.Client, paper_text: str) -> None:
    items = {item["figure"]: item for item in story.get("/agreement").json()["items"]}
    assert set(items) == {name for name, plate in PLATES.items() if plate.words}
    for item in items.values():
        assert f"{item['verdict']} n = {item['n']}, digits profile: {item['says']}" in paper_text


def test_the_verdicts_are_those_of_the_runs(story: httpx2.Client) -> None:
    items = {item["figure"]: item for item in story.get("/agreement").json()["items"]}
    # Three seeds of SN collapsed in C_64-32, spectrum and modes; every layer fell alike.
    assert (items["fig5"]["verdict"], items["fig5"]["n"]) == ("agrees", 3)
    assert (items["fig14"]["verdict"], items["fig14"]["n"]) == ("disagrees", 3)
    # One resumed run says nothing yet.
    assert (items["fig6"]["verdict"], items["fig6"]["n"]) == ("not enough", 1)


def test_the_table_has_a_row_per_figure(story: httpx2.Client) -> None:
    rows = list(csv.DictReader(io.StringIO(story.get("/agreement?format=csv").text)))
    assert {row["verdict"] for row in rows} <= {"agrees", "disagrees", "not enough"}
    assert len(rows) == len(story.get("/agreement").json()["items"])
