"""The real images that generated ones are compared with, as an Inception network sees them.

Their features are expensive and always the same, so they are kept in a cache folder. A file's
name holds the content hash of the images, their number, the preprocessing and the hash of the
network's weights, and the file repeats it: nothing that was computed from other images or by
another network can be taken for it. Files are renamed into place, whole or not at all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Subset

from trainer.config.lookup import UsageError
from trainer.scores import fidelity
from trainer.scores.tensor_files import read_tensors, write_tensors

PREPROCESSING = "uint8-tf1bilinear299"
# Which real images stand for all of them when there are more than generated ones.
SUBSET_SEED = 2020


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Real images, uint8 [3, H, H] each, and the network (on `device`) that looks at them.

    `fingerprint` is the hash of their content, `cache` the folder of what is known of them,
    `workers` the number of processes that read them when they are decoded from files.
    """

    images: Tensor | Dataset[Tensor]
    fingerprint: str
    extractor: nn.Module
    weights_sha256: str
    device: str
    cache: Path
    workers: int = 0

    def __post_init__(self) -> None:
        if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", self.fingerprint) is None:
            raise ValueError(f"a fingerprint is part of a file name: {self.fingerprint!r} is not")
        if len(self) < 4:  # KID and recall look at the three neighbours of each
            raise UsageError(f"the scores need at least 4 real images, but there are {len(self)}")
        first = self.images[0]
        if first.dtype != torch.uint8 or first.ndim != 3 or len(first) != 3:
            layout = f"{first.dtype} {list(first.shape)}"
            raise ValueError(f"real images must be uint8 [3, H, H], but are {layout}")

    def __len__(self) -> int:
        return len(self.images)  # pyright: ignore[reportArgumentType] - map-style data sets have one

    @property
    def image_shape(self) -> torch.Size:
        return self.images[0].shape

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean[d] and unbiased covariance[d, d] of FID's features of all real images, float64."""

        def compute() -> dict[str, Tensor]:
            mean, covariance = streamed_statistics(self._read(self.images))
            return {"mean": mean, "covariance": covariance}

        stored = self._remembered("statistics", compute)
        return stored["mean"], stored["covariance"]

    def features(self, n: int) -> Tensor:
        """FID's features [n, d] of n of the real images, the same ones every time.

        Of all of them, in their order, if there are not more than n.
        """
        subset: Tensor | Dataset[Tensor] = self.images
        if n < len(self):
            rng = torch.Generator().manual_seed(SUBSET_SEED)
            index = torch.randperm(len(self), generator=rng)[:n].sort().values
            resident = isinstance(subset, Tensor)
            subset = (
                subset[index.to(subset.device)] if resident else Subset(subset, index.tolist())
            )

        def compute() -> dict[str, Tensor]:
            return {"features": torch.cat(list(self._read(subset)))}

        return self._remembered(f"features-{min(n, len(self))}-of", compute)["features"]

    def _read(self, images: Tensor | Dataset[Tensor]) -> Iterator[Tensor]:
        layer = fidelity.layer(self.extractor, "fid")
        for layers in fidelity.features(self.extractor, images, self.device, self.workers):
            yield layers[layer]

    def _remembered(
        self, quantity: str, compute: Callable[[], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """What the cache holds under the full name; computed and kept if that is nothing."""
        name = "-".join(
            [quantity, str(len(self)), self.fingerprint, PREPROCESSING, self.weights_sha256]
        )
        path = self.cache / f"{name}.pt"
        stored = read_tensors(path, name)
        if stored is None:
            with fidelity.full_precision(self.device):
                stored = compute()
            write_tensors(path, name, stored)
        return stored


def streamed_statistics(chunks: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean[d] and unbiased covariance[d, d] in float64 of features that come in chunks[n, d].

    Sums of squares are enough in float64: Inception's features are of the size of their spread.
    """
    n, total, squares = 0, torch.zeros(()), torch.zeros(())
    for chunk in chunks:
        x = chunk.double()
        n, total, squares = n + len(x), total + x.sum(0), squares + x.mT @ x
    mean = total / n
    return mean, (squares - n * torch.outer(mean, mean)) / (n - 1)


def fingerprint_of(images: Tensor) -> str:
    """SHA-256 of the images' shape, type and content."""
    digest = hashlib.sha256(f"{list(images.shape)} {images.dtype}".encode())
    for chunk in images.split(10_000):
        digest.update(chunk.cpu().numpy().tobytes())
    return digest.hexdigest()
