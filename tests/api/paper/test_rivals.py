"""Differences to SN and its controls, served."""

from __future__ import annotations

import csv
import io

import httpx2
import pytest

from tests.api.paper.paper_page import text_of


def test_every_difference_is_that_of_the_two_curves(story: httpx2.Client) -> None:
    answer = story.get("/rivals").json()
    assert answer["baselines"] == ["sn", "sn-renorm", "sn-ttur"]
    (rival,) = (
        r for r in answer["items"] if (r["setting"], r["method"]) == ("C_64-32", "sr-static")
    )
    pair = rival["minus"]["sn-renorm"]["pair"]
    seed = pair["seeds"][1]

    def at_the_end(method: str) -> float:
        found = story.get(f"/results?setting=C_64-32&method={method}&seed=1").json()["items"]
        (trial,) = (t for t in found if t["i_ratio"] in (None, 0.5))
        rows = story.get(f"/trials/{trial['trial_id']}/evaluations").json()["items"]
        return next(r["fd_digits"] for r in rows if r["iteration"] == seed["iteration"])

    expected = at_the_end("sr-static") - at_the_end("sn-renorm")
    assert seed["difference"] == pytest.approx(expected)
    assert pair["interval"] is not None
    assert pair["n"] == 3


def test_a_row_per_method_and_baseline(story: httpx2.Client) -> None:
    rows = list(csv.DictReader(io.StringIO(story.get("/rivals?format=csv").text)))
    (row,) = (
        r
        for r in rows
        if (r["setting"], r["method"], r["baseline"]) == ("C_64-32", "sr-static", "sn")
    )
    assert row["finding"] == "better"
    assert float(row["low"]) < float(row["mean"]) < float(row["high"]) < 0
    # One seed: its value, no mean and no interval.
    (single,) = (r for r in rows if (r["setting"], r["method"]) == ("B_128-64", "sr-static"))
    assert (single["finding"], single["n"], single["mean"]) == ("not enough", "1", "")


def test_the_page_says_the_answer(story: httpx2.Client, paper_text: str) -> None:
    sentence = story.get("/rivals").json()["answers"]["digits"]
    assert sentence in paper_text
    assert "a gain beyond a faster D is open, sn-ttur was not run beside it." in sentence
    assert "SR − sn-renorm, matched" in text_of(story.get("/paper").text)
