"""How long one training iteration takes, over a plain PyTorch loop that does the same.

An iteration is five updates of D and one of G on twice the batch, at 32x32 with a G of 256
channels. Every loop takes its turn within one run, so that a drift of the machine's speed cancels
in the ratios. The plain loop is in plain.py; it is shown first to compute the trainer's networks.
Public trainers run from checkouts of theirs (public_trainers.py says what each does differently):

    git clone https://github.com/kwotsin/mimicry
    git clone https://github.com/w86763777/pytorch-gan-collections
    git clone https://github.com/POSTECH-CVLab/PyTorch-StudioGAN
    python tests/benchmarks/step.py --mimicry mimicry --gan-collections pytorch-gan-collections
        --studiogan PyTorch-StudioGAN [--shapes 16-128,64-128] [--device cuda]

On a GPU float32 is that of IEEE for everyone, and further columns have TF32 and torch.compile.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import plain
import torch
from ledger import kind_of_machine, record, say
from noise import noise
from public_trainers import TRAINERS, Trainer, Work
from timing import medians
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.utils.flop_counter import FlopCounterMode

from trainer.config.lookup import UsageError
from trainer.config.settings import PROFILES, setting_name
from trainer.config.trial import TrialConfig, trial_config
from trainer.data.images import Images
from trainer.networks import build
from trainer.state import initial_state
from trainer.tf32 import use_tf32
from trainer.updates import train_iteration

LEVERS = ("tf32", "compile")
SHAPES = "16-32,16-64,16-128"
Part = Callable[[], object]


def measure(shape: str, args: argparse.Namespace) -> dict[str, float]:
    """Seconds of the plain loop, and every other loop's time over it."""
    config = configuration(shape, args, "float32")
    check_same_networks(config)
    data = noise(config)
    work = Work(
        batch=config.batch_size,
        channels=config.channels,
        generator_channels=config.generator_channels,
        device=args.device,
        draw=drawn_from(data.train, config.batch_size),
    )

    def written_here() -> dict[str, Trainer]:
        own = {f"ours {name}": own_trainer(shape, args, name, data) for name in args.precisions}
        return {"plain": plain_trainer(work)} | own

    trainers = written_here() | public_trainers(args, work)
    describe(trainers, args.device)
    if "compile" in args.levers:
        for name, one in written_here().items():
            one.generator.compile()
            one.discriminator.compile()
            trainers[f"{name}, compile"] = one
    seconds = medians(columns(trainers, args), args.repetitions, args.device)
    base = seconds.pop("plain")
    ratios = {f"{shape} {name} / plain": taken / base for name, taken in seconds.items()}
    return {f"{shape} plain, s": base} | ratios


def columns(trainers: dict[str, Trainer], args: argparse.Namespace) -> dict[str, Part]:
    """Everyone's iteration in IEEE float32 and, where that is asked for, in TF32 as well."""
    parts = {name: in_arithmetic(one.iterate, "ieee", args) for name, one in trainers.items()}
    if "tf32" in args.levers:
        for name, one in trainers.items():
            parts[f"{name}, tf32"] = in_arithmetic(one.iterate, "tf32", args)
    return parts


def configuration(shape: str, args: argparse.Namespace, precision: str) -> TrialConfig:
    """Raises UsageError for a shape or precision that is none."""
    batch_size, _, channels = shape.partition("-")
    if not (batch_size.isdecimal() and channels.isdecimal()):
        raise UsageError(f"a shape is BATCH-CHANNELS, such as 16-128, not {shape!r}")
    return trial_config(
        "paper",
        setting_name(PROFILES["paper"], "cifar10", int(batch_size), int(channels)),
        "sn",
        0,
        dataset="cifar10",
        device=args.device,
        precision=precision,
        threads=args.threads,
    )


def drawn_from(pixels: Tensor, n: int) -> Callable[[], Tensor]:
    """Draws n images in [-1, 1] from a set on the device; as cheap as drawing can be."""
    images = pixels.float().div_(127.5).sub_(1)
    return lambda: images[torch.randint(len(images), (n,), device=images.device)]


def plain_trainer(work: Work) -> Trainer:
    g = plain.Generator(work.generator_channels).to(work.device)
    d = plain.Discriminator(work.channels).to(work.device)
    return Trainer(iterate=plain.loop(g, d, work.batch, work.draw), generator=g, discriminator=d)


