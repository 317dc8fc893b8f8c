"""Published discriminators at a documented small size, with a batch and their logits.

What a package imports for training alone (data sets, loggers, other networks) may be absent: such
modules are stand-ins whose every attribute is an empty module class.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor, nn


class Case(NamedTuple):
    """A discriminator, a call of it on a batch, and what picks its logits from the output."""

    network: nn.Module
    call: Callable[[], Any]
    logits: Callable[[Any], Tensor]


_ABSENT = """
    absl accelerate adabelief_pytorch aim audiotools contrastive_learner cv2 ema_pytorch fire ftfy
    gsa_pytorch huggingface_hub imageio kornia librosa linformer lmdb loguru matplotlib nnAudio
    numerize omegaconf open_clip product_key_memory pytorch_fid pytorch_lightning rdt requests
    retry skimage tensorboard tensorflow torch._six torchaudio
    torchvision.transforms.functional_tensor tqdm vector_quantize_pytorch wcwidth
"""
ABSENT = frozenset(_ABSENT.split())


class Attributes(type):
    """The type of stand-in classes, whose attributes are such classes again."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Attributes(name, (StandInClass,), {})

    def __add__(cls, other: Any) -> Any:
        return other


class StandInClass(metaclass=Attributes):
    """A base class, or a function whose result nobody uses."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass


class StandIn(types.ModuleType):
    """A module that is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Attributes(name, (StandInClass,), {})


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last finder: what of ABSENT the others do not find is a stand-in."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name not in ABSENT and name.split(".")[0] not in ABSENT:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> StandIn:
        return StandIn(spec.name)

    def exec_module(self, module: Any) -> None:
        pass


def load(name: str) -> Any:
    """The module, with stand-ins for what it does not find; some ask for a GPU on import."""
    finder = StandIns()
    sys.meta_path.append(finder)
    sys.modules.setdefault("torch.utils.tensorboard", StandIn("torch.utils.tensorboard"))
    try:
        with mock.patch("torch.cuda.is_available", return_value=True):
            return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)


def itself(output: Any) -> Tensor:
    return output


def first(output: Any) -> Tensor:
    while not isinstance(output, Tensor):
        output = output[0]
    return output


def last_of_first(output: Any) -> Tensor:
    """Of a list of lists of features."""
    while not isinstance(output, Tensor):
        output = output[0] if isinstance(output[0], list | tuple) else output[-1]
    return output


def images(size: int, batch: int = 4, channels: int = 3) -> Tensor:
    return torch.randn(batch, channels, size, size)


def simple(
    module: str, name: str, batch: Tensor, *args: Any, logits: Any = itself, **kwargs: Any
) -> Case:
    network = getattr(load(module), name)(*args, **kwargs)
    return Case(network, lambda: network(batch), logits)


def pair(network: nn.Module, length: int = 8192) -> Case:
    """A discriminator of sounds, called on real and generated ones together."""
    y, y_hat = torch.randn(2, 1, length), torch.randn(2, 1, length)
    return Case(network, lambda: network(y, y_hat), first)


def ctgan() -> Case:
    return simple("ctgan.synthesizers.ctgan", "Discriminator", torch.randn(40, 50), 50, (256, 256))


def mimicry(module: str, name: str, **kwargs: Any) -> Callable[[], Case]:
    def build() -> Case:
        network = getattr(load(f"torch_mimicry.nets.{module}"), name)(ndf=32, **kwargs)
        inputs = (images(32), torch.arange(4) % 10) if kwargs else (images(32),)
        return Case(network, lambda: network(*inputs), itself)

    return build


def stylegan2_pytorch() -> Case:
    return simple(
        "stylegan2_pytorch.stylegan2_pytorch", "Discriminator", images(32), 32,
        network_capacity=4, attn_layers=[1], logits=first,
    )  # fmt: skip


def unet_stylegan2() -> Case:
    return simple(
        "unet_stylegan2.unet_stylegan2", "Discriminator", images(64), 64, network_capacity=4,
        logits=first,
    )  # fmt: skip


def lightweight_gan() -> Case:
    network = load("lightweight_gan.lightweight_gan").Discriminator(
        image_size=64, fmap_max=32, attn_res_layers=[16]
    )
    x = images(64)
    return Case(network, lambda: network(x, calc_aux_loss=True), first)


def gigagan() -> Case:
    network = load("gigagan_pytorch.gigagan_pytorch").Discriminator(
        dim_capacity=4, dim_max=32, image_size=32, num_skip_layers_excite=0, unconditional=True,
        multiscale_input_resolutions=(16,), attn_resolutions=(16,),
    )  # fmt: skip
    x = images(32, batch=2)
    rgbs = network.real_images_to_rgbs(x)
    return Case(network, lambda: network(x, rgbs, calc_aux_loss=False), first)


def monai_patch(dimensions: int) -> Callable[[], Case]:
    def build() -> Case:
        x = torch.randn(2, 1, *(32,) * dimensions)
        return simple(
            "monai.networks.nets.patchgan_discriminator", "PatchDiscriminator", x, dimensions, 16,
            1, num_layers_d=3, logits=lambda out: out[-1],
        )  # fmt: skip

    return build


def monai_multi_scale() -> Case:
    return simple(
        "monai.networks.nets.patchgan_discriminator", "MultiScalePatchDiscriminator",
        torch.randn(2, 1, 256, 256), num_d=2, num_layers_d=3, spatial_dims=2, channels=8,
        in_channels=1, logits=lambda out: out[0][0],
    )  # fmt: skip


