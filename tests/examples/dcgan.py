"""DCGAN as its tutorials have it, on a tar of pictures or on digits. Marked lines record it.

python tests/examples/dcgan.py --data photos32.tar --iterations 2000
python -m sweep.own tests.examples.dcgan:fit --space grid.py --iterations 2000
"""

from __future__ import annotations

import argparse
import itertools
import tarfile
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn

from sweep.recording import Run
from trainer.watch import watch


def pictures(path: str | None) -> Tensor:
    """images[N, 3, 32, 32] from -1 to 1: of a tar, or of scikit-learn's digits."""
    if path is None:
        grey, _ = load_digits(return_X_y=True)
        digits = torch.tensor(grey, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
        return F.interpolate(digits, size=32).repeat(1, 3, 1, 1)
    with tarfile.open(path) as tar:
        files = [
            tar.extractfile(member) for member in tar if member.name.endswith((".png", ".jpg"))
        ]
        images = [
            np.asarray(Image.open(file).convert("RGB")) for file in files if file is not None
        ]
    return torch.tensor(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def generator(latent: int, width: int) -> nn.Sequential:
    """Latent vectors [N, latent, 1, 1] to images of 32 pixels."""
    sizes = [latent, 4 * width, 2 * width, width]
    layers: list[nn.Module] = []
    for k, (n, m) in enumerate(itertools.pairwise(sizes)):
        stride, padding = (1, 0) if k == 0 else (2, 1)
        layers += [nn.ConvTranspose2d(n, m, 4, stride, padding, bias=False)]
        layers += [nn.BatchNorm2d(m), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())


def discriminator(width: int) -> nn.Sequential:
    """Images of 32 pixels to logits [N, 1, 1, 1]."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for n, m in ((width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(n, m, 4, 2, 1, bias=False), nn.BatchNorm2d(m)]
        layers += [nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(4 * width, 1, 4, 1, 0, bias=False))


def build(latent_size: int, channels: int) -> tuple[nn.Module, nn.Module]:
    """(G, D) as `--networks` takes them: of latent vectors [N, latent], to logits [N, 1]."""
    g = nn.Sequential(nn.Unflatten(1, (latent_size, 1, 1)), generator(latent_size, channels))
    return g, nn.Sequential(discriminator(channels), nn.Flatten())


def fit(config: dict[str, Any], run: Run) -> None:
    """Trains D and G by turns with Adam and the non-saturating loss."""
    torch.manual_seed(config["seed"])
    real, latent = pictures(config.get("data")), 64
    g, d = generator(latent, config["width"]), discriminator(config["width"])
    monitor = watch(d)  # added
    rates = {"lr": config["lr"], "betas": (0.5, 0.999)}
    of_g, of_d = (
        torch.optim.Adam(g.parameters(), **rates),
        torch.optim.Adam(d.parameters(), **rates),
    )
    fixed = torch.randn(64, latent, 1, 1)
    for iteration in range(config["iterations"] + 1):
        images = real[torch.randint(len(real), (config["batch_size"],))]
        fake = g(torch.randn(len(images), latent, 1, 1))
        on_real, on_fake = d(images), d(fake.detach())
        d_loss = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        of_d.zero_grad()
        d_loss.backward()
        if iteration % config["every"] == 0:  # the state before this update, as 0 is untrained
            g_loss = F.softplus(-d(fake)).mean()
            scores = {"d_real": on_real.mean(), "d_fake": on_fake.mean(), "g_loss": g_loss}
            spread = torch.cat([on_real, on_fake]).std()
            run.log(
                iteration,
                d_loss=d_loss,
                d_spread=spread,
                **scores,
                spectra=monitor.spectra(),
                samples=g(fixed),
            )  # added
        of_d.step()
        of_g.zero_grad()
        F.softplus(-d(fake)).mean().backward()
        of_g.step()
        if run.should_stop:  # added
            break


def main(argv: list[str] | None = None) -> None:
    """Trains and records as the command line says."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", help="a tar of pictures of 32 pixels (default: digits)")
    p.add_argument("--results", default="results")
    for name, default in (("iterations", 2000), ("batch_size", 64), ("width", 32), ("seed", 0)):
        p.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    p.add_argument("--every", type=int, default=50)
    p.add_argument("--lr", type=float, default=2e-4)
    config = vars(p.parse_args(argv))
    results = config.pop("results")
    config["dataset"] = "digits-32" if config["data"] is None else "photos32"
    with Run(results, name="dcgan", config=config) as run:
        fit(config, run)
    print(run.id, run.verdict.words)  # noqa: T201


if __name__ == "__main__":
    main()
