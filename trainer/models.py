"""The SN-GAN ResNets of the released codes: generator and projection discriminator.

At 8, 16 and 32 pixels the networks of the paper's Fig. 13(a) and of the released CIFAR code, layer
for layer (the generator starts from resolution / 8); at 128 pixels those of Fig. 13(b) and of the
released ImageNet code. Images are [B, 3, H, H] in [-1, 1], latent vectors z[B, latent], labels
int64 [B] for data sets with classes. Weights start Glorot uniform, biases at zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config.settings import network_widths
from trainer.layers import Conv2d, Embedding, Layer, Linear, as_input
from trainer.packing import packed

# Up to here D's last layer has no bias, as in the released CIFAR code.
SMALL = 32


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation, with a scale and shift per class where there are classes."""

    def __init__(self, channels: int, classes: int | None) -> None:
        # Chainer's defaults, which the released code keeps: eps 2e-5, averages decay by 0.9.
        super().__init__(channels, eps=2e-5, momentum=0.1, affine=classes is None)
        if classes is not None:
            self.gamma = nn.Parameter(torch.ones(classes, channels))
            self.beta = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, input: Tensor, labels: Tensor | None = None) -> Tensor:
        # Without the count of batches, which nothing here rests on: `count_batch` keeps it.
        h = F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum or 0.0,
            self.eps,
        )
        if self.affine:
            return h
        gamma, beta = (
            table[labels, :, None, None].to(h.dtype) for table in (self.gamma, self.beta)
        )
        return gamma * h + beta


def count_batch(norms: Sequence[BatchNorm2d]) -> None:
    """Counts a batch in those that are training, as torch's own do one by one."""
    counts = [norm.num_batches_tracked for norm in norms if norm.training]
    present = [count for count in counts if count is not None]
    if present:
        torch._foreach_add_(present, 1)  # pyright: ignore[reportPrivateImportUsage]


class GeneratorBlock(nn.Module):
    """BN, ReLU, upsample x2, conv, BN, ReLU, conv; shortcut: upsample x2, 1x1 conv."""

    def __init__(
        self, in_channels: int, out_channels: int, classes: int | None, normalisation: str
    ) -> None:
        super().__init__()
        self.bn1 = BatchNorm2d(in_channels, classes)
        self.c1 = Conv2d(in_channels, out_channels, 3, normalisation=normalisation)
        self.bn2 = BatchNorm2d(out_channels, classes)
        self.c2 = Conv2d(out_channels, out_channels, 3, normalisation=normalisation)
        self.c_sc = Conv2d(in_channels, out_channels, 1, normalisation=normalisation)

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        h = self.c1.convolve_upsampled(F.relu(self.bn1(x, labels)))
        h = self.c2(F.relu(self.bn2(h, labels)))
        # A 1x1 convolution commutes with nearest upsampling and is four times cheaper before it.
        return h + upsample(self.c_sc(x))


class Generator(nn.Module):
    """z[B, latent], labels[B] -> images[B, 3, resolution, resolution] in (-1, 1).

    `channels` is the width of the last block: of every block at up to 32 pixels, of 16, 16, 8, 4,
    2 and 1 times as many at 128 pixels.
    """

    def __init__(
        self,
        resolution: int,
        channels: int,
        latent_size: int,
        classes: int | None = None,
        normalisation: str = "none",
    ) -> None:
        super().__init__()
        widths = [channels * k for k in network_widths(resolution).generator]
        self.bottom = resolution // 2 ** (len(widths) - 1)
        self.l1 = Linear(latent_size, widths[0] * self.bottom**2, normalisation=normalisation)
        self.blocks = nn.ModuleList(
            GeneratorBlock(wide, narrow, classes, normalisation)
            for wide, narrow in pairwise(widths)
        )
        self.bn = BatchNorm2d(channels, None)
        self.c = Conv2d(channels, 3, 3, normalisation=normalisation)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        count_batch([module for module in self.modules() if isinstance(module, BatchNorm2d)])
        h = self.l1(as_input(z, self.l1)).unflatten(1, (-1, self.bottom, self.bottom))
        for block in self.blocks:
            h = block(h, labels)
        return torch.tanh(self.c(F.relu(self.bn(h))))

    def normalised_layers(self) -> Sequence[Layer]:
        """All layers if G is spectrally normalised, as the paper does on ImageNet; else none."""
        layers = [module for module in self.modules() if isinstance(module, Layer)]
        return [layer for layer in layers if layer.normalisation == "sn"]

    def narrow_layers(self) -> Sequence[Conv2d | Linear]:
        """Layers that compute in bf16 where that is asked for: all."""
        return [module for module in self.modules() if isinstance(module, Conv2d | Linear)]


