"""The model of memory against what torch keeps on the CPU, counted by hooks and by storages.

What a GPU adds to it no test here can see.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sweep.plan import gpu_memory
from tests.own_pictures import own_config
from tests.trainer.fake_devices import fake_trial
from trainer.config.trial import TrialConfig, trial_config
from trainer.data.images import Images
from trainer.measure import samples
from trainer.models import Discriminator
from trainer.networks import build
from trainer.state import initial_state
from trainer.updates import sharpest, train_iteration

SMALL: dict[str, Any] = {
    "batch_size": 4, "micro_batch": 4, "generator_batch_size": 8, "device": "cpu",
    "generator_channels": 64,
}  # fmt: skip
LARGE: dict[str, Any] = {
    "batch_size": 2, "micro_batch": 2, "generator_batch_size": 2, "device": "cpu",
    "channels": 8, "generator_channels": 8, "generator_normalisation": "none",
}  # fmt: skip
SMALL_AT_64: dict[str, Any] = LARGE | {
    "batch_size": 4,
    "micro_batch": 4,
    "generator_batch_size": 4,
}
CONFIGS = {
    "cifar 32": trial_config("paper", "C_64-32", "none", 0, **SMALL),
    "cifar 128": trial_config("paper", "A_64-128", "none", 0, **SMALL),
    "conditional": trial_config(
        "paper", "B_64-64", "none", 0, dataset="cifar10-conditional", **SMALL
    ),
    "imagenet": trial_config("paper", "E_512-64", "none", 0, **LARGE),
    "packs": trial_config("paper", "A_64-128", "pacgan", 0, packing=3, **SMALL),
    "own 64": own_config(64, "none", **SMALL_AT_64),
    "digits 16": trial_config("digits", "E_64-128", "none", 0),
}


class Peak(TorchDispatchMode):
    """The most bytes alive at once of tensors that were made inside."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.bytes = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in self._sizes:
                    self._sizes[key] = storage.nbytes()
                    self.alive += storage.nbytes()
                    self.bytes = max(self.bytes, self.alive)
                    weakref.finalize(storage, self._gone, key)
        return out

    def _gone(self, key: int) -> None:
        self.alive -= self._sizes.pop(key, 0)


def kept(run: Callable[[], Any], network: torch.nn.Module) -> int:
    """Bytes of the storages that autograd keeps for a backward pass, parameters aside."""
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    found: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return sum(storage.nbytes() for key, storage in found.items() if key not in own)


def images_of(config: TrialConfig) -> Images:
    assert config.resolution
    shape = (8, 3, config.resolution, config.resolution)
    pixels = torch.randint(256, shape, dtype=torch.uint8)
    labels = None if config.classes is None else torch.arange(8)
    return Images(
        train=pixels, held_out=pixels, stacked=False, train_labels=labels, held_out_labels=labels
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters(name: str) -> None:
    config = CONFIGS[name]
    real = tuple(sum(p.numel() for p in network.parameters()) for network in build(config))
    assert gpu_memory.parameters(config) == pytest.approx(real, rel=0.005)


@pytest.mark.parametrize("name", CONFIGS)
def test_what_a_backward_pass_keeps(name: str) -> None:
    config, n = CONFIGS[name], 3
    assert config.resolution
    g, d = build(config)
    if config.packing is not None:  # without the normalised weights, which are kept as well
        d = Discriminator(config.resolution, config.channels, None, "none", config.packing)
    labels = None if config.classes is None else torch.arange(n)
    z = torch.randn(n, config.latent_size)
    x = torch.randn(n, 3, config.resolution, config.resolution)
    of_g, of_d = gpu_memory.kernel_bytes(config)
    assert n * gpu_memory.kept_by_generator(config) + of_g == pytest.approx(
        kept(lambda: g(z, labels), g), rel=0.02
    )
    assert n * gpu_memory.kept_by_discriminator(config) + of_d == pytest.approx(
        kept(lambda: d(x, labels), d), rel=0.02
    )


@pytest.mark.parametrize(
    ("setting", "method", "changes"),
    [
        ("C_64-32", "sn", SMALL),
        ("A_64-128", "sn", SMALL),
        ("A_64-128", "r1", SMALL),
        ("A_64-128", "pacgan", SMALL),
        ("A_64-128", "bcr", SMALL),
        ("A_64-128", "unrolled", SMALL),
        ("A_64-128", "rpgan-r1r2", SMALL),
        ("B_64-64", "jare", SMALL | {"generator_batch_size": 4}),
        ("B_64-64", "conopt", SMALL | {"generator_batch_size": 4}),
        ("E_512-64", "sn", LARGE),
    ],
)
def test_the_peak_of_an_iteration(setting: str, method: str, changes: dict[str, Any]) -> None:
    """Weights and moments are there before; in it come gradients, activations, their gradients.

    Nowhere more than the model says with its margin, and not much less.
    """
    config = trial_config("paper", setting, method, 0, n_critic=1, **changes)
    state, data = initial_state(config), images_of(config)
    train_iteration(config, state, data)
    with Peak() as peak:
        train_iteration(config, state, data)
    g, d = gpu_memory.parameters(config)
    model = (gpu_memory._training_bytes(config) + 2 * gpu_memory.VALUE * (g + d)) * (
        1 + gpu_memory.MARGIN
    )
    assert peak.bytes <= model
    assert peak.bytes >= 0.5 * model


@pytest.mark.parametrize("name", ["cifar 32", "imagenet", "digits 16"])
def test_the_peak_of_drawing_samples(name: str) -> None:
    config, n = CONFIGS[name], 16
    state = initial_state(config)
    with Peak() as peak:
        samples(config, state, n)
    assert peak.bytes == pytest.approx(gpu_memory._transient_bytes(config, n), rel=0.25)


def test_memory_grows_with_what_is_held() -> None:
    base = trial_config("paper", "B_64-64", "sn", 0)
    bigger = trial_config("paper", "A_1024-128", "sn", 0)
    parts = trial_config("paper", "A_1024-128", "sn", 0, micro_batch=64)
    assert (
        gpu_memory.memory_bytes(base)
        < gpu_memory.memory_bytes(parts)
        < gpu_memory.memory_bytes(bigger)
    )
    nudged = trial_config("paper", "B_64-64", "nugan", 0)
    assert gpu_memory.memory_bytes(base) < gpu_memory.memory_bytes(nudged)


@pytest.mark.slow
def test_a_search_for_sharp_directions_on_fake_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of as many images as G's batch has: 30.8 GB at D_512-256, where 256 would take 8."""
    config = trial_config("paper", "D_512-256", "nugan", 0, device="cpu")
    with fake_trial(config, monkeypatch) as (state, _, counts):
        before = counts.live
        sharpest(config, state, 5)
    parameters = max(gpu_memory.parameters(config))
    counted = gpu_memory._hessian_bytes(config, parameters)
    assert counts.peak - before == pytest.approx(counted, rel=0.1)


def test_the_players_of_points_need_next_to_nothing() -> None:
    assert gpu_memory.memory_bytes(trial_config("toy", "ring8", "jare", 0)) < 2e9


def test_own_pictures_live_on_the_gpu_up_to_a_size() -> None:
    few, more, most, too_many = (
        gpu_memory.memory_bytes(own_config(128, images=n, device="cuda"))
        for n in (10_000, 30_000, 39_000, 500_000)
    )
    picture = 3 * 128**2 / 0.9
    assert more - few == pytest.approx(1.35 * 20_000 * picture)
    assert too_many < few < most
