"""The claims over HTTP."""

from __future__ import annotations

import io

import httpx2
import pyarrow.parquet as pq

from tests.api.paper.paper_page import text_of


def test_claims(http: httpx2.Client) -> None:
    response = http.get("/claims")
    claims = {claim["name"]: claim for claim in response.json()["items"]}
    assert len(claims) == 9
    assert claims["is_gain"]["table"]["verdict"] == "does not hold"
    assert claims["is_gain"]["measured"]["digits"]["verdict"] == "not measured"
    fid = claims["fid_gain"]
    assert fid["measured"]["digits"]["comparable"] is False
    assert set(fid["beside"]["digits"]) == {"sn-renorm", "sr-lift"}
    side_by_side = claims["side_by_side"]["measured"]["digits"]
    assert side_by_side["says"].startswith("both in 2 of 6 trials")
    tag = {"If-None-Match": response.headers["etag"]}
    assert http.get("/claims", headers=tag).status_code == 304


def test_as_a_table(http: httpx2.Client) -> None:
    table = pq.read_table(io.BytesIO(http.get("/claims?format=parquet").content))
    lines = table.to_pylist()
    assert [line["claim"] for line in lines if line["source"] == "Table II"] == [
        claim["name"] for claim in http.get("/claims").json()["items"]
    ]
    assert {line["source"] for line in lines} == {"Table II", "digits"}
    csv = http.get("/claims?format=csv").text.splitlines()
    assert csv[0] == "claim,claimed,source,method,verdict,value,n,says,comparable"
    assert len(csv) == 1 + len(lines)


def test_every_claim_has_a_verdict_in_words(story: httpx2.Client) -> None:
    page = story.get("/paper").text
    for claim in story.get("/claims").json()["items"]:
        row = text_of(page.split(f'id="claim-{claim["name"]}"')[1].split("</tr>")[0])
        assert claim["says"] in row
        assert claim["table"]["verdict"] in row
        assert claim["measured"]["digits"]["verdict"] in row
        assert claim["measured"]["digits"]["says"] in row
