"""ImageNet, read while it is trained on: worker processes read the coming micro-batches ahead.

Which images a draw gets is a function of (seed, iteration, purpose), so the coming ones are known
and a resumed run reads what the uninterrupted one would have read. On the CPU a stream gives, bit
for bit, what `trainer.data.images.Images` of the same pictures would give.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from trainer.config.lookup import UsageError
from trainer.config.settings import DATASETS
from trainer.data.pictures import ImageFiles, dequantise, image_files
from trainer.machine_limits import cpus
from trainer.randomness import draw_purpose, generator

# A core reads about 200 JPEG pictures of 500x375 a second; a worker holds two micro-batches.
MOST_WORKERS = 16


def imagenet(folder: Path, device: str) -> ImageStream:
    """ImageNet from `folder`/train and `folder`/val. Raises UsageError if it is not complete."""
    expected = DATASETS["imagenet"]
    assert expected.resolution
    parts = [image_files(folder / part, expected.resolution) for part in ("train", "val")]
    for files in parts:
        if len(files.classes) != expected.classes:
            raise UsageError(
                f"{files.folder} holds {len(files.classes)} class folders, "
                f"but imagenet has {expected.classes}"
            )
    train, held_out = parts
    if unknown := sorted(set(held_out.classes) - set(train.classes)):
        raise UsageError(f"{held_out.folder / unknown[0]} has no twin in {train.folder}")
    return ImageStream(train=train, held_out=held_out, device=device, workers=reading_workers())


def reading_workers() -> int:
    """Number of processes that read pictures: one for each CPU that this process may use."""
    return min(MOST_WORKERS, cpus())


class ImageStream:
    """Draws like `images.Images` from pictures on disk; `follow` starts reading ahead.

    With 0 workers the pictures are read when they are drawn. Training draws are of the pictures
    with the indices `chosen` [m], or of all.
    """

    def __init__(
        self,
        *,
        train: ImageFiles,
        held_out: ImageFiles,
        device: str,
        workers: int,
        chosen: Tensor | None = None,
    ) -> None:
        self.train = train
        self.held_out = held_out
        self._device = torch.device(device)
        self._workers = workers
        self._chosen = torch.arange(len(train)) if chosen is None else chosen
        self._coming: Iterator[tuple[int, Tensor]] = iter(())
        self._next: tuple[int, Tensor] | None = None
        self._ahead: Iterator[Tensor | str] = iter(())
        self._fixed: dict[tuple[int, bool], tuple[Tensor, Tensor]] = {}

    def restricted(self, chosen: Tensor) -> ImageStream:
        """A stream of the same pictures whose training draws are of `chosen` alone."""
        return ImageStream(
            train=self.train,
            held_out=self.held_out,
            device=str(self._device),
            workers=self._workers,
            chosen=chosen,
        )

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
        """Reads ahead for the D updates from `iteration` on, in place of what was read before.

        From now on `draw` must be asked for these micro-batches, in their order: of each update
        those of numbers rank, rank + world_size, .. The ranks share the workers of a machine.
        """
        self.close()
        parts = range(rank, batch_size // micro_batch, world_size)
        chosen = self._chosen
        draws = partial(_coming_draws, chosen, seed, iteration, n_critic, parts, micro_batch)
        loader = DataLoader(
            _Batches(self.train),
            batch_size=None,  # the sampler's items are whole batches
            sampler=(index.tolist() for _, index in draws()),
            num_workers=-(-self._workers // world_size),
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator(),  # else it takes its workers' seed from the global one
        )
        self._coming = draws()
        self._next = next(self._coming)
        # One pass without an end: the workers stay until close().
        self._ahead = iter(loader)

    def close(self) -> None:
        """Ends the workers. `draw` then reads by itself, until `follow` is called again."""
        self._next = None
        self._ahead = iter(())

    def draw(
        self, n: int, rng: torch.Generator, *, held_out: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """(dequantised float32 [n, 3, H, H], labels int64 [n]), with replacement.

        While it follows, training pictures are those that were read ahead, and `rng` must be the
        fresh generator of the D update that is due. Held-out ones are read at once. Raises
        RuntimeError for a draw out of turn, UsageError naming a file that cannot be read.
        """
        files = self.held_out if held_out else self.train
        # Drawn in any case, so that the noise does not repeat the bits that chose the pictures.
        index = self._draw_index(n, rng, held_out)
        if held_out or self._next is None:
            images = _read(files, index)
        else:
            index, images = self._read_ahead(n, rng)
        return self._ready(files, index, images, rng)

    def draw_fixed(
        self, n: int, rng: torch.Generator, *, held_out: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Like `draw` before following, for pictures that are drawn again and again.

        They are kept on the device (one set for each n and part), and the stream goes on as if
        nothing had been drawn.
        """
        files = self.held_out if held_out else self.train
        index = self._draw_index(n, rng, held_out)
        fixed = self._fixed.get((n, held_out))
        if fixed is None or not torch.equal(fixed[0], index):
            fixed = index, _read(files, index).to(self._device)
            self._fixed[n, held_out] = fixed
        return self._ready(files, index, fixed[1], rng)

    def real_dataset(self) -> Dataset[Tensor]:
        """The training pictures in their order, each uint8 [3, H, H]."""
        return self.train

    @property
    def fingerprint(self) -> str:
        """SHA-256 that stands for the training pictures as they are read."""
        return self.train.fingerprint

    def _draw_index(self, n: int, rng: torch.Generator, held_out: bool) -> Tensor:
        """n indices of pictures, on the CPU."""
        n_images = len(self.held_out if held_out else self._chosen)
        index = torch.randint(n_images, (n,), generator=rng, device=rng.device).cpu()
        return index if held_out else self._chosen[index]

    def _read_ahead(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        assert self._next is not None
        seed, index = self._next
        if rng.initial_seed() != seed or n != len(index):
            raise RuntimeError(
                "a training draw out of turn: the stream follows D's updates, one micro-batch "
                f"of {len(index)} after the other; draw_fixed() serves everything else"
            )
        images = next(self._ahead)
        if isinstance(images, str):
            raise UsageError(images)
        self._next = next(self._coming)
        return index, images

    def _ready(
        self, files: ImageFiles, index: Tensor, images: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        images = images.to(self._device, non_blocking=True)
        labels = files.labels[index].to(self._device, non_blocking=True)
        return dequantise(images, rng), labels


def _coming_draws(
    chosen: Tensor, seed: int, iteration: int, n_critic: int, parts: range, micro_batch: int
) -> Iterator[tuple[int, Tensor]]:
    """(seed of its generator, indices) of D's micro-batches `parts`, endless, from `iteration`."""
    for i in itertools.count(iteration):
        for k, j in itertools.product(range(n_critic), parts):
            rng = generator("cpu", seed, i, draw_purpose(k, j))
            index = torch.randint(len(chosen), (micro_batch,), generator=rng)
            yield rng.initial_seed(), chosen[index]


def _read(files: ImageFiles, index: Tensor) -> Tensor:
    return torch.stack([files[i] for i in index.tolist()])


@dataclass(frozen=True, eq=False)
class _Batches(Dataset[Tensor | str]):
    """uint8 [n, 3, H, H] of n indices, or why not: a worker's exception would come as a page."""

    files: ImageFiles

    def __getitem__(self, index: list[int]) -> Tensor | str:
        try:
            return torch.stack([self.files[i] for i in index])
        except UsageError as error:
            return str(error)
