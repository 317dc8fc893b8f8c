"""What watching and regularizing anyone's discriminator costs, one thread.

One projection of a matrix with r of 1,000 or more, from the subspace of the one before, over the
float64 Gram matrix and eigh of `spectral.compensate`, with its error against float64 SVD; one
measurement over an update of D, at the default cadence; and tracing over a forward pass.

    python tests/benchmarks/watching.py [--repetitions 3] [--shapes 1000x1000,1024x4608]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise

import torch
from ledger import record, say
from timing import medians
from torch import nn

from trainer.spectral import compensate
from trainer.watch import watch
from trainer.weights.trace import trace
from trainer.weights.warm_subspace import lift

UPDATE = 4e-3  # of a weight in an update of Adam, relative: the median of a small SN-GAN


def projections(shape: tuple[int, int]) -> tuple[dict[str, Callable[[], object]], float]:
    """(both ways of projecting one matrix after one update, relative error of the warm one)."""
    generator = torch.Generator().manual_seed(0)
    i = min(shape) // 2
    matrix, basis = lift(torch.randn(*shape, generator=generator), i, None, renormalise=True)
    noise = torch.randn(*shape, generator=generator)
    matrix = matrix + UPDATE * matrix.norm() / noise.norm() * noise
    u, sigma, vt = torch.linalg.svd(matrix.double(), full_matrices=False)
    sigma[:i] = sigma[0]
    truth = (u * sigma) @ vt / sigma[0]
    error = float((lift(matrix, i, basis, renormalise=True)[0] - truth).norm() / truth.norm())
    ways = {
        "float64": lambda: compensate(matrix, i, renormalise=True),
        "warm": lambda: lift(matrix, i, basis, renormalise=True),
    }
    return ways, error


def factor_vae() -> tuple[nn.Module, torch.Tensor]:
    """Linear layers of 1,000 (Kim and Mnih 2018): a step is cheap, and spectra are not."""
    sides = [16, *5 * [1000], 2]
    layers = [part for a, b in pairwise(sides) for part in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers[:-1]), torch.randn(64, 16)


def dcgan() -> tuple[nn.Module, torch.Tensor]:
    """Radford et al. 2016 at 32 pixels and 64 channels."""
    widths = [3, 64, 128, 256]
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4096, 1)), torch.randn(64, 3, 32, 32)


def watched(
    build: Callable[[], tuple[nn.Module, torch.Tensor]],
) -> tuple[dict[str, Callable[[], object]], int]:
    """(an update of D, a measurement, a forward pass and a traced one; the default cadence)."""
    network, x = build()
    monitor = watch(network)
    optimiser = torch.optim.Adam(network.parameters())

    def update() -> None:
        optimiser.zero_grad()
        for _ in range(2):
            network(x).square().mean().backward()
        optimiser.step()

    update()
    monitor.step()
    assert monitor.every is not None
    parts: dict[str, Callable[[], object]] = {
        "update": update,
        "measurement": monitor.spectra,
        "forward": lambda: network(x),
        "traced": lambda: trace(network, lambda: network(x)),
    }
    return parts, monitor.every


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--shapes", default="1000x1000,1024x4608", help="separated by commas")
    args = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, float] = {}
    for shape in args.shapes.split(","):
        rows, columns = map(int, shape.split("x"))
        ways, error = projections((rows, columns))
        times = medians(ways, args.repetitions)
        figures[f"{shape}, float64, ms"] = 1000 * times["float64"]
        figures[f"{shape}, warm / float64"] = times["warm"] / times["float64"]
        figures[f"{shape}, error of warm"] = error
    for build in (dcgan, factor_vae):
        parts, every = watched(build)
        times = medians(parts, args.repetitions)
        name = build.__name__
        figures[f"{name}, update, ms"] = 1000 * times["update"]
        figures[f"{name}, measurement / update"] = times["measurement"] / times["update"]
        figures[f"{name}, default cadence"] = every
        figures[f"{name}, watching / update"] = times["measurement"] / times["update"] / every
        figures[f"{name}, traced / forward"] = times["traced"] / times["forward"]
    say("watching and regularizing any discriminator, 1 thread")
    record("watching", figures)


if __name__ == "__main__":
    main()
