"""The ranks of a data-parallel run: what each computes, and what they exchange.

Rank r takes the micro-batches r, r + N, .. of every batch. Before each optimiser step one
all-reduce adds up the gradients; the loss and the running figures of batch normalisation go with
them. So after every update all ranks hold the same numbers to the last bit, and a checkpoint of
rank 0 is one of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Ranks:
    """Rank `rank` of `world_size` processes, over torch's default process group.

    With a world size of 1 nothing is exchanged and no group is needed. What a peer's death does to
    an exchange is torch's: a RuntimeError.
    """

    rank: int = 0
    world_size: int = 1

    @property
    def leads(self) -> bool:
        """True on rank 0, which evaluates, saves, and adds what counts once per update."""
        return self.rank == 0

    def parts(self, n: int) -> range:
        """The numbers of this rank's parts of n."""
        return range(self.rank, n, self.world_size)

    @torch.no_grad()
    def reduce(
        self, parameters: Iterable[nn.Parameter], *sums: Tensor, means: Iterable[Tensor] = ()
    ) -> None:
        """Replaces gradients and `sums` by their sums over the ranks, and `means` by their means.

        In place, by one all-reduce in float32 or the gradients' own type.
        """
        if self.world_size == 1:
            return
        tensors = [p.grad for p in parameters if p.grad is not None] + list(sums)
        for mean in means:
            tensors.append(mean.div_(self.world_size))
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        _copy_back(tensors, flat)

    @torch.no_grad()
    def replicate(self, tensors: Sequence[Tensor]) -> None:
        """Overwrites the tensors by those of rank 0, by one broadcast."""
        if self.world_size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.broadcast(flat, src=0)
        _copy_back(tensors, flat)

    def goes_on(self, leads_on: bool = True) -> bool:
        """Tells every rank whether there is another iteration: what rank 0 says.

        The host of every rank waits for it, not its GPU.
        """
        if self.world_size == 1:
            return leads_on
        flag = torch.tensor([int(leads_on)])
        dist.broadcast(flag, src=0)
        return bool(flag)

    def shared_bytes(self, content: bytes = b"") -> bytes:
        """The bytes that rank 0 gives, on every rank."""
        if self.world_size == 1:
            return content
        size = torch.tensor([len(content)])
        dist.broadcast(size, src=0)
        buffer = torch.empty(int(size), dtype=torch.uint8)
        if self.leads:
            buffer.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        dist.broadcast(buffer, src=0)
        return buffer.numpy().tobytes()


def _copy_back(tensors: Sequence[Tensor], flat: Tensor) -> None:
    pieces = flat.split([tensor.numel() for tensor in tensors])
    for tensor, piece in zip(tensors, pieces, strict=True):
        tensor.copy_(piece.view(tensor.shape))


ALONE = Ranks()


def running_figures(network: nn.Module) -> Iterator[Tensor]:
    """Running means and variances of batch normalisation, which are those of the rank's parts.

    Looked for as they are taken, which `reduce` does among several ranks alone.
    """
    for name, buffer in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            yield buffer