def own_trainer(shape: str, args: argparse.Namespace, precision: str, data: Images) -> Trainer:
    config = configuration(shape, args, precision)
    state = initial_state(config)
    return Trainer(
        iterate=lambda: train_iteration(config, state, data),
        generator=state.generator,
        discriminator=state.discriminator,
    )


def public_trainers(args: argparse.Namespace, work: Work) -> dict[str, Trainer]:
    found = {}
    for name, make in TRAINERS.items():
        folder: Path | None = getattr(args, name.replace("-", "_"))
        if folder is None or not folder.is_dir():
            where = f"{folder} is no folder" if folder else f"no --{name} DIR"
            say(f"{name} is left out: {where}")
            continue
        try:
            found[name] = make(folder.resolve(), work)
        except ImportError as error:
            say(f"{name} is left out: {error}")
    return found


def in_arithmetic(work: Part, kind: str, args: argparse.Namespace) -> Part:
    """The same with float32 convolutions and matrix products as `ieee` or `tf32` on a GPU.

    cuDNN's convolutions are TF32 unless someone says otherwise, whatever they are called.
    """
    if args.device == "cpu":
        return work

    def changed() -> None:
        use_tf32(kind == "tf32")
        work()

    return changed


def check_same_networks(config: TrialConfig) -> None:
    """Raises AssertionError unless both plain networks compute what ours do, in float64."""
    g, d = (network.cpu().double() for network in build(config))
    plain_g = plain.Generator(config.generator_channels).double()
    # In evaluation torch's spectral normalization keeps its singular vectors.
    plain_d = plain.Discriminator(config.channels).double().eval()
    z = torch.randn(4, config.latent_size, dtype=torch.float64)
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    for theirs, ours, given in ((plain_g, g, z), (plain_d, d, x)):
        copy_weights(ours, theirs)
        assert parameters(theirs) == parameters(ours)
        with torch.no_grad():
            torch.testing.assert_close(theirs(given), ours(given), rtol=1e-9, atol=1e-9)


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Weights, biases and singular vectors, layer for layer in the order of their definition."""
    for ours, theirs in zip(layers(source), layers(target), strict=True):
        weight = theirs.weight
        if is_parametrized(theirs):
            normalised = theirs.parametrizations.weight
            weight = normalised.original
            normalised[0]._u.copy_(ours.u)
            normalised[0]._v.copy_(ours.v)
        weight.data.copy_(ours.weight)
        if theirs.bias is not None:
            theirs.bias.data.copy_(ours.bias)


def layers(network: nn.Module) -> list[Any]:
    return [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.Linear)]


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def describe(trainers: dict[str, Trainer], device: str) -> None:
    """Prints each one's parameters and the multiply-adds of one image's forward pass."""
    for name, one in trainers.items():
        z = torch.randn(2, plain.LATENT, device=device)
        x = torch.randn(2, 3, 32, 32, device=device)
        texts = []
        for label, network, given in (("G", one.generator, z), ("D", one.discriminator, x)):
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                network(given, *one.extra)
            macs = counter.get_total_flops() / 2 / len(given)
            size = f"{parameters(network):,} parameters"
            texts.append(f"{label} {size}, {macs / 1e6:,.1f} M multiply-adds")
        say(f"  {name:16} {'; '.join(texts)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=2, help="of the CPU (default 2)")
    parser.add_argument("--shapes", type=listed, default=listed(SHAPES), metavar="BATCH-CHANNELS")
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--precisions", type=listed, default=["float32", "bf16"])
    parser.add_argument("--levers", type=listed, help="default: tf32,compile on cuda, else none")
    for name in TRAINERS:
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help="a checkout of it")
    args = parser.parse_args()
    if args.levers is None:
        args.levers = list(LEVERS) if args.device == "cuda" else []
    if unknown := {*args.levers} - {*LEVERS}:
        parser.error(f"no lever is called {', '.join(unknown)}: {', '.join(LEVERS)}")
    if "tf32" in args.levers and args.device == "cpu":
        parser.error("TF32 is of GPUs: leave out tf32, or give --device cuda")
    try:
        for shape, precision in product(args.shapes, args.precisions):
            configuration(shape, args, precision)
    except UsageError as error:
        parser.error(str(error))
    torch.set_num_threads(args.threads)
    say(f"torch {torch.__version__}, {kind_of_machine(args.device)}, {args.threads} threads")
    figures = {}
    for shape in args.shapes:
        say(f"{shape}: batch and channels of D")
        figures |= measure(shape, args)
    record("step", figures, args.device)


def listed(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


if __name__ == "__main__":
    main()
