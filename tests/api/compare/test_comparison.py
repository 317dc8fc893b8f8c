"""Trials side by side: what differs and how they did."""

from __future__ import annotations

import httpx2
import pytest

from tests.api.compare.odd_trials import query_of


def test_what_differs_and_how_they_did(odd: httpx2.Client, ids: dict[str, str]) -> None:
    answer = odd.get("/compare", params=query_of(ids, "sn", "healthy", "planned")).json()
    differing = {item["key"]: item["values"] for item in answer["keys"]}
    assert differing == {
        "method": ["sn", "sr-static", "sn"],
        "form": [None, "project", None],
        "i_ratio": [None, 0.5, None],
        "seed": [0, 0, 4],
    }
    first, second, third = answer["trials"]
    assert [item["label"] for item in answer["trials"]] == [
        "A sn seed 0", "B sr-static i 0.5 seed 0", "C sn seed 4",
    ]  # fmt: skip
    assert first["best_distance"]["above_first"] is None
    expected = second["best"]["fd_digits"] - first["best"]["fd_digits"]
    assert second["best_distance"]["above_first"] == pytest.approx(expected)
    rows = odd.get(f"/trials/{ids['healthy']}/evaluations?keys=fd_digits").json()["items"]
    (at_900,) = [row["fd_digits"] for row in rows if row["iteration"] == 900]
    assert second["matched_distance"]["iteration"] == 900
    assert second["matched_distance"]["value"] == pytest.approx(at_900)
    assert third["best_distance"]["value"] is None
    assert third["verdict"]["sentence"] == "Not started."
    assert answer["latent_vectors"] == "seeds differ"
    same_seed = odd.get("/compare", params=query_of(ids, "sn", "healthy") | {"all": "true"}).json()
    assert same_seed["latent_vectors"] is None
    assert {item["key"] for item in same_seed["keys"] if not item["differs"]} >= {
        "seed",
        "n_critic",
    }


def test_scores_of_other_kinds_are_not_subtracted(odd: httpx2.Client, ids: dict[str, str]) -> None:
    answer = odd.get("/compare", params=query_of(ids, "sn", "foreign")).json()
    assert answer["trials"][1]["score"] == "fid"
    assert answer["trials"][1]["best_distance"]["above_first"] is None
    figure = odd.get("/figures/compare/curves", params=query_of(ids, "sn", "foreign")).json()
    titles = [note["text"] for note in figure["layout"]["annotations"]]
    assert titles[:2] == ["FD-digits (lower is better)", "FID (lower is better)"]
    # 45,000 iterations planned beside 1,500: by share of the plan unless asked otherwise.
    assert max(max(trace["x"]) for trace in figure["data"]) <= 1
