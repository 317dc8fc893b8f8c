"""What one projection of all of D's layers costs: the released way, and ours.

Static compensation of half of the singular values of the paper's D (32x32), by

    released       each weight to the host, numpy.linalg.svd, and back
    torch svd      torch.linalg.svd of each weight, where it lies
    loop           eigh of each float64 Gram matrix: what a CPU does
    stacked eigh   the same in stacks: a GPU's first call
    warm           products alone, from the projectors of the call before: a GPU's later calls
    warm, graph    the solver's part of it replayed as one CUDA graph, to see what launches cost

and beside them one power iteration of every layer, one by one and in stacks. The weights move by
0.4 % five times between projections, as in a run.

    export OMP_NUM_THREADS=1  # numpy's, which otherwise takes every core
    python tests/benchmarks/solvers.py [--widths 32,64,128,256] [--repetitions 5] [--device cuda]
"""

import argparse
import dataclasses
import itertools

import numpy as np
import torch
from ledger import record, say
from timing import medians

from trainer import projection, subspace
from trainer.config.trial import trial_config
from trainer.layers import advance
from trainer.spectral import wide_matrix
from trainer.stacks import padded
from trainer.state import TrainState, initial_state
from trainer.tf32 import without_tf32
from trainer.weight_stacks import advance_stacks, stacked_by_shape

STEP = 0.004
UPDATES = 5


def released(state: TrainState) -> None:
    """As in the authors' updater: SVD on the host, in float32, layer after layer."""
    for layer in state.discriminator.regularised_layers():
        matrix = layer.weight.detach().flatten(1).cpu().numpy()
        u, s, vt = np.linalg.svd(matrix, full_matrices=False)
        s = s / s[0]
        s[: len(s) // 2] = 1
        lifted = torch.from_numpy((u * s) @ vt).view(layer.weight.shape)
        layer.weight.copy_(lifted)


def torch_svd(state: TrainState) -> None:
    for layer in state.discriminator.regularised_layers():
        u, s, vt = torch.linalg.svd(layer.weight.flatten(1), full_matrices=False)
        s = s / s[0]
        s[: len(s) // 2] = 1
        layer.weight.copy_(((u * s) @ vt).view(layer.weight.shape))


def graphed(weights: list[torch.Tensor], leading: list) -> torch.cuda.CUDAGraph:
    """`subspace.lift` of all layers that lift, captured: replaying it costs one launch."""
    rows = [(wide_matrix(w), p) for w, p in zip(weights, leading, strict=True) if p is not None]
    side = max(len(p) for _, p in rows)
    grams = torch.stack([padded(w @ w.mT, side) for w, _ in rows])
    projectors = torch.stack([padded(p, side) for _, p in rows])
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            subspace.lift(grams, projectors, renormalise=True)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        subspace.lift(grams, projectors, renormalise=True)
    return graph


def parts_of(width: int, device: str) -> dict:
    """The ways, each of which begins with the same weights, moved from a projection."""
    config = trial_config("paper", "C_16-32", "sr-static", 0, device=device)
    config = dataclasses.replace(config, channels=width, generator_channels=8)
    state = initial_state(config)
    layers = state.discriminator.regularised_layers()
    everything = range(len(layers))
    weights = [layer.weight for layer in layers]
    projection.project_in_stacks(config, state, everything)
    leading, rng = list(state.leading), torch.Generator(device).manual_seed(0)
    for weight, _ in itertools.product(weights, range(UPDATES)):
        step = torch.randn(weight.shape, generator=rng, device=device)
        weight += STEP * weight.norm() * step / step.norm()
    moved = [weight.clone() for weight in weights]

    def way(project, projectors):
        def once():
            for weight, start in zip(weights, moved, strict=True):
                weight.copy_(start)
            state.leading = list(projectors)
            project()

        return once

    nothing = [None] * len(layers)
    parts = {
        "released": way(lambda: released(state), nothing),
        "torch svd": way(lambda: torch_svd(state), nothing),
        "loop": way(
            lambda: [projection.project_one(config, state, k) for k in everything], nothing
        ),
        "stacked eigh": way(
            lambda: projection.project_in_stacks(config, state, everything), nothing
        ),
        "warm": way(lambda: projection.project_in_stacks(config, state, everything), leading),
        "power iteration": lambda: advance(layers),
        "power iteration, stacked": lambda: advance_stacks(stacked_by_shape(layers)),
    }
    check(weights, parts)
    if device == "cuda":
        with without_tf32():
            parts["warm, graph"] = graphed(moved, leading).replay
    return parts


def check(weights: list[torch.Tensor], parts: dict) -> None:
    """Raises AssertionError unless every way gives what the released one does."""
    parts["released"]()
    truth = [weight.clone() for weight in weights]
    for name in ("torch svd", "loop", "stacked eigh", "warm"):
        parts[name]()
        for weight, expected in zip(weights, truth, strict=True):
            off = float((weight - expected).norm() / expected.norm())
            assert off < 1e-4, f"{name} is off by {off:.1e}"


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--widths", default="32,64,128,256", help="of D, separated by commas")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    figures = {}
    for width in map(int, args.widths.split(",")):
        times = medians(parts_of(width, args.device), args.repetitions, args.device)
        figures[f"CH {width}, released, ms"] = 1000 * times["released"]
        for name, taken in times.items():
            if name != "released":
                figures[f"CH {width}, {name} / released"] = taken / times["released"]
    say(f"one projection of all of D's layers, {args.device}, 1 thread")
    record("solvers", figures, args.device)


if __name__ == "__main__":
    main()
