"""The front door, as loops of other people use it: wrapped, mixed precision, compiled, hidden."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed
from torch import nn

from trainer.watch import spectral_regularization, watch, watching

ROOT = Path(__file__).parents[2]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.utils.spectral_norm(nn.Conv2d(3, 8, 3)),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8, 8, 3),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(32, 1),
    )


X = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def run(model, core, x=X, steps=2, autocast=False, **options):
    """Spectra after `steps` steps of a plain loop around a (wrapped) discriminator."""
    sr = spectral_regularization(model, "sr-static", i_ratio=0.5, period=1, **options)
    optimiser = torch.optim.Adam(core.parameters(), 1e-3, betas=(0.0, 0.9))
    for _ in range(steps):
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = model(x).float().square().mean()
        loss.backward()
        optimiser.step()
        sr.step()
    return sr


def is_flat(sr):
    sigma = sr.spectra()
    assert list(sigma) == ["0", "2", "5"]
    for values in sigma.values():
        half = max(1, values.shape[1] // 2)
        np.testing.assert_allclose(values[:, :half], 1, rtol=1e-4)


def test_three_lines_in_a_loop():
    model = network()
    is_flat(run(model, model))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_mixed_precision(dtype):
    model = network()
    is_flat(run(model, model, X.to(dtype), autocast=True))


def test_channels_last_stays_channels_last():
    model = network().to(memory_format=torch.channels_last)
    is_flat(run(model, model, X.to(memory_format=torch.channels_last)))
    assert model[2].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_compiled_discriminator():
    torch.compiler.reset()
    model = network()
    is_flat(run(torch.compile(model, backend="eager"), model))


def test_a_distributed_discriminator(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1
    )
    try:
        model = network()
        is_flat(run(nn.parallel.DistributedDataParallel(model), model))
    finally:
        torch.distributed.destroy_process_group()


class Hidden:
    """A library that builds its discriminator inside of `fit`, as CTGAN does."""

    def fit(self, steps):
        self.d, g = network(), nn.Linear(4, 108)
        d_optimiser = torch.optim.Adam(self.d.parameters(), 1e-3)
        g_optimiser = torch.optim.Adam(g.parameters(), 1e-3)
        for _ in range(steps):
            fake = g(torch.randn(4, 4)).view(4, 3, 6, 6)
            d_optimiser.zero_grad()
            (self.d(fake.detach()).mean() - self.d(X).mean()).backward()
            d_optimiser.step()
            g_optimiser.zero_grad()
            (-self.d(fake).mean()).backward()
            g_optimiser.step()


@pytest.mark.parametrize(
    "target", [nn.Sequential, lambda module: isinstance(module[0], nn.Conv2d)]
)
def test_a_hidden_discriminator_is_watched_and_regularized(target):
    if target is not nn.Sequential:
        found = target

        def target(module):
            return isinstance(module, nn.Sequential) and found(module)

    library = Hidden()
    with watching(target, "sr-static", period=1, every=1) as monitors:
        library.fit(5)
    (sr,) = monitors
    assert sr.network is library.d
    assert sr.steps == 5
    is_flat(sr)
    assert not torch.nn.modules.module._global_forward_pre_hooks
    library.fit(1)
    assert sr.steps == 5


def test_watching_alone_changes_nothing():
    torch.manual_seed(3)
    plain = Hidden()
    plain.fit(3)
    torch.manual_seed(3)
    watched = Hidden()
    with watching(nn.Sequential, every=1) as monitors:
        watched.fit(3)
    for name, value in plain.d.state_dict().items():
        assert torch.equal(value, watched.d.state_dict()[name])
    assert len(monitors[0].history) == 3


def test_watching_a_loop_of_ones_own_changes_nothing():
    first, second = network(), network()
    watch(second)
    torch.testing.assert_close(first(X), second(X), rtol=0, atol=0)


def test_it_needs_torch_alone():
    code = (
        "import sys, trainer.watch; "
        "print(sorted({'ray', 'pandas', 'pyarrow', 'torchvision', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
