"""Curves and the strip of a trial, as data."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import httpx2

from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import (
    identity,
    write_trial,
)
from tests.api.trials.odd_trials import id_of


def test_what_diverges_squashes_no_axis(odd: httpx2.Client) -> None:
    figure = odd.get(f"/figures/trials/{id_of('diverged')}/curves").json()
    low, high = figure["layout"]["yaxis"]["range"]
    assert 0 < low < 1500
    assert 2500 < high < 4000
    (marks,) = [t for t in figure["data"] if t["name"] == "fd_digits: off the axis"]
    assert marks["x"] == [525, 600, 675, 750, 825, 900]
    assert marks["marker"]["symbol"] == ["triangle-up"] * 3 + ["x"] * 3
    assert "off the axis" in marks["text"][0]
    assert marks["text"][3] == "fd_digits: not finite"
    said = [note["text"] for note in figure["layout"]["annotations"]]
    assert "▲ 3 off the axis, ✕ 3 not finite" in said


def test_the_strip_is_of_shares(odd: httpx2.Client) -> None:
    trial = id_of("foreign")
    figure = odd.get(f"/figures/trials/{trial}/strip?rank=mean_ratio").json()
    layers = [trace for trace in figure["data"] if trace["name"].startswith("layer_")]
    assert len(layers) == 10
    assert {trace["y"][0] for trace in layers} == {1.0}
    dotted = [trace["name"] for trace in layers if trace["line"]["dash"] == "dot"]
    assert dotted == ["layer_2 (1x1)", "layer_5 (1x1)", "layer_8 (1x1)"]
    assert figure["layout"]["meta"]["steps"][-1] == 900
    assert figure["layout"]["meta"]["says"][-1].startswith("FID 61.2, 20.5 IS, gap ")


def test_a_long_curve_is_thinned(tmp_path: Path) -> None:
    store, who = Store(tmp_path / "results"), identity("B_64-64", "sn", 0)
    write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    many = [rows[1] | {"iteration": k, "gap": 1.0 if k == 777 else 0.5} for k in range(5000)]
    store.write_rows("evaluations", who["trial_id"], many)
    with serving(tmp_path / "results") as client:
        figure = client.get(f"/figures/trials/{who['trial_id']}/curves").json()
    (gap,) = [trace for trace in figure["data"] if trace["name"] == "gap"]
    (band,) = [trace for trace in figure["data"] if trace["name"] == "gap: range"]
    assert len(gap["x"]) == 300
    assert max(band["y"]) == 1.0
    assert len(zlib.compress(json.dumps(figure).encode())) < 60_000


def test_ds_gaps_stand_in_one_panel(tmp_path: Path) -> None:
    store, who = Store(tmp_path / "results"), identity("B_64-64", "sn", 0)
    write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    store.write_rows("evaluations", who["trial_id"], [r | {"held_out_gap": 0.25} for r in rows])
    with serving(tmp_path / "results") as client:
        figure = client.get(f"/figures/trials/{who['trial_id']}/curves").json()
    traces = {trace["name"]: trace for trace in figure["data"]}
    assert set(traces["held_out_gap"]["y"]) == {0.25}
    assert traces["held_out_gap"]["yaxis"] == traces["gap"]["yaxis"]


def test_the_average_of_g_is_dotted_beside_g(tmp_path: Path) -> None:
    store, who = Store(tmp_path / "results"), identity("B_64-64", "sn", 0)
    write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    address = f"/figures/trials/{who['trial_id']}/curves"
    with serving(tmp_path / "results") as client:
        names = [trace["name"] for trace in client.get(address).json()["data"]]
    assert not any(name.startswith("ema_") for name in names), "of an older trial"
    averaged = [row | {"ema_fd_digits": 0.9 * row["fd_digits"], "ema_modes": 3} for row in rows]
    store.write_rows("evaluations", who["trial_id"], averaged)
    with serving(tmp_path / "results") as client:
        traces = {trace["name"]: trace for trace in client.get(address).json()["data"]}
    assert traces["ema_fd_digits"]["y"] == [row["ema_fd_digits"] for row in averaged]
    assert traces["ema_fd_digits"]["yaxis"] == traces["fd_digits"]["yaxis"]
    assert traces["ema_modes"]["line"]["dash"] == "dot"
