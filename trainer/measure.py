"""Measurements of an evaluation: D's outputs, its spectra, Hessian eigenvalues, sample images."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from trainer import ema, hessian
from trainer.config.costs import images_at_once
from trainer.config.methods import METHODS
from trainer.config.trial import TrialConfig
from trainer.data.images import quantise
from trainer.data.sources import Source
from trainer.evidence import mean_of_voting, own_voting_layers
from trainer.interruption import check
from trainer.layers import effective_weight
from trainer.losses import LOSSES, loss_of_pairs
from trainer.packing import shuffled, whole_packs
from trainer.randomness import generator
from trainer.spectral import SUMMARIES, spectral_norm, spectrum, summary
from trainer.state import TrainState
from trainer.toys import POINTS, scatter
from trainer.updates import HESSIAN_BATCH, discriminator_loss, in_float32, latent, sharpest

GRID = 8
D_SAMPLES = 512
GRADIENT_SAMPLES = 64
# Latent vectors that one draw is of: with another number the samples would be others.
SAMPLES_AT_ONCE = 1000
BINS = 64

Network = Callable[[Tensor, Tensor | None], Tensor]


@torch.no_grad()
def discriminator_outputs(
    config: TrialConfig, state: TrainState, data: Source
) -> dict[str, Tensor]:
    """D(x)[512], or of as many packs as they fill, on fixed training and held-out samples and on
    samples of fixed latent vectors."""
    d = state.discriminator
    rng = generator(config.device, config.seed, 0, "evaluation of D")
    real = data.draw_fixed(D_SAMPLES, rng)
    z, labels = latent(config, D_SAMPLES, rng)
    training = _in_parts(config, d, *_in_order_of_packs(config, real, rng))
    generated = _in_parts(config, d, _generate(config, state, z, labels), labels)
    rng = generator(config.device, config.seed, 0, "evaluation of D, held out")
    held_out = data.draw_fixed(D_SAMPLES, rng, held_out=True)
    test = _in_parts(config, d, *_in_order_of_packs(config, held_out, rng))
    return {"training": training, "generated": generated, "test": test}


def _in_parts(config: TrialConfig, network: Network, x: Tensor, labels: Tensor | None) -> Tensor:
    """network(x, labels) of x[B, ..] in parts of so many pixels, each of whole packs."""
    n = max(whole_packs(images_at_once(config), config.packing), config.packing or 1)
    if len(x) <= n:
        return network(x, labels)
    parts = []
    for k in range(0, len(x), n):
        check()
        parts.append(network(x[k : k + n], None if labels is None else labels[k : k + n]))
    return torch.cat(parts)


def _in_order_of_packs(
    config: TrialConfig, samples: tuple[Tensor, Tensor | None], rng: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    return samples if config.packing is None else shuffled(*samples, rng)


def output_record(outputs: dict[str, Tensor]) -> dict[str, float]:
    """D's mean outputs, its gaps between real and generated and between training and held-out
    images, and how far its outputs spread."""
    real, fake, test = outputs["training"], outputs["generated"], outputs["test"]
    return {
        "d_real": float(real.mean()),
        "d_fake": float(fake.mean()),
        "d_test": float(test.mean()),
        "gap": float(real.mean() - fake.mean()),
        "held_out_gap": float(real.mean() - test.mean()),
        "d_spread": float(torch.cat([real, fake]).std()),
    }


def discriminator_gradient(config: TrialConfig, state: TrainState) -> float:
    """Mean |dD/dx| at 64 generated images x of fixed latent vectors, in units of D per unit of a
    pixel in [-1, 1]: what D has to tell G. 0 of a constant D, NaN of one that is not finite.

    A part of the batch at a time, for training holds no more; the networks stay as they are.
    """
    rng = generator(config.device, config.seed, 0, "gradient of D")
    n = whole_packs(GRADIENT_SAMPLES, config.packing)
    step = whole_packs(config.micro_batch, config.packing)
    norms = []
    for start in range(0, n, step):
        z, labels = latent(config, min(step, n - start), rng)
        with torch.no_grad():
            images = _generate(config, state, z, labels)
        images.requires_grad_()
        (gradient,) = torch.autograd.grad(state.discriminator(images, labels).sum(), images)
        norms.append(gradient.flatten(1).norm(dim=1))
    return float(torch.cat(norms).mean())


def histograms(config: TrialConfig, outputs: dict[str, Tensor]) -> list[dict[str, Any]]:
    """Per set of images, histograms of D(x) and of D's loss on each image (Figs. 9 to 11).

    64 equal bins between `low` and `high`, the smallest and the largest finite value; what is
    not finite is counted apart.
    """
    rows = []
    for images, d_x in outputs.items():
        losses = _losses_of_d(config, outputs, images)
        for quantity, values in (("d", d_x), ("d_loss", losses)):
            rows.append({"images": images, "quantity": quantity, **_histogram(values)})
    return rows


def _losses_of_d(config: TrialConfig, outputs: dict[str, Tensor], images: str) -> Tensor:
    """L_D per image; over pairs, that with the generated image, or for one the training image,
    of the same place."""
    d_x = outputs[images]
    if config.pairs_images:
        real = outputs["training"] if images == "generated" else d_x
        return loss_of_pairs(config).of_pairs(real, outputs["generated"])
    loss = LOSSES[config.loss]
    return (loss.fake if images == "generated" else loss.real)(d_x)


def _histogram(values: Tensor) -> dict[str, Any]:
    values = values.double().cpu()
    finite = values[values.isfinite()]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    counts = torch.histc(finite, BINS, low, high) if high > low else torch.zeros(BINS)
    if high == low:
        counts[0] = len(finite)
    return {
        "low": low,
        "high": high,
        "counts": [int(count) for count in counts],
        "not_finite": len(values) - len(finite),
    }


@torch.no_grad()
def spectra(state: TrainState, config: TrialConfig) -> tuple[dict[str, Any], list[list[float]]]:
    """(per-layer summaries, singular values [layers][r] of the weights as the forward pass uses
    them), of D's regularised layers; sigma_1 in the summaries is that of the raw weight W."""
    layers = state.discriminator.regularised_layers()
    raw = [spectrum(layer.weight) for layer in layers]
    normalisation = METHODS[config.method].normalisation
    if normalisation == "wn":
        used = [spectrum(effective_weight(layer)) for layer in layers]
    elif normalisation == "sn":
        norms = [float(spectral_norm(c.weight, c.u, c.v)) for c in layers]
        used = [sigma / norm for sigma, norm in zip(raw, norms, strict=True)]
    else:
        used = raw
    shapes = used if normalisation == "wn" else raw
    record: dict[str, Any] = {"sigma1": [float(sigma[0]) for sigma in raw]}
    summaries = [summary(sigma) for sigma in shapes]
    for name in SUMMARIES:
        record[name] = [values[name] for values in summaries]
    voting = own_voting_layers(config)
    record["spectrum_left"] = mean_of_voting(record["sigma2_ratio"], voting)
    record["spectrum_low"] = mean_of_voting(record["low_share"], voting)
    return record, [sigma.tolist() for sigma in used]


