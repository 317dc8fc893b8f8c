"""The examples of own networks, trained on pictures that are made here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.examples import r3gan
from tests.own_pictures import write_pictures
from trainer.__main__ import main
from trainer.generate import main as generate

SHORT = ["--profile", "small", "--setting", "U_8-32", "--iterations", "4", "--evaluate-every", "2"]
DCGAN = ["--networks", "tests.examples.dcgan:build", "--method", "sr-static"]
R3GAN = ["--networks", "tests.examples.r3gan:build", "--loss", "tests.examples.r3gan:loss"]
R3GAN += ["--method", "rpgan-r1r2"]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "layers"), [(DCGAN, 3), (R3GAN, 9)])
def test_it_trains_resumes_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], layers: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pictures, out = write_pictures(tmp_path / "pictures", 40), tmp_path / "out"
    command = [*SHORT, "--dataset", "images", "--data-root", str(pictures), *arguments]
    assert main([*command, "--out", str(out)]) == 0
    records = [json.loads(line) for line in (out / "evaluations.jsonl").read_text().splitlines()]
    assert [record["iteration"] for record in records] == [0, 2, 4]
    assert all(record["finite"] and len(record["sigma1"]) == layers for record in records)
    assert records[0]["sigma1"] != records[-1]["sigma1"]
    result = json.loads((out / "result.json").read_text())
    assert main([*command, "--out", str(out)]) == 0  # the same command goes on
    assert json.loads((out / "result.json").read_text())["trial_id"] == result["trial_id"]
    drawn = [str(out / "checkpoint.pt"), "--n", "3", "--out", str(tmp_path / "drawn")]
    assert generate(drawn) == 2  # a file's word imports nothing
    assert generate([*drawn, "--networks", arguments[1]]) == 0
    assert len(list((tmp_path / "drawn").iterdir())) == 3


@pytest.mark.parametrize("resolution", [8, 32])
def test_its_networks_are_of_any_power_of_two(resolution: int) -> None:
    g, d = r3gan.build(latent_size=6, resolution=resolution, channels=8, generator_channels=8)
    images = g(torch.randn(2, 6))
    assert images.shape == (2, 3, resolution, resolution)
    assert d(images).shape == (2, 1)