def taming(use_actnorm: bool) -> Callable[[], Case]:
    return lambda: simple(
        "taming.modules.discriminator.model", "NLayerDiscriminator", images(64), 3, 16, 3,
        use_actnorm,
    )  # fmt: skip


def settings() -> Any:
    """The configuration that bigvgan ships for 22 kHz, narrower."""
    values = {
        "discriminator_channel_mult": 0.25, "use_spectral_norm": False,
        "mpd_reshapes": [2, 3, 5],
        "resolutions": [[1024, 120, 600], [512, 50, 240], [256, 25, 120]],
        "mrd_use_spectral_norm": False, "mrd_channel_mult": 0.5,
    }  # fmt: skip

    class Settings(dict):
        __getattr__ = dict.__getitem__

    return Settings(values)


def bigvgan(name: str, **changes: Any) -> Callable[[], Case]:
    def build() -> Case:
        h = settings()
        h.update(changes)
        return pair(getattr(load("bigvgan.discriminators"), name)(h))

    return build


def vocos(name: str, **kwargs: Any) -> Callable[[], Case]:
    def build() -> Case:
        network = getattr(load("vocos.discriminators"), name)(**kwargs)
        y, y_hat = torch.randn(2, 8192), torch.randn(2, 8192)
        return Case(network, lambda: network(y, y_hat), first)

    return build


def torchgan(module: str, name: str, **kwargs: Any) -> Callable[[], Case]:
    return lambda: simple(
        f"torchgan.models.{module}", name, images(32), step_channels=8, logits=first, **kwargs
    )


def pythae_mlp() -> Case:
    options = types.SimpleNamespace(discriminator_input_dim=(16,))
    network = load("pythae.models.nn.default_architectures").Discriminator_MLP(options)
    z = torch.randn(8, 16)
    return Case(network, lambda: network(z), lambda out: out["embedding"])


def dac(name: str, *args: Any) -> Callable[[], Case]:
    return lambda: simple(
        "dac.model.discriminator", name, torch.randn(2, 1, 4096), *args, logits=lambda out: out[-1]
    )


def basicsr_stylegan2() -> Case:
    """Its fused bias and leaky ReLU has no form for a CPU; the same in torch's own functions."""
    fused = load("basicsr.ops.fused_act.fused_act")

    def forward(layer: Any, x: Tensor) -> Tensor:
        bias = layer.bias.view(1, -1, *(1,) * (x.dim() - 2))
        return nn.functional.leaky_relu(x + bias, layer.negative_slope) * layer.scale

    def function(x: Tensor, bias: Tensor, slope: float = 0.2, scale: float = 2**0.5) -> Tensor:
        bias = bias.view(1, -1, *(1,) * (x.dim() - 2))
        return nn.functional.leaky_relu(x + bias, slope) * scale

    fused.FusedLeakyReLU.forward = forward
    load("basicsr.archs.stylegan2_arch").fused_leaky_relu = function
    return simple(
        "basicsr.archs.stylegan2_arch", "StyleGAN2Discriminator", images(32), 32, narrow=0.125
    )


DISCRIMINATORS: dict[str, Callable[[], Case]] = {
    "ctgan": ctgan,
    "mimicry SNGAN32": mimicry("sngan.sngan_32", "SNGANDiscriminator32"),
    "mimicry SAGAN32": mimicry("sagan.sagan_32", "SAGANDiscriminator32", num_classes=10),
    "mimicry CGANPD32": mimicry("cgan_pd.cgan_pd_32", "CGANPDDiscriminator32", num_classes=10),
    "stylegan2-pytorch": stylegan2_pytorch,
    "unet-stylegan2": unet_stylegan2,
    "lightweight-gan": lightweight_gan,
    "gigagan-pytorch": gigagan,
    "monai Patch 2d": monai_patch(2),
    "monai Patch 3d": monai_patch(3),
    "monai MultiScale": monai_multi_scale,
    "basicsr VGG": lambda: simple(
        "basicsr.archs.discriminator_arch", "VGGStyleDiscriminator", images(128, 2), 3, 8
    ),
    "basicsr UNetSN": lambda: simple(
        "basicsr.archs.discriminator_arch", "UNetDiscriminatorSN", images(32), 3, 8
    ),
    "basicsr StyleGAN2": basicsr_stylegan2,
    "taming batch norm": taming(False),
    "taming ActNorm": taming(True),
    "dac MPD": dac("MPD", 2),
    "dac MSD": dac("MSD", 1),
    "bigvgan MPD": bigvgan("MultiPeriodDiscriminator"),
    "bigvgan MPD with SN": bigvgan("MultiPeriodDiscriminator", use_spectral_norm=True),
    "bigvgan MRD": bigvgan("MultiResolutionDiscriminator"),
    "vocos MPD": vocos("MultiPeriodDiscriminator", periods=(2, 3)),
    "vocos MRD": vocos("MultiResolutionDiscriminator", fft_sizes=(512, 256)),
    "hifi-gan MPD": lambda: pair(load("hifi_gan.models").MultiPeriodDiscriminator()),
    "hifi-gan MSD": lambda: pair(load("hifi_gan.models").MultiScaleDiscriminator()),
    "torchgan DCGAN": torchgan("dcgan", "DCGANDiscriminator"),
    "torchgan ACGAN": torchgan("acgan", "ACGANDiscriminator", num_classes=10),
    "torchgan AutoEncoding": torchgan("autoencoding", "AutoEncodingDiscriminator", energy=False),
    "pythae MLP": pythae_mlp,
    "pythae FactorVAE": lambda: simple(
        "pythae.models.factor_vae.factor_vae_utils", "FactorVAEDiscriminator", torch.randn(64, 16)
    ),
}