def hessian_record(config: TrialConfig, state: TrainState, data: Source) -> dict[str, Any]:
    """The largest eigenvalues of each player's Hessian, with the residuals of Lanczos."""
    if config.hessian_k is None:
        return {}
    rng = generator(config.device, config.seed, state.iteration, "Hessian of D")
    real, labels = data.draw_fixed(HESSIAN_BATCH, rng)
    of_g = sharpest(config, state, config.hessian_k, (real, labels))
    with hessian.frozen_buffers(state.generator, state.discriminator):
        of_d = hessian.top_eigenvalues(
            lambda: discriminator_loss(in_float32(config), state, real, labels, rng),
            list(state.discriminator.parameters()),
            config.hessian_k,
            rng,
        )
    return {
        "g_hessian": of_g.values.tolist(),
        "g_hessian_residual": of_g.residuals.tolist(),
        "d_hessian": of_d.values.tolist(),
        "d_hessian_residual": of_d.residuals.tolist(),
    }


@torch.no_grad()
def samples(config: TrialConfig, state: TrainState, n: int, *, averaged: bool = False) -> Tensor:
    """n samples of fixed latent vectors with running batch statistics: uint8 [n, 3, H, H], or
    float32 [n, 2] in the plane. `averaged`: of the same vectors by G's averaged weights."""
    rng = generator(config.device, config.seed, 0, f"{n} samples")
    parts = []
    for k in range(0, n, SAMPLES_AT_ONCE):
        check()
        z, labels = latent(config, min(SAMPLES_AT_ONCE, n - k), rng)
        images = _generate(config, state, z, labels, averaged=averaged)
        parts.append(images if config.resolution is None else quantise(images))
    return torch.cat(parts)


def _generate(
    config: TrialConfig,
    state: TrainState,
    z: Tensor,
    labels: Tensor | None,
    *,
    averaged: bool = False,
) -> Tensor:
    g = state.generator

    def generate(z: Tensor, labels: Tensor | None) -> Tensor:
        return ema.generate(g, state.ema, z, labels) if averaged else g(z, labels)

    g.eval()
    try:
        return _in_parts(config, generate, z, labels)
    finally:
        # Also where it is given up between two parts.
        g.train()


def picture(config: TrialConfig, state: TrainState) -> bytes:
    """A PNG of samples of fixed latent vectors: a grid of 8x8 images, or points in the plane."""
    if config.resolution is None:
        points = samples(config, state, config.curve_samples)
        source = POINTS[config.dataset](config.device)
        return _png(scatter(points, source.centres))
    images = samples(config, state, GRID**2)
    height = images.shape[-1]
    grid = images.unflatten(0, (GRID, GRID)).permute(0, 3, 1, 4, 2)
    # Every pixel of a small image is shown as several.
    return _png(grid.reshape(GRID * height, GRID * height, 3), zoom=max(1, 32 // height))


def _png(pixels: Tensor, zoom: int = 1) -> bytes:
    """Of uint8 pixels[H, W, 3]."""
    from PIL import Image

    height, width, _ = pixels.shape
    image = Image.fromarray(pixels.cpu().numpy())
    buffer = io.BytesIO()
    image.resize((width * zoom, height * zoom), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()
