"""Layers and scores of discriminators of ten and of seventeen layers."""

from __future__ import annotations

import re

import httpx2

from api.trials.dataset_facts import layer_count
from tests.api.servers import only_trial
from trainer.config.settings import SHORTCUTS


def test_a_discriminator_of_seventeen_layers(every: httpx2.Client) -> None:
    trial = only_trial(every, profile="paper")["trial_id"]
    rows = every.get(f"/trials/{trial}/spectra?layer=16").json()["items"]
    assert {row["layer"] for row in rows} == {16}
    refused = every.get(f"/trials/{trial}/spectra?layer=17")
    assert refused.status_code == 422
    assert "has layers 0 to 16" in refused.json()["detail"]
    assert every.get(f"/figures/trials/{trial}/spectra?layer=16").json()["empty"] is None
    page = every.get(f"/view/trials/{trial}").text
    chosen = re.findall(r">(layer_[0-9]+)( \(1x1\))?<", page)
    assert [name for name, _ in chosen] == [f"layer_{k}" for k in range(17)]
    assert tuple(k for k, (_, narrow) in enumerate(chosen) if narrow) == SHORTCUTS[17]
    assert "layer_16" in every.get("/paper?profile=paper").text


def test_a_discriminator_of_ten_layers(every: httpx2.Client) -> None:
    trial = only_trial(every, profile="digits", method="sn")["trial_id"]
    chosen = re.findall(r">(layer_[0-9]+)( \(1x1\))?<", every.get(f"/view/trials/{trial}").text)
    assert [name for name, _ in chosen] == [f"layer_{k}" for k in range(10)]
    assert tuple(k for k, (_, narrow) in enumerate(chosen) if narrow) == SHORTCUTS[10]


def test_a_layer_that_is_not_there_is_said_in_the_figure(every: httpx2.Client) -> None:
    trial = only_trial(every, profile="digits", method="sn")["trial_id"]
    for address in (f"trials/{trial}/spectra?layer=12", f"fig5?trial_id={trial}&layer=12"):
        figure = every.get(f"/figures/{address}").json()
        assert figure["empty"] == f"there is no layer 12: {trial} has layers 0 to 9."
        assert figure["data"] == []


def test_scores_with_other_weights_are_marked(every: httpx2.Client) -> None:
    trial = only_trial(every, profile="paper")["trial_id"]
    page = every.get(f"/view/trials/{trial}").text
    assert "not with the reference Inception weights" in page
    assert "61.2 at iteration" in page
    assert "Inception Score 20.5" in page
    assert "Inception weights: not the reference file" in every.get("/paper?profile=paper").text
    other = only_trial(every, profile="digits", method="sn")["trial_id"]
    assert "reference Inception weights" not in every.get(f"/view/trials/{other}").text


def test_without_modes_the_inception_score_is_drawn(every: httpx2.Client) -> None:
    trial = only_trial(every, profile="paper")["trial_id"]
    figure = every.get(f"/figures/trials/{trial}/curves").json()
    drawn = {trace["name"]: trace["y"] for trace in figure["data"]}
    assert set(drawn) == {"fid", "inception_score", "d_loss", "g_loss", "gap"}
    assert drawn["inception_score"][1] == 20.5


def test_own_pictures_have_the_layers_of_their_resolution() -> None:
    counts = {side: layer_count(f"images{side}-01234567") for side in (32, 64, 128)}
    assert counts == {32: 10, 64: 15, 128: 17}
    assert layer_count("elsewhere") == 10
