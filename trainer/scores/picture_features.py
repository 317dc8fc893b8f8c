"""Features of pictures, learnt from the pictures themselves: no labels, no downloaded weights.

Coates, Ng and Lee (2011), "An Analysis of Single-Layer Networks in Unsupervised Feature Learning":
patches of 6x6 pixels, contrast-normalised and whitened, against a dictionary of k-means, whose
triangle activations are summed over the four quarters of a picture. Contrast normalisation takes
brightness and colour away, so the picture in 4x4 pixels stands beside them. Both blocks weigh the
same, and the 64 leading principal components of the real pictures are kept. They are scaled as
one, so that the real pictures' total variance is 100.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.interruption import check

SIDE = 32
PATCH = 6
STRIDE = 2
WORDS = 128
COARSE = 4
COMPONENTS = 64
TOTAL_VARIANCE = 100.0
PATCHES = 50_000
STEPS = 12
# A patch flatter than this, in units of 255, is mostly noise of its file.
FLAT = 10 / 255**2
WHITENING_FLOOR = 0.1
# Pictures whose patches stay in a CPU's cache.
AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """`patch_mean` [d] and `whitening` [d, d] of patches of d = 108 values, the dictionary `words`
    [128, d], and an affine map of the 560 raw features by `centre` [560] and `basis` [560, c]."""

    patch_mean: Tensor
    whitening: Tensor
    words: Tensor
    centre: Tensor
    basis: Tensor

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Features float32 [N, c] of uint8 images [N, 3, H, H], H a multiple of 32."""
        parts = []
        for chunk in images.split(AT_ONCE):
            check()
            raw = self._raw(unit_pictures(chunk.to(self.words.device)))
            parts.append((raw - self.centre) @ self.basis)
        return torch.cat(parts)

    def _raw(self, pictures: Tensor) -> Tensor:
        """[N, 4 * 128 + 48] of pictures [N, 3, 32, 32] in [0, 1]."""
        patches = F.unfold(pictures, PATCH, stride=STRIDE).mT
        white = (_normalised(patches) - self.patch_mean) @ self.whitening
        distance = torch.cdist(white.flatten(0, 1), self.words).view(*white.shape[:2], WORDS)
        triangle = F.relu(distance.mean(-1, keepdim=True) - distance)
        side = (SIDE - PATCH) // STRIDE + 1
        grid = triangle.mT.unflatten(2, (side, side))
        return torch.cat([F.avg_pool2d(grid, side // 2).flatten(1), _coarse(pictures)], dim=1)


def unit_pictures(images: Tensor) -> Tensor:
    """float32 [N, 3, 32, 32] in [0, 1] of uint8 [N, 3, H, H]; larger ones by averages."""
    return F.avg_pool2d(images.float() / 255, images.shape[-1] // SIDE)


def learn(images: Tensor, seed: int = 0) -> Extractor:
    """Learns the extractor from uint8 images [N, 3, H, H] on the CPU.

    Its numbers follow from the images and the seed, up to rounding: that depends on the kind of
    CPU and the number of threads.
    """
    rng = torch.Generator().manual_seed(seed)
    patches = _normalised(_some_patches(images, rng))
    patch_mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(patches.mT.double()))
    whitening = (vectors * (values.clamp(min=0) + WHITENING_FLOOR).rsqrt()) @ vectors.mT
    white = (patches - patch_mean) @ whitening.float()
    words = k_means(white, WORDS, rng)
    n_raw = WORDS * 4 + COARSE * COARSE * 3
    plain = Extractor(
        patch_mean=patch_mean,
        whitening=whitening.float(),
        words=words,
        centre=torch.zeros(n_raw),
        basis=torch.eye(n_raw),
    )
    raw = plain.features(images).double()
    scale = torch.cat([_block_scale(block) for block in raw.split(WORDS * 4, dim=1)])
    values, vectors = torch.linalg.eigh(torch.cov((raw * scale).mT))
    components, leading = vectors[:, -COMPONENTS:], values[-COMPONENTS:].sum()
    basis = scale[:, None] * components * (TOTAL_VARIANCE / leading).sqrt()
    return Extractor(
        patch_mean=patch_mean,
        whitening=plain.whitening,
        words=words,
        centre=raw.mean(0).float(),
        basis=basis.float(),
    )


def k_means(points: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Centres [n, d] of points [N, d] after a few of Lloyd's steps from n random points; a centre
    that loses its last point stays where it is."""
    centres = points[torch.randperm(len(points), generator=rng)[:n]].clone()
    for _ in range(STEPS):
        check()
        nearest = torch.cat([torch.cdist(p, centres).argmin(1) for p in points.split(10_000)])
        counts = torch.bincount(nearest, minlength=n)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        occupied = counts > 0
        centres[occupied] = sums[occupied] / counts[occupied, None]
    return centres


def _some_patches(images: Tensor, rng: torch.Generator) -> Tensor:
    """50,000 random patches [n, 108] in [0, 1]."""
    index = torch.randint(len(images), (PATCHES,), generator=rng)
    corner = torch.randint(SIDE - PATCH + 1, (2, PATCHES), generator=rng)
    windows = unit_pictures(images).unfold(2, PATCH, 1).unfold(3, PATCH, 1)
    return windows[index, :, corner[0], corner[1]].flatten(1)


def _normalised(patches: Tensor) -> Tensor:
    """Patches [.., d] of mean 0 and, unless they are flat, variance 1."""
    centred = patches - patches.mean(-1, keepdim=True)
    return centred * (centred.square().mean(-1, keepdim=True) + FLAT).rsqrt()


def _coarse(pictures: Tensor) -> Tensor:
    return F.avg_pool2d(pictures, SIDE // COARSE).flatten(1)


def _block_scale(block: Tensor) -> Tensor:
    """One factor [d] for all of block [N, d], which makes its total variance 1."""
    total = block.var(0).sum().clamp(min=1e-12)
    return total.rsqrt().expand(block.shape[1])
