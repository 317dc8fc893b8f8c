"""A store with runs of loops that are not this project's: every question is answered for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from sweep.recording import Run
from sweep.store.store import Store
from tests.api.questions import ask_everything
from tests.api.servers import serving
from tests.api.stores import identity, write_driver, write_plan, write_trial


def record(root: Path, method: str, seed: int, scores: Any) -> str:
    """A run of 12 evaluations whose `ssim` rises and whose `fid` falls; NaN in one of them."""
    config = {"method": method, "dataset": "photos", "seed": seed, "iterations": 110}
    rng = np.random.default_rng(seed)
    with Run(root, name="dcgan", config=config, scores=scores, version="1") as run:
        for k in range(12):
            sigma = np.sort(rng.uniform(0.8, 1.0, (1, 8)))
            run.log(
                10 * k,
                d_loss=1.0,
                g_loss=2.0,
                fid=math.nan if k == 3 else 100.0 / (k + 1),
                ssim=0.05 * (k + 1),
                spectra={"conv.first": sigma, "conv.second": sigma},
                samples=rng.random((4, 3, 8, 8)),
            )
    return run.id


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs by FID, one by a score of its own, one by none, beside a trial of Table I."""
    root = tmp_path_factory.mktemp("own")
    record(root, "mine", 0, ["fid"])
    record(root, "mine", 1, ["fid"])
    record(root, "other", 0, {"ssim": "higher"})
    record(root, "unscored", 0, ())
    store, trial = Store(root), identity("C_32-32", "sn", 0)
    write_trial(store, trial, "completed")
    write_plan(store, "demo", [trial])
    write_driver(store, "demo")
    return root


@pytest.fixture(scope="module")
def http(root: Path) -> Iterator[httpx2.Client]:
    with serving(root) as client:
        yield client


def ids(http: httpx2.Client, **filters: str) -> list[str]:
    items = http.get("/results", params=filters).json()["items"]
    return sorted(item["trial_id"] for item in items)


def test_everything_is_answered(root: Path) -> None:
    store = Store(root)
    keys = [file.key for file in store.list("trials")]
    asked_ids = [key for key in keys if ".other." in key or ".unscored." in key]
    answers = ask_everything(store, asked_ids)
    refused = [f"{url} {code} {text}" for url, code, text in answers if code != 200]
    # A comparison over trials that are judged by different scores has no mean.
    assert all("/groups" in line and "judged by" in line for line in refused), "\n".join(refused)


def test_filters_know_the_words_of_the_runs(http: httpx2.Client) -> None:
    assert len(ids(http, setting="dcgan")) == 4
    assert len(ids(http, profile="own", method="mine")) == 2
    assert len(ids(http, dataset="photos", seed="0")) == 3
    assert ids(http, own_score_gt="0.5") == ids(http, method="other")


def test_a_run_says_by_what_it_is_judged(http: httpx2.Client) -> None:
    (trial_id,) = ids(http, method="other")
    trial = http.get(f"/trials/{trial_id}").json()
    assert (trial["score"], trial["score_direction"]) == ("ssim", "higher")
    assert trial["best"]["own_score"] == pytest.approx(0.6)
    assert trial["best"]["iteration"] == 110
    assert trial["layer_names"] == ["conv.first", "conv.second"]
    assert trial["batch_size"] is None
    assert trial["config"]["version"] == "1"
    assert "dead" in trial["not_judged"]
    assert trial["healthy"] is None


def test_its_curve_holds_its_own_numbers(http: httpx2.Client) -> None:
    (trial_id,) = ids(http, method="unscored")
    rows = http.get(f"/trials/{trial_id}/evaluations").json()["items"]
    assert [row["own_values"]["ssim"] for row in rows[:2]] == pytest.approx([0.05, 0.1])
    assert rows[3]["fid"] is None
    assert rows[3]["nonfinite"]["fid"] == "nan"
    panels = http.get(f"/figures/trials/{trial_id}/curves").text
    assert "ssim" in panels
    assert "modes" not in panels  # nothing counted any


def test_the_page_of_a_trial_names_its_layers_and_its_score(http: httpx2.Client) -> None:
    (trial_id,) = ids(http, method="other")
    page = http.get(f"/view/trials/{trial_id}").text
    assert "conv.second" in page
    assert "best ssim" in page
    assert "layer_0" not in page
    assert "The same 64 latent vectors" not in page


def test_two_runs_are_compared_by_their_score(http: httpx2.Client) -> None:
    first, second = ids(http, method="mine")
    (other,) = ids(http, method="other")
    compared = http.get("/compare", params={"t": [first, second, other]}).json()
    by_first, by_second, by_other = (trial["best_distance"] for trial in compared["trials"])
    assert by_first["value"] == pytest.approx(100 / 12)
    assert by_second["above_first"] == pytest.approx(0.0)
    assert by_other["above_first"] is None  # another score
    assert compared["latent_vectors"] == "a loop of its own draws them as it likes"


def test_the_best_of_a_sweep_is_the_highest_where_higher_is_better(http: httpx2.Client) -> None:
    best = {each["score"]: each for each in http.get("/sweeps/dcgan").json()["best"]}
    assert best["ssim"]["value"] == pytest.approx(0.6)
    assert best["fid"]["value"] == pytest.approx(100 / 12)


def test_groups_of_one_score_have_a_mean(http: httpx2.Client) -> None:
    (group,) = http.get("/groups", params={"method": "mine", "by": "method"}).json()["items"]
    assert group["values"]["mean"] == pytest.approx(100 / 12)


def test_the_sweep_has_ended_though_no_driver_says_so(http: httpx2.Client) -> None:
    assert http.get("/sweeps/dcgan").json()["state"] == "finished"


def test_the_paper_page_says_that_it_leaves_them_out(http: httpx2.Client) -> None:
    page = http.get("/paper").text
    assert "Table I alone" in page
    assert "dcgan" not in page
