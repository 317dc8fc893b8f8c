"""Table II over HTTP."""

from __future__ import annotations

import httpx2
import pytest


def test_table2(http: httpx2.Client) -> None:
    body = http.get("/table2").json()
    rows = {row["setting"]: row for row in body["items"]}
    assert len(rows) == 26
    assert rows["B_64-64"]["published"] == {
        "sn_is": 6.96, "sn_is_sd": 0.11, "sr_is": 7.52, "sr_is_sd": 0.11, "sn_fid": 36.65,
        "sn_fid_sd": 0.29, "sr_fid": 28.4, "sr_fid_sd": 0.36, "mode_collapse": True,
        "spectral_collapse": True,
    }  # fmt: skip
    assert rows["A_16-128"]["measured"] == {}
    sn = rows["C_32-32"]["measured"]["digits"]["sn"]
    assert (sn["n"], sn["score"], sn["comparable"]) == (2, "fd_digits", False)
    assert [seed["mode_collapse_at"] for seed in sn["seeds"]] == [375, 375]
    assert sn["mean"] == pytest.approx(sum(seed["best"] for seed in sn["seeds"]) / 2)
    pair = rows["C_32-32"]["pairs"]["digits"]["sr-static"]
    assert (pair["n"], pair["interval"]) == (2, None)
    assert pair["mean"] < 0
    latex = http.get("/table2?format=latex")
    assert latex.headers["content-type"].startswith("text/plain")
    assert r"\toprule" in latex.text
    assert http.get("/table2?format=markdown").text.count("| setting |") == 1
    refused = http.get("/table2?format=word")
    assert refused.status_code == 406
    csv = http.get("/table2?format=csv").text.splitlines()
    assert len(csv) == 1 + 23 + 3 * 4
