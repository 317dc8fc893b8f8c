"""Real images: the digits that scikit-learn ships, stacked; CIFAR-10, STL-10 and ImageNet.

Small sets are uint8 and live whole on the training device; a batch is gathered there. ImageNet is
read while it is trained on (`trainer.data.imagenet`) and is drawn from in the same way. Stacked
digits draw three digits independently, one per colour channel: 10^3 = 1000 known modes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from trainer.config.availability import LAYOUTS, imagenet_folder, missing_reason
from trainer.config.lookup import UsageError
from trainer.config.own_images import RESIDENT_BYTES, OwnImages, Reading
from trainer.config.settings import DATASETS
from trainer.data.collection import stored_collection
from trainer.data.imagenet import ImageStream, imagenet
from trainer.data.pictures import dequantise
from trainer.data.preparation import prepare

# Rows of the digits in the order of train_test_split(..., test_size=0.2, stratify=labels,
# random_state=0): the training digits, then those held out.
_SPLIT = Path(__file__).with_name("digits_split.npy")
_TRAINING_DIGITS = 1437
_PLAIN = Reading()


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """A data set that lives on the training device, or beside it in memory or a file.

    `train` and `held_out` are uint8 [N, C, H, H]; with `stacked`, C is 1 and three draws make the
    channels of one image. Labels are int64 [N], None for a set that is not conditional. Training
    draws are of the images with the indices `chosen`, or of all.
    """

    train: Tensor
    held_out: Tensor
    stacked: bool
    train_labels: Tensor | None = None
    held_out_labels: Tensor | None = None
    chosen: Tensor | None = None

    def draw(
        self, n: int, rng: torch.Generator, *, held_out: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """(dequantised float32 [n, 3, H, H], labels int64 [n] or None), with replacement."""
        labels = self.held_out_labels if held_out else self.train_labels
        images, index = self._gather(n, rng, held_out)
        return dequantise(images, rng), None if labels is None else labels[index]

    # Nothing is read ahead here, so an evaluation draws like the training does.
    draw_fixed = draw

    def draw_uint8(self, n: int, rng: torch.Generator, *, held_out: bool = False) -> Tensor:
        """uint8 [n, 3, H, H], the images of `draw` as they are stored."""
        return self._gather(n, rng, held_out)[0]

    def _gather(self, n: int, rng: torch.Generator, held_out: bool) -> tuple[Tensor, Tensor]:
        pool = self.held_out if held_out else self.train
        shape = (n, 3) if self.stacked else (n,)
        chosen = None if held_out else self.chosen
        n_images = len(pool if chosen is None else chosen)
        index = torch.randint(n_images, shape, generator=rng, device=rng.device)
        index = index if chosen is None else chosen[index.to(chosen.device)].to(index.device)
        # Nothing moves where the images are on the training device, as most sets are.
        images = pool[index.to(pool.device)].to(index.device, non_blocking=True)
        return (images.squeeze(2) if self.stacked else images), index

    def follow(
        self,
        seed: int,
        iteration: int,
        n_critic: int,
        batch_size: int,
        micro_batch: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Does nothing: every image is on the device already."""

    def close(self) -> None:
        """Does nothing: no process reads ahead."""

    def real_dataset(self) -> Dataset[Tensor]:
        """The training images in their order, each uint8 [3, H, H] on the CPU."""
        return _Listed(self._listed())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the bytes of the training images in their order."""
        return hashlib.sha256(self._listed().numpy().data).hexdigest()

    def _listed(self) -> Tensor:
        if self.stacked:
            raise ValueError("stacked digits are combined when drawn: there is no list of them")
        return self.train.cpu()


@dataclass(frozen=True, eq=False)
class _Listed(Dataset[Tensor]):
    images: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


def quantise(images: Tensor) -> Tensor:
    """uint8 of images in [-1, 1]: clip(127.5 x + 127.5), as the released code saves samples."""
    return (images * 127.5 + 127.5).clamp_(0, 255).to(torch.uint8)


def load(
    dataset: str, device: str, root: Path | None = None, *, download: bool = False
) -> Images | ImageStream:
    """The named set of images for training on `device`.

    Raises UsageError when it is not there, incomplete or damaged.
    """
    if dataset.startswith("digits"):
        return _digits(device, resolution=int(dataset.removeprefix("digits")))
    if dataset not in LAYOUTS:
        raise UsageError(f"no set of images is called {dataset!r}: {', '.join(LAYOUTS)}")
    if missing := missing_reason(dataset, root, download=download):
        raise UsageError(missing)
    assert root is not None
    if dataset == "imagenet":
        folder = imagenet_folder(root)
        assert folder is not None
        return imagenet(folder, device)
    read = _stl10 if dataset == "stl10" else _cifar10
    try:
        train, train_labels, held_out, held_out_labels = read(root, download)
    except (OSError, RuntimeError) as error:
        # torchvision's RuntimeError speaks of its own arguments.
        checked = isinstance(error, RuntimeError)
        reason = "a file is missing or has another checksum" if checked else error
        raise UsageError(
            f"{dataset} cannot be read from {root}: {reason}; "
            f"put {LAYOUTS[dataset]} there again, or give --download"
        ) from error
    conditional = DATASETS[dataset].classes is not None
    return Images(
        train=train.to(device),
        held_out=held_out.to(device),
        stacked=False,
        train_labels=train_labels.to(device) if conditional else None,
        held_out_labels=held_out_labels.to(device) if conditional else None,
    )


def own_images(
    own: OwnImages, device: str, root: Path | None, reading: Reading = _PLAIN
) -> Images:
    """Own pictures for training on `device`, from this machine's cache, else decoded from `root`.

    Up to RESIDENT_BYTES, and a quarter of the device's free memory, they live on the device;
    more are read from the cache's file where they are drawn. Raises UsageError if they are not
    those of `own`.
    """
    collection = stored_collection(own.sha256)
    if collection is None:
        if root is None:
            raise UsageError(missing_reason(own.name, None))
        conditional = own.classes is not None
        collection = prepare(root, own.resolution, conditional=conditional, reading=reading)
    if collection.sha256 != own.sha256:
        raise UsageError(
            f"the pictures in {root} are {collection.identity.name} (SHA-256 "
            f"{collection.sha256}), but the trial is of {own.name} ({own.sha256}): they have "
            "changed, or are read with other flags"
        )
    pixels, labels = torch.from_numpy(collection.pixels()), collection.labels()
    if fits(pixels.nbytes, device):
        pixels = pixels.to(device)
    held_out, train = pixels.tensor_split([collection.held_out])
    if labels is None:
        return Images(train=train, held_out=held_out, stacked=False)
    parts = torch.from_numpy(labels).to(device).tensor_split([collection.held_out])
    return Images(
        train=train,
        held_out=held_out,
        stacked=False,
        train_labels=parts[1],
        held_out_labels=parts[0],
    )


def fits(n_bytes: int, device: str) -> bool:
    """Tells whether a set of that size may live on the device."""
    if not device.startswith("cuda"):
        return False  # the file's pages are memory, which all trials of a machine share
    free, _ = torch.cuda.mem_get_info(device)
    return n_bytes <= min(RESIDENT_BYTES, free // 4)


def digit_pools() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(train images, train labels, held-out images, held-out labels) of the 1,797 digits.

    Images are uint8 [N, 1, 8, 8]; scikit-learn's values 0..16 are spread over 0..255. The split
    is 80 to 20, stratified, seed 0; the GAN and its classifier share the larger part.
    """
    # Read from scikit-learn's file: to import it takes seconds, of every trial's process.
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise UsageError("the digits are scikit-learn's, and it is not installed")
    file = Path(package.origin).parent / "datasets/data/digits.csv.gz"
    rows = torch.as_tensor(np.loadtxt(file, delimiter=","))
    order = torch.as_tensor(np.load(_SPLIT).astype(np.int64))
    train, held_out = rows[order].tensor_split([_TRAINING_DIGITS])
    return (
        *(_bytes(train[:, :-1]), train[:, -1].long()),
        *(_bytes(held_out[:, :-1]), held_out[:, -1].long()),
    )


