"""Public SN-GAN trainers, run from checkouts of theirs: nothing of their code is in here.

Each is given this benchmark's widths, batch sizes and images, which lie on the device already, so
that reading and augmenting images is in no trainer's time. Each is unconditional, with hinge
losses, five updates of D and one of G on twice the batch. Modules that are missing are ignored
where they only log, plot, augment, score or read files: no step has anything to do with them.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from plain import LATENT, N_CRITIC
from stand_ins import Ignored, Turns, ignore_missing, module
from torch import Tensor, nn
from torch.torch_version import TorchVersion


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every trainer is to do: `draw` gives `batch` real images[B, 3, 32, 32] in [-1, 1]."""

    batch: int
    channels: int
    generator_channels: int
    device: str
    draw: Callable[[], Tensor]


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """`iterate` trains one iteration; the networks take `extra` after z or after the images."""

    iterate: Callable[[], object]
    generator: nn.Module
    discriminator: nn.Module
    extra: tuple[None, ...] = ()


def mimicry(folder: Path, work: Work) -> Trainer:
    """kwotsin/mimicry: its networks and their train_step.

    Bilinear upsampling and a bias in D's last layer. Real and generated images go through D apart,
    with a power iteration each; fakes are made with their graph and then detached; D is not
    frozen in G's step; the loss and mean outputs are read back after every update. G is trained
    on as many images as it is given real ones, which it only counts: it is given twice the batch.
    """
    # Their __init__ files import TensorBoard and TensorFlow for logs and scores.
    for name in ("torch_mimicry", "torch_mimicry.training"):
        sys.modules[name] = module(name, __path__=[str(folder.joinpath(*name.split(".")))])
    networks = importlib.import_module("torch_mimicry.nets.sngan.sngan_32")
    log = importlib.import_module("torch_mimicry.training.metric_log")
    g = networks.SNGANGenerator32(nz=LATENT, ngf=work.generator_channels).to(work.device)
    d = networks.SNGANDiscriminator32(ndf=work.channels).to(work.device)
    g_optimiser, d_optimiser = _adam(g), _adam(d)
    counted = torch.empty(2 * work.batch, 3, 32, 32, device=work.device)

    def iterate() -> None:
        given = {"log_data": log.MetricLog(), "device": work.device}
        for _ in range(N_CRITIC):
            d.train_step(real_batch=(work.draw(), None), netG=g, optD=d_optimiser, **given)
        g.train_step(real_batch=(counted, None), netD=d, optG=g_optimiser, **given)

    return Trainer(iterate=iterate, generator=g, discriminator=d)


def gan_collections(folder: Path, work: Work) -> Trainer:
    """w86763777/pytorch-gan-collections: its whole train(), a step at a time.

    Real and generated images go through D apart, with a power iteration each; D is not frozen in
    G's step; the loss is read back after every update of D. Its D has 128 channels: for another
    width D is put together from its own blocks. Raises ValueError for a G without 256 channels.
    """
    if work.generator_channels != 256:
        raise ValueError(f"its generator has 256 channels, not {work.generator_channels}")
    ignore_missing(
        "absl", "tensorboardX", "pytorch_gan_metrics", "torchvision", "torchvision.utils", "tqdm"
    )
    with mock.patch.object(sys, "path", [str(folder), *sys.path]):
        script = importlib.import_module("sngan")
        models = importlib.import_module("source.models.sngan")
    g, d = models.ResGenerator32(LATENT), models.ResDiscriminator32()
    if (ch := work.channels) != 128:
        d.model = nn.Sequential(
            models.OptimizedResDisblock(3, ch),
            models.ResDisBlock(ch, ch, down=True),
            models.ResDisBlock(ch, ch),
            models.ResDisBlock(ch, ch),
            nn.ReLU(),
        )
        d.linear = nn.Linear(ch, 1, bias=False)
        d.initialize()
    # The loss that it prints is still attached to its graph; torch warns of that.
    warnings.filterwarnings("ignore", "Converting a tensor with requires_grad=True")
    turns = Turns()
    flags = SimpleNamespace(
        dataset="cifar10",
        arch="res32",
        loss="hinge",
        batch_size=work.batch,
        n_dis=N_CRITIC,
        lr_G=2e-4,
        lr_D=2e-4,
        betas=(0.0, 0.9),
        total_steps=100_000,
        z_dim=LATENT,
        sample_size=1,
        sample_step=500,
        eval_step=5000,
        flags_into_string=lambda: "",
    )
    changes = {name: Ignored() for name in ("transforms", "make_grid", "save_image")}
    changes |= {
        "FLAGS": flags,
        "device": torch.device(work.device),
        "net_G_models": {"res32": lambda _: g},
        "net_D_models": {"res32": lambda: d},
        "datasets": SimpleNamespace(CIFAR10=lambda *_, **__: _Batches(work.draw)),
        "SummaryWriter": Ignored(),
        "trange": lambda *_, **__: turns,
    }
    for name, value in changes.items():
        setattr(script, name, value)
    # Set up here with our batches of images in place of those of a loader with four processes.
    loader = mock.patch("torch.utils.data.DataLoader", lambda batches, **_: batches)
    with loader, tempfile.TemporaryDirectory() as logs:
        flags.logdir = str(Path(logs, "log"))
        turns.start(script.train)
    return Trainer(iterate=turns.step, generator=g, discriminator=d)


