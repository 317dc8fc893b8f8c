"""Scores of own pictures by features learnt from them: FD-pictures, modes, density, coverage.

No Inception network is asked, and none of these is an Inception score: `fd_pictures` is the
Frechet distance of `picture_features`, in which a picture of one colour is farther than 100 and
held-out real pictures are near 0. *Modes* are 50 clusters of the real pictures, counted among
valid samples; *valid* is what lies in the ball of some real picture, as far as its fifth
neighbour. Density and coverage are those of Naeem et al. (2020), "Reliable Fidelity and Diversity
Metrics for Generative Models": of the first 1,000 samples against 1,000 real pictures, so that
they compare between a curve and its end.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainer.config import picture_gauge
from trainer.config.own_images import OwnImages
from trainer.data.cache import cache_folder, locked
from trainer.data.images import Images
from trainer.scores import metrics
from trainer.scores.picture_features import COMPONENTS, Extractor, k_means, learn
from trainer.scores.tensor_files import read_tensors, write_tensors

NEIGHBOURS = 5
N_COMPARED = 1_000
# Of larger sets a fixed random part stands for all.
MOST = 20_000
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureScorer:
    """The extractor, and real pictures as it sees them: `mean` [c] and `covariance` [c, c];
    `real` [n, c] with `radii` [n] to their fifth neighbours; `clusters` [m, c] with the `shares`
    [m] of the real pictures in them. `held_out` are the scores of held-out real pictures."""

    extractor: Extractor
    sha256: str
    n_real: int
    mean: Tensor
    covariance: Tensor
    real: Tensor
    radii: Tensor
    clusters: Tensor
    shares: Tensor
    held_out: dict[str, float]

    def scores(self, samples: Tensor, protocol: str | None = None) -> dict[str, float]:
        """Every score of uint8 samples [N, 3, H, H]; there is one protocol, without a name."""
        return _scores(self.extractor.features(samples), self)

    def protocol_record(self, protocol: str | None = None) -> dict[str, Any]:
        return {
            "extractor": "k-means patches, learnt from the pictures (picture_features.py): no "
            "Inception network",
            "gauge_version": picture_gauge.VERSION,
            "gauge_sha256": self.sha256,
            "reference": f"{self.n_real:,} training pictures; density and coverage: "
            f"{len(self.real):,} of them, k = {NEIGHBOURS}",
            "modes": len(self.clusters),
            "held_out_real": self.held_out,
        }


def load_scorer(images: Images, own: OwnImages, device: str) -> PictureScorer:
    """The scorer of own pictures, learnt once and kept in the user's cache."""
    name = f"{own.sha256}-{picture_gauge.SCORE}-{picture_gauge.VERSION}"
    path = cache_folder("gauges") / f"{name}.pt"
    with locked(path.with_suffix(".lock")):
        tensors = read_tensors(path, name)
        if tensors is None:
            tensors = _learnt(_part(images.train))
            write_tensors(path, name, tensors)
    return _scorer(tensors, images.held_out[:MOST].cpu(), device)


def _part(images: Tensor) -> Tensor:
    if len(images) <= MOST:
        return images.cpu()
    rng = torch.Generator().manual_seed(SEED)
    index = torch.randperm(len(images), generator=rng)[:MOST].sort().values
    return images[index.to(images.device)].cpu()


def _learnt(images: Tensor) -> dict[str, Tensor]:
    """All that is kept of uint8 images [N, 3, H, H], as tensors on the CPU."""
    extractor = learn(images, SEED)
    features = extractor.features(images)
    rng = torch.Generator().manual_seed(SEED)
    some_real = features[torch.randperm(len(features), generator=rng)[:N_COMPARED]]
    mean, covariance = metrics.statistics(features)
    clusters = k_means(features, picture_gauge.MODES, rng)
    counts = torch.bincount(_nearest(features, clusters), minlength=len(clusters))
    # The picture itself is its own nearest.
    radii = torch.cdist(some_real, some_real).kthvalue(NEIGHBOURS + 1, dim=1).values
    return {
        **{name: getattr(extractor, name) for name in Extractor.__dataclass_fields__},
        "n_real": torch.tensor(len(images)),
        "mean": mean,
        "covariance": covariance,
        "real": some_real,
        "radii": radii,
        "clusters": clusters,
        "shares": counts.double() / len(features),
    }


def _scorer(tensors: dict[str, Tensor], held_out: Tensor, device: str) -> PictureScorer:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(tensors[key].contiguous().numpy().tobytes())
    on_device = {key: tensor.to(device) for key, tensor in tensors.items()}
    extractor = Extractor(**{key: on_device.pop(key) for key in Extractor.__dataclass_fields__})
    n_real = int(on_device.pop("n_real"))
    fields = {"extractor": extractor, "sha256": digest.hexdigest(), "n_real": n_real, **on_device}
    plain = PictureScorer(**fields, held_out={})
    # A covariance of fewer pictures than components says little.
    enough = len(held_out) > COMPONENTS
    return PictureScorer(**fields, held_out=plain.scores(held_out) if enough else {})


def _scores(features: Tensor, scorer: PictureScorer) -> dict[str, float]:
    balls = _in_balls(features, scorer)
    labels = _nearest(features, scorer.clusters)
    valid = balls.any(1)
    modes, reverse_kl = _modes(labels[valid], scorer.shares)
    first_balls = balls[:N_COMPARED]
    mean, covariance = metrics.statistics(features)
    return {
        "n_samples": len(features),
        "fd_pictures": metrics.frechet_distance(mean, covariance, scorer.mean, scorer.covariance),
        "modes": modes,
        "reverse_kl": reverse_kl,
        "valid_share": float(valid.double().mean()),
        "density": float(first_balls.double().mean() * first_balls.shape[1] / NEIGHBOURS),
        "coverage": float(first_balls.any(0).double().mean()),
    }


def _in_balls(features: Tensor, scorer: PictureScorer) -> Tensor:
    """bool [N, n]: which of features [N, c] lie within which real picture's ball."""
    parts = [torch.cdist(part, scorer.real) <= scorer.radii for part in features.split(N_COMPARED)]
    return torch.cat(parts)


def _nearest(features: Tensor, centres: Tensor) -> Tensor:
    return torch.cat([torch.cdist(part, centres).argmin(1) for part in features.split(10_000)])


def _modes(labels: Tensor, shares: Tensor) -> tuple[int, float]:
    """(how many clusters occur in labels [N], KL in nats of their shares from the real ones);
    NaN for no samples."""
    counts = torch.bincount(labels, minlength=len(shares)).double()
    p = counts / counts.sum()
    # A cluster that lost all of its real pictures cannot be told from an absent one.
    kl = (torch.xlogy(p, p) - torch.xlogy(p, shares.clamp(min=1e-12))).sum()
    return int((counts > 0).sum()), float(kl)