class FirstDiscriminatorBlock(nn.Module):
    """conv, ReLU, conv, pool; shortcut: pool, 1x1 conv. No ReLU on the images themselves."""

    def __init__(self, channels: int, normalisation: str, in_channels: int = 3) -> None:
        super().__init__()
        self.c1 = Conv2d(in_channels, channels, 3, normalisation=normalisation)
        self.c2 = Conv2d(channels, channels, 3, normalisation=normalisation)
        self.c_sc = Conv2d(in_channels, channels, 1, normalisation=normalisation)

    def forward(self, x: Tensor) -> Tensor:
        return self.c2.convolve_pooled(F.relu(self.c1(x))) + self.c_sc(F.avg_pool2d(x, 2))


class DiscriminatorBlock(nn.Module):
    """ReLU, conv, ReLU, conv, and with `down` a pool; shortcut: identity, or 1x1 conv and pool.

    The width changes in the second convolution: between the two it is that of the input.
    """

    def __init__(
        self, in_channels: int, out_channels: int, normalisation: str, *, down: bool
    ) -> None:
        super().__init__()
        self.c1 = Conv2d(in_channels, in_channels, 3, normalisation=normalisation)
        self.c2 = Conv2d(in_channels, out_channels, 3, normalisation=normalisation)
        self.c_sc = (
            Conv2d(in_channels, out_channels, 1, normalisation=normalisation) if down else None
        )

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.c1(F.relu(x)))
        if self.c_sc is None:
            return self.c2(h) + x
        # Pooling commutes with a 1x1 convolution: first pooled, a quarter of the work.
        return self.c2.convolve_pooled(h) + self.c_sc(F.avg_pool2d(x, 2))


class Discriminator(nn.Module):
    """images[B, 3, H, H], labels[B] -> D(x)[B]: blocks, ReLU, sum over pixels h, l(h) + <e_y, h>.

    At up to 32 pixels four blocks of width `channels` and a linear layer without bias; at 128
    pixels six, of 1, 2, 4, 8, 16 and 16 times `channels`, and a linear layer with bias. With a
    `packing` of m above 1 it judges packs of m images, D[B // m]: l(h) + sum over the pack's
    places j of <e_{j, y_j}, h>, each place with an embedding of its own.
    """

    def __init__(
        self,
        resolution: int,
        channels: int,
        classes: int | None = None,
        normalisation: str = "sn",
        packing: int = 1,
    ) -> None:
        super().__init__()
        self.packing = packing
        shape = network_widths(resolution)
        widths = [channels * k for k in shape.discriminator]
        downs = [block < shape.pooled for block in range(1, len(widths))]
        self.blocks = nn.ModuleList(
            [FirstDiscriminatorBlock(channels, normalisation, 3 * packing)]
        )
        for (narrow, wide), down in zip(pairwise(widths), downs, strict=True):
            self.blocks.append(DiscriminatorBlock(narrow, wide, normalisation, down=down))
        self.last = Linear(widths[-1], 1, bias=resolution > SMALL, normalisation=normalisation)
        self.embedding = (
            None
            if classes is None
            else Embedding(packing * classes, widths[-1], normalisation=normalisation)
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.packing > 1:
            x = packed(x, self.packing)
        x = as_input(x, self.regularised_layers()[0])
        for block in self.blocks:
            x = block(x)
        # The last layer, and the sum before it, keep the type of its weight.
        h = F.relu(x).sum(dim=(2, 3), dtype=self.last.weight.dtype)
        out = self.last(h).squeeze(1)
        if self.embedding is None:
            return out
        assert labels is not None
        rows = self.embedding(labels) if self.packing == 1 else self._rows_of_packs(labels)
        return out + (rows * h).sum(1)

    def _rows_of_packs(self, labels: Tensor) -> Tensor:
        """sum over j of e_{j, y_j}, [B // m, width]."""
        assert self.embedding is not None
        classes = self.embedding.num_embeddings // self.packing
        first = classes * torch.arange(self.packing, device=labels.device)
        return self.embedding(packed(labels[:, None], self.packing) + first).sum(1)

    def regularised_layers(self) -> Sequence[Conv2d]:
        """The convolutions, layer_0 .. layer_9 (layer_16 at 128 pixels) as the paper numbers
        them: of every block the two 3x3 ones, then the 1x1 shortcut if it has one."""
        layers = [conv for block in self.blocks for conv in (block.c1, block.c2, block.c_sc)]
        return [conv for conv in layers if isinstance(conv, Conv2d)]

    def narrow_layers(self) -> Sequence[Conv2d | Linear]:
        """Layers that compute in bf16 where that is asked for: all before the sum over pixels."""
        return self.regularised_layers()

    def normalised_layers(self) -> Sequence[Layer]:
        rest = [self.last] if self.embedding is None else [self.last, self.embedding]
        return [*self.regularised_layers(), *rest]


def upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