def _bytes(digits: Tensor) -> Tensor:
    return (digits * (255 / 16)).round().to(torch.uint8).reshape(-1, 1, 8, 8)


def _digits(device: str, resolution: int) -> Images:
    train, _, held_out, _ = digit_pools()
    repeat = resolution // 8
    train, held_out = (
        pool.repeat_interleave(repeat, 2).repeat_interleave(repeat, 3).to(device)
        for pool in (train, held_out)
    )
    return Images(train=train, held_out=held_out, stacked=True)


def _cifar10(root: Path, download: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """uint8 [N, 3, 32, 32] and int64 [N], training and held out: 50,000 and 10,000 images."""
    from torchvision.datasets import CIFAR10

    train = CIFAR10(str(root), train=True, download=download)
    held_out = CIFAR10(str(root), train=False)
    return (
        torch.as_tensor(train.data).permute(0, 3, 1, 2).contiguous(),
        torch.as_tensor(train.targets),
        torch.as_tensor(held_out.data).permute(0, 3, 1, 2).contiguous(),
        torch.as_tensor(held_out.targets),
    )


def _stl10(root: Path, download: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """uint8 [N, 3, 32, 32] and int64 [N], training and held out: 100,000 and 8,000 images.

    The paper names no splits. SN-GAN was trained on the unlabelled part alone, whose labels are
    -1 here, and so is this; the test part is held out and the labelled training part not used.
    """
    from torchvision.datasets import STL10

    train = STL10(str(root), split="unlabeled", download=download)
    held_out = STL10(str(root), split="test")
    return (
        _resize_to_32(train.data),
        torch.as_tensor(train.labels).long(),
        _resize_to_32(held_out.data),
        torch.as_tensor(held_out.labels).long(),
    )


def _resize_to_32(images) -> Tensor:
    """The paper compresses STL-10 from 96 to 32 pixels and does not say how: averages of 3x3."""
    chunks = torch.as_tensor(images).split(4096)
    return torch.cat([F.avg_pool2d(c.float(), 3).round().to(torch.uint8) for c in chunks])
