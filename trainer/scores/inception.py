"""Inception Score, FID, KID, precision and recall of generated images, as torch-fidelity has them.

torch-fidelity's own network makes the features and its own functions turn them into scores. Both
are called one after the other here, not through its `calculate_metrics`: for an Inception Score
and a FID in one call that one wants the features of all real images every time, rebuilds the
network from an unchecked file, and remembers real images by a name that ignores what they are.
The scores are the same; only FID's means are taken in float64 instead of float32.

Generated images are made by the caller and handed over as uint8: no generator, conditional or
not, is wrapped. An option that torch-fidelity does not know, fewer samples than splits and
absent weights, over which it goes on silently (the last with a download), are errors here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from trainer.config import protocols
from trainer.config.lookup import UsageError
from trainer.config.protocols import REFERENCE_SHA256, Protocol, missing_reason, weights_path
from trainer.data.cache import cache_folder, writable
from trainer.scores import fidelity, metrics
from trainer.scores.fidelity import full_precision, options
from trainer.scores.reference import PREPROCESSING, Reference, fingerprint_of

__all__ = ["InceptionScorer", "fingerprint_of", "load_scorer", "scorer_of"]

# torch-fidelity's defaults; the seed orders the samples and draws KID's subsets.
SEED = 2020
KID_SUBSETS = 100
KID_SUBSET_SIZE = 1_000
NEIGHBOURS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionScorer:
    """The real images, seen through the network, with their mean[d] and covariance[d, d]."""

    reference: Reference
    mean: Tensor
    covariance: Tensor

    def scores(self, samples: Tensor, protocol: str | None) -> dict[str, float]:
        """The protocol's scores of uint8 samples[n, 3, H, H]; `n_samples` says how many, and
        `reference_weights` is False where the numbers are of another network than everybody's.

        `inception_score_std` is over the splits and absent where there is one; KID, precision and
        recall are absent from `paper`. Raises UsageError for an unknown protocol, ValueError for
        samples that are not what the protocol and the real images ask for.
        """
        parsed = protocols.protocol(protocol)
        _check(samples, parsed, self.reference.image_shape)
        extractor, device = self.reference.extractor, self.reference.device
        with full_precision(device):
            parts = list(fidelity.features(extractor, samples, device))
            pool = torch.cat([part[fidelity.layer(extractor, "fid")] for part in parts])
            logits = torch.cat([part[fidelity.layer(extractor, "isc")] for part in parts])
            scores = {
                "n_samples": parsed.samples,
                "reference_weights": self.reference.weights_sha256 == REFERENCE_SHA256,
                **_inception_score(logits, parsed.splits),
                "fid": _fid(metrics.statistics(pool), (self.mean, self.covariance)),
            }
            if "kid" in parsed.metrics:
                real = self.reference.features(parsed.samples)
                scores |= _kid(pool, real) | _precision_recall(pool.to(device), real.to(device))
        return scores

    def protocol_record(self, protocol: str | None = None) -> dict[str, Any]:
        """Provenance stored beside the numbers; of a named protocol also what that one counts."""
        reference = self.reference
        record: dict[str, Any] = {
            "extractor": reference.extractor.get_name(),  # pyright: ignore[reportCallIssue] - a method of torch-fidelity's
            "library": f"torch-fidelity {fidelity.version()}",
            "preprocessing": PREPROCESSING,
            "weights_sha256": reference.weights_sha256,
            "reference_weights": reference.weights_sha256 == REFERENCE_SHA256,
            "real_fingerprint": reference.fingerprint,
            "real_samples": len(reference),
            "seed": SEED,
        }
        if protocol is None:
            return record
        parsed = protocols.protocol(protocol)
        record |= {
            "protocol": parsed.name,
            "samples": parsed.samples,
            "splits": parsed.splits,
            "metrics": list(parsed.metrics),
            # d features need more than d samples: with fewer FID is biased upwards.
            "fid_rank_deficient": min(parsed.samples, len(reference)) <= len(self.mean),
        }
        if "kid" in parsed.metrics:
            real = min(parsed.samples, len(reference))
            record |= {
                "kid_prc_real_samples": real,
                "kid_subsets": KID_SUBSETS,
                "kid_subset_size": _kid_subset_size(parsed.samples, real),
                "neighbours": NEIGHBOURS,
            }
        return record


def load_scorer(
    device: str,
    weights: Path | None,
    real: Tensor | Dataset[Tensor],
    fingerprint: str,
    *,
    allow_other_weights: bool = False,
    expected: str | None = None,
    cache: Path | None = None,
    workers: int = 0,
) -> InceptionScorer:
    """The scorer for uint8 real images, whose statistics are computed or come from the cache.

    Without `weights` the file named in `INCEPTION_WEIGHTS` is taken; nothing is ever downloaded.
    `fingerprint` is the hash of the images' content, `workers` the number of processes that read
    a Dataset. Raises UsageError if torch-fidelity or the weights cannot be had, the weights are
    not the reference and `allow_other_weights` is not set, they are not those of the SHA-256
    `expected`, or the cache cannot be written.
    """
    path = weights_path(weights)
    reason = missing_reason(path)
    if path is None or reason is not None:
        raise UsageError(reason)
    folder = cache_folder("inception") if cache is None else writable(cache)
    fidelity.version()
    tensors, digest = fidelity.read_weights(path, allow_other=allow_other_weights)
    if expected is not None and digest != expected:
        raise UsageError(f"the trial was planned with the weights {expected}, not {digest}")
    return scorer_of(
        Reference(
            images=real,
            fingerprint=fingerprint,
            extractor=fidelity.load_extractor(tensors, device),
            weights_sha256=digest,
            device=device,
            cache=folder,
            workers=workers,
        )
    )


def scorer_of(reference: Reference) -> InceptionScorer:
    """The scorer for these real images; computes their statistics unless the cache has them."""
    mean, covariance = reference.statistics()
    return InceptionScorer(reference=reference, mean=mean, covariance=covariance)


def _check(samples: Tensor, protocol: Protocol, image_shape: torch.Size) -> None:
    expected = (protocol.samples, *image_shape)
    if samples.dtype != torch.uint8 or samples.shape != expected:
        raise ValueError(
            f"{protocol.name} scores uint8 {list(expected)}, "
            f"but got {samples.dtype} {list(samples.shape)}"
        )


def _inception_score(logits: Tensor, splits: int) -> dict[str, float]:
    """The standard deviation over a single split would be 0, not an error: it is left out."""
    from torch_fidelity.metric_isc import (
        KEY_METRIC_ISC_MEAN,
        KEY_METRIC_ISC_STD,
        isc_features_to_metric,
    )

    moments = isc_features_to_metric(logits, splits=splits, shuffle=True, rng_seed=SEED)
    score = {"inception_score": moments[KEY_METRIC_ISC_MEAN]}
    if splits > 1:
        score["inception_score_std"] = moments[KEY_METRIC_ISC_STD]
    return score


def _fid(fake: tuple[Tensor, Tensor], real: tuple[Tensor, Tensor]) -> float:
    """Frechet distance of two (mean, covariance), never below 0; NaN stays NaN."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    sides = [{"mu": mean.numpy(), "sigma": sigma.numpy()} for mean, sigma in (fake, real)]
    fid = fid_statistics_to_metric(*sides, verbose=False)[KEY_METRIC_FID]
    # Rounding takes the distance of equal sets below 0.
    return 0.0 if fid < 0 else fid


