"""A trial's generator and its images, over HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
import torch
from PIL import Image

from sweep.run.rows import trial_row
from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import START
from trainer.config.trial import TrialConfig, trial_config
from trainer.generator_file import load_generator
from trainer.measure import picture
from trainer.state import TrainState, initial_state, to_bytes
from trainer.thresholds import thresholds_for

CONFIG = trial_config("digits", "C_8-32", "sn", 0, iterations=10)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a trial whose best evaluation was at 4, and one without anything."""
    root = tmp_path_factory.mktemp("trained")
    store = Store(root)
    for at in (4, 8, 10):
        state = state_at(CONFIG, at)
        store.write(f"checkpoints/{CONFIG.trial_id}/{at}.pt", to_bytes(CONFIG, state))
        store.write(f"samples/{CONFIG.trial_id}/{at}.png", picture(CONFIG, state))
    bare = trial_config("digits", "C_8-32", "sn", 1, iterations=10)
    for config, best in ((CONFIG, 4), (bare, None)):
        row = trial_row(config, [], None, thresholds_for(config), None)
        row |= {"status": "running", "best_iteration": best}
        row |= {"started_at": START, "updated_at": START}
        store.write_rows("trials", config.trial_id, [row])
    store.write(f"checkpoints/{bare.trial_id}/3.pt", b"PK\x03\x04 half of one")
    return root


def state_at(config: TrialConfig, iteration: int) -> TrainState:
    state = initial_state(config)
    state.iteration = iteration
    with torch.no_grad():
        state.generator.l1.weight.add_(iteration)
    return state


@pytest.fixture(scope="module")
def trained(root: Path) -> Iterator[httpx2.Client]:
    with serving(root) as client:
        yield client


def test_the_best_generator_is_given_with_its_configuration(
    trained: httpx2.Client, tmp_path: Path
) -> None:
    answer = trained.get(f"/trials/{CONFIG.trial_id}/generator")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert f"{CONFIG.trial_id}.4.safetensors" in answer.headers["content-disposition"]
    file = tmp_path / "best.safetensors"
    file.write_bytes(answer.content)
    loaded = load_generator(file, "cpu")
    assert (loaded.config, loaded.iteration) == (CONFIG, 4)
    expected = state_at(CONFIG, 4).generator.state_dict()
    for name, tensor in loaded.network.state_dict().items():
        assert torch.equal(tensor, expected[name])
    length = int.from_bytes(answer.content[:8], "little")
    metadata = json.loads(answer.content[8 : 8 + length])["__metadata__"]
    assert metadata["trial_id"] == CONFIG.trial_id
    assert json.loads(metadata["config"])["latent_size"] == CONFIG.latent_size


def test_another_iteration_can_be_asked_for(trained: httpx2.Client) -> None:
    address = f"/trials/{CONFIG.trial_id}/generator"
    assert trained.get(f"{address}?iteration=10").content != trained.get(address).content
    refused = trained.get(f"{address}?iteration=5")
    assert refused.status_code == 404
    assert refused.json()["detail"].endswith("at iteration 5; there are: 4, 8, 10")


def test_it_is_not_sent_again(trained: httpx2.Client) -> None:
    address = f"/trials/{CONFIG.trial_id}/generator"
    tag = trained.get(address).headers["etag"]
    assert trained.get(address, headers={"if-none-match": tag}).status_code == 304
    assert trained.head(address).status_code == 200


def test_a_trial_without_one_says_so(trained: httpx2.Client, root: Path) -> None:
    bare = trial_config("digits", "C_8-32", "sn", 1, iterations=10).trial_id
    broken = trained.get(f"/trials/{bare}/generator")
    assert broken.status_code >= 500
    assert "3.pt cannot be read" in broken.json()["detail"]
    answer = trained.get(f"/trials/{bare}/generate")
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"the store has no grid of samples of {bare}"
    assert trained.get("/trials/nothing/generator").status_code == 404


def test_images_are_cut_from_the_stored_grid(trained: httpx2.Client, root: Path) -> None:
    address = f"/trials/{CONFIG.trial_id}/generate"
    answer = trained.get(f"{address}?n=64&seed=1")
    assert answer.headers["content-type"] == "image/png"
    grid = np.asarray(Image.open(root / f"samples/{CONFIG.trial_id}/4.png"))
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert pixels.shape == grid.shape
    size = len(grid) // 8

    def tiles(picture: np.ndarray) -> list[bytes]:
        cells = picture.reshape(8, size, 8, size, 3).swapaxes(1, 2).reshape(64, -1)
        return sorted(map(bytes, cells))

    assert tiles(pixels) == tiles(grid)
    assert trained.get(f"{address}?n=9&seed=1").content != trained.get(f"{address}?n=9").content
    refused = trained.get(f"{address}?n=65")
    assert refused.status_code == 422
    assert "trainer.generate draws any number" in refused.json()["detail"]
