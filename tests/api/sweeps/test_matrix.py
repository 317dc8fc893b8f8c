"""A sweep as a matrix."""

from __future__ import annotations

import io
import math
from pathlib import Path

import httpx2
import pyarrow.parquet as pq
import pytest

from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import identity, write_plan, write_trial


def test_a_matrix(http: httpx2.Client) -> None:
    body = http.get("/sweeps/demo/matrix").json()
    assert body["settings"] == ["A_64-128", "B_64-64", "C_32-32"]
    assert [(c["method"], c["i_ratio"]) for c in body["columns"]] == [
        ("sn", None), ("sr-static", 0.5), ("sn-renorm", None), ("sr-lift", 0.5),
    ]  # fmt: skip
    assert len(body["cells"]) == 12
    (cell,) = [c for c in body["cells"] if (c["setting"], c["method"]) == ("C_32-32", "sn")]
    assert [seed["status"] for seed in cell["seeds"]] == ["collapsed", "collapsed"]
    assert cell["score"] == "fd_digits"
    assert cell["mean"] == pytest.approx(sum(seed["best"] for seed in cell["seeds"]) / 2)
    assert cell["sd"] == pytest.approx(
        abs(cell["seeds"][0]["best"] - cell["seeds"][1]["best"]) / math.sqrt(2)
    )


def test_only_finished_trials_count(http: httpx2.Client) -> None:
    body = http.get("/sweeps/fig8/matrix").json()
    counts = {c["i_ratio"]: (c["n"], [s["status"] for s in c["seeds"]]) for c in body["cells"]}
    assert counts == {
        None: (1, ["collapsed"]),
        0.125: (2, ["completed"] * 2),
        0.25: (1, ["completed", "running"]),
        0.75: (0, ["failed", "planned"]),
    }


def test_cells_of_a_page_are_ordered_by_status(tmp_path: Path) -> None:
    store = Store(tmp_path)
    trials = [identity("C_32-32", "sr-static", seed) for seed in range(3)]
    for who, status in zip(trials, ("failed", "running", "completed"), strict=True):
        write_trial(store, who, status)
    write_plan(store, "mixed", trials)
    with serving(tmp_path) as http:
        page = http.get("/view/sweeps/mixed").text
    matrix_part = page.partition('class="matrix"')[2]
    places = [matrix_part.index(f"seed {seed}: ") for seed in (2, 0, 1)]
    assert places == sorted(places)


def test_shares_of_the_images_have_cells_of_their_own(tmp_path: Path) -> None:
    store, whole = Store(tmp_path), identity("A_64-128", "sn", 0)
    part = whole | {"trial_id": "digits.A_64-128.sn.-.s0-0badcafe", "data_share": 0.1}
    for who in (whole, part):
        write_trial(store, who)
    write_plan(store, "s", [whole, part])
    with serving(tmp_path) as http:
        body = http.get("/sweeps/s/matrix").json()
        assert [c["data_share"] for c in body["columns"]] == [0.1, None]
        assert [(c["data_share"], c["n"]) for c in body["cells"]] == [(0.1, 1), (None, 1)]
        assert "10&nbsp;%" in http.get("/view/sweeps/s").text
        assert "10 % of the data" in http.get(f"/view/trials/{part['trial_id']}").text
        (found,) = http.get("/results?data_share=0.1").json()["items"]
        assert (found["trial_id"], found["data_share"]) == (part["trial_id"], 0.1)
        groups = http.get("/groups").json()["items"]
        assert [group["by"]["data_share"] for group in groups] == [None, 0.1]


def test_as_a_table(http: httpx2.Client) -> None:
    table = pq.read_table(io.BytesIO(http.get("/sweeps/fig8/matrix?format=parquet").content))
    assert table.num_rows == 7
    assert table.column("i_ratio").null_count == 1
    csv = http.get("/sweeps/fig8/matrix?format=csv").text.splitlines()
    assert csv[0].startswith("profile,setting,dataset,method,i_ratio,data_share,score,seed")
    assert len(csv) == 8
    assert http.get("/sweeps/nothing/matrix").status_code == 404


def test_a_score_that_is_not_finite(tmp_path: Path) -> None:
    store, trial = Store(tmp_path), identity("A_64-128", "sn", 0)
    write_trial(store, trial)
    (row,) = store.read_rows("trials", trial["trial_id"])
    store.write_rows("trials", trial["trial_id"], [row | {"best_fd_digits": math.nan}])
    write_plan(store, "s", [trial])
    with serving(tmp_path) as http:
        (cell,) = http.get("/sweeps/s/matrix").json()["cells"]
        assert (cell["mean"], cell["nonfinite"]) == (None, {"mean": "nan"})
        assert cell["seeds"][0]["nonfinite"] == {"best": "nan"}


@pytest.mark.parametrize("name", ["café", "实验"])
def test_a_sweep_of_any_name_is_downloaded(tmp_path: Path, name: str) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who)
    write_plan(store, name, [who])
    with serving(tmp_path) as http:
        for _ in range(2):
            response = http.get(f"/sweeps/{name}/matrix?format=csv")
            assert response.status_code == 200
            assert response.text.count("\r\n") == 2
            assert response.headers["content-disposition"].startswith("attachment; filename*=")


def test_own_pictures_have_matrices_of_their_own(tmp_path: Path) -> None:
    """Two folders with the same sizes and methods are never averaged, nor shown as Table I's."""
    store = Store(tmp_path)
    trials = []
    for dataset in ("images32-01234567", "images32-89abcdef"):
        for method in ("sn", "sr-static"):
            own = {"profile": "small", "setting": "U_32-32", "group": "U", "dataset": dataset}
            name = f"small.U_32-32.{method}.-.s0-{dataset[-8:]}"
            trials.append(identity("C_32-32", method, 0) | own | {"trial_id": name})
            write_trial(store, trials[-1])
    write_plan(store, "pets", trials)
    with serving(tmp_path) as http:
        cells = http.get("/sweeps/pets/matrix").json()["cells"]
        assert [(c["dataset"][-8:], c["method"], c["n"]) for c in cells] == [
            ("01234567", "sn", 0), ("01234567", "sr-static", 0),
            ("89abcdef", "sn", 0), ("89abcdef", "sr-static", 0),
        ]  # fmt: skip
        for page in (http.get("/").text, http.get("/view/sweeps/pets").text):
            for dataset in ("images32-01234567", "images32-89abcdef"):
                assert f"<caption>small profile, {dataset}</caption>" in page
        found = http.get("/results?dataset=images32-0*").json()
        assert [row["dataset"] for row in found["items"]] == 2 * ["images32-01234567"]
        assert http.get("/view/trials?dataset=images32-89abcdef").text.count("89abcdef") > 2
        trial = trials[0]["trial_id"]
        assert http.get(f"/view/trials/{trial}").status_code == 200
        assert "4\n  trials outside it" in http.get("/paper").text
        assert http.get("/table2").status_code == 200