def _kid_subset_size(fakes: int, real: int) -> int:
    """1,000, or half of the smaller set: subsets of all of it would all be the same."""
    return min(KID_SUBSET_SIZE, fakes // 2, real // 2)


def _kid(fake: Tensor, real: Tensor) -> dict[str, float]:
    """Mean and standard deviation over random subsets of the cubic-kernel distance."""
    from torch_fidelity.metric_kid import (
        KEY_METRIC_KID_MEAN,
        KEY_METRIC_KID_STD,
        kid_features_to_metric,
    )

    settings = options(
        kid_subsets=KID_SUBSETS,
        kid_subset_size=_kid_subset_size(len(fake), len(real)),
        rng_seed=SEED,
        verbose=False,
    )
    moments = kid_features_to_metric(fake, real, **settings)
    return {"kid_mean": moments[KEY_METRIC_KID_MEAN], "kid_std": moments[KEY_METRIC_KID_STD]}


def _precision_recall(fake: Tensor, real: Tensor) -> dict[str, float]:
    """Share of fakes within a real image's third-neighbour ball, and of real within a fake's.

    The order of the arguments decides which is which.
    """
    from torch_fidelity.metric_prc import (
        KEY_METRIC_PRECISION,
        KEY_METRIC_RECALL,
        prc_features_to_metric,
    )

    settings = options(prc_neighborhood=NEIGHBOURS, save_cpu_ram=True, verbose=False)
    shares = prc_features_to_metric(fake, real, **settings)
    return {"precision": shares[KEY_METRIC_PRECISION], "recall": shares[KEY_METRIC_RECALL]}