def studiogan(folder: Path, work: Work) -> Trainer:
    """POSTECH-CVLab/PyTorch-StudioGAN: train_discriminator and train_generator of its worker.

    Real and generated images go through D apart, with a power iteration each; a bias in D's last
    layer; ReLUs in place, also before shortcuts. D is frozen in G's step, and G while D learns.
    Its batch size is doubled for G's step.
    """
    ignore_missing(
        "wandb", "kornia", "kornia.filters", "seaborn", "matplotlib", "matplotlib.pyplot", "h5py"
    )
    # setuptools no longer has it; StyleGAN's operators compare torch's version with it.
    sys.modules.setdefault("pkg_resources", module("pkg_resources", parse_version=TorchVersion))
    with mock.patch.object(sys, "path", [str(folder / "src"), *sys.path]):
        config = importlib.import_module("config")
        model = importlib.import_module("models.model")
        worker = importlib.import_module("worker")
    settings = {
        "MODEL": {
            "apply_d_sn": True,
            # Its widths at 32 pixels are 4 times this in G and twice this in D.
            "g_conv_dim": work.generator_channels // 4,
            "d_conv_dim": work.channels // 2,
        },
        "LOSS": {"adv_loss": "hinge"},
        "OPTIMIZATION": {"batch_size": work.batch, "beta1": 0.0, "beta2": 0.9},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(json.dumps(settings))  # which is YAML too
        file.flush()
        cfgs = config.Configurations(file.name)
    off = ("distributed_data_parallel", "mixed_precision", "synchronized_bn", "empty_cache")
    nowhere = dict.fromkeys(("project", "entity", "save_dir"))
    cfgs.update_cfgs(
        nowhere | dict.fromkeys((*off, "batch_statistics", "langevin_sampling"), False)
    )
    cfgs.update_cfgs({"freezeD": -1})
    parts = {name: getattr(cfgs, name) for name in ("DATA", "MODEL", "STYLEGAN", "RUN")}
    parts |= {"OPTIMIZATION": cfgs.OPTIMIZATION, "MODULES": cfgs.MODULES}
    g, _, _, d, *_ = model.load_generator_discriminator(
        **parts, device=work.device, logger=Ignored()
    )
    cfgs.define_optimizer(g, d)
    # It takes some twenty things that are only for resuming, scores and other losses.
    needed = {"cfgs": cfgs, "Gen": g, "Dis": d, "local_rank": work.device}
    needed |= {"global_rank": 0, "best_step": 0}
    one = worker.WORKER(**dict.fromkeys(inspect.signature(worker.WORKER).parameters) | needed)
    one.train_iter = _baskets(work)

    def iterate() -> None:
        cfgs.OPTIMIZATION.batch_size = work.batch
        one.train_discriminator(current_step=1)
        cfgs.OPTIMIZATION.batch_size = 2 * work.batch
        one.train_generator(current_step=1)

    return Trainer(iterate=iterate, generator=g, discriminator=d, extra=(None,))


TRAINERS: Mapping[str, Callable[[Path, Work], Trainer]] = {
    "mimicry": mimicry,
    "gan-collections": gan_collections,
    "studiogan": studiogan,
}


class _Batches:
    """Batches of real images, without labels, for ever."""

    def __init__(self, draw: Callable[[], Tensor]) -> None:
        self._draw = draw

    def __iter__(self) -> Iterator[tuple[Tensor, None]]:
        while True:
            yield self._draw(), None


def _baskets(work: Work) -> Iterator[tuple[Tensor, Tensor]]:
    """The real images of one iteration at once, with labels that are not used, for ever."""
    labels = torch.zeros(N_CRITIC * work.batch, dtype=torch.long, device=work.device)
    while True:
        yield torch.cat([work.draw() for _ in range(N_CRITIC)]), labels


def _adam(network: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.0, 0.9))
