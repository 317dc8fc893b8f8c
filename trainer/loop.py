"""The training loop, a generator: `for evaluation in train(config, state, data, scorer): ...`.

The consumer stops by not asking for more. Order of updates as in the released updater: within an
iteration D is updated n_critic times, after each of these the weights are projected if the
iteration is a multiple of the period, and G is updated once, after the first.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainer import digits
from trainer.collapse import DEFAULT_THRESHOLDS, Thresholds, Verdict, judge, spectrum_left
from trainer.config import TrialConfig
from trainer.data import Images, dequantise, quantise
from trainer.losses import discriminator_loss, generator_loss
from trainer.models import advance
from trainer.randomness import generator
from trainer.settings import METHODS
from trainer.spectral import (
    compensate,
    effective_rank,
    lifted_count,
    spectral_norm,
    spectrum,
    stable_rank,
)
from trainer.state import TrainState

GRID = 8
D_SAMPLES = 512
SAMPLES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What is measured at one iteration.

    `record` is the row of scalars and per-layer summaries that the state keeps, without scores
    where there is no scorer or a number is not finite; `spectra` the singular values of every
    layer's W / sigma as the forward pass sees it, [10][r] descending; `samples` a PNG of 8x8
    images of the same latent vectors at every evaluation.
    """

    record: dict[str, Any]
    spectra: list[list[float]]
    samples: bytes
    verdict: Verdict

    @property
    def iteration(self) -> int:
        return self.record["iteration"]


def train(
    config: TrialConfig,
    state: TrainState,
    data: Images,
    scorer: digits.Scorer | None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Iterator[Evaluation]:
    """Trains on from `state`, in place, and yields an evaluation of it whenever one is due.

    The first is of iteration 0. Ends after the last iteration, or when a number is not finite.
    `state` may be saved after each evaluation, and only then.
    """
    started = time.perf_counter() - state.seconds
    if not state.history:
        yield _evaluation(config, state, data, scorer, started, (math.nan, math.nan), thresholds)
    while state.iteration < config.iterations and state.history[-1]["finite"]:
        due = min(_next_multiple(state.iteration, config.evaluate_every), config.iterations)
        losses = torch.zeros(2, device=config.device)
        n = due - state.iteration
        while state.iteration < due:
            losses += train_iteration(config, state, data)
        means = tuple((losses / n).tolist())
        yield _evaluation(config, state, data, scorer, started, means, thresholds)


def _next_multiple(iteration: int, period: int) -> int:
    return (iteration // period + 1) * period


def train_iteration(config: TrialConfig, state: TrainState, data: Images) -> Tensor:
    """n_critic updates of D and one of G; returns (L_D, L_G)[2], the mean and the one."""
    rate = config.learning_rate * (1 - state.iteration / config.iterations)
    for optimiser in (state.generator_optimiser, state.discriminator_optimiser):
        optimiser.param_groups[0]["lr"] = rate
    losses = torch.zeros(2, device=config.device)
    for k in range(config.n_critic):
        losses[0] += update_discriminator(config, state, data, k) / config.n_critic
        if state.iteration % config.projection_period == 0:
            project(config, state)
        if k == 0:
            losses[1] = update_generator(config, state)
    state.iteration += 1
    return losses


def update_discriminator(config: TrialConfig, state: TrainState, data: Images, k: int) -> Tensor:
    """One step of D on real images and fakes of the k-th draw of this iteration; returns L_D."""
    d = state.discriminator
    rng = generator(config.device, config.seed, state.iteration, f"D update {k}")
    real = dequantise(data.draw(config.batch_size, rng), rng)
    with torch.no_grad():
        fake = state.generator(_latent(config, config.batch_size, rng))
    advance(d.normalised_layers())
    real_out, fake_out = d(torch.cat([real, fake])).split(config.batch_size)
    loss = discriminator_loss(real_out, fake_out)
    state.discriminator_optimiser.zero_grad()
    loss.backward()
    state.discriminator_optimiser.step()
    return loss.detach()


def update_generator(config: TrialConfig, state: TrainState) -> Tensor:
    """One step of G; returns L_G. D's weights take no gradient here."""
    d = state.discriminator
    rng = generator(config.device, config.seed, state.iteration, "G update")
    advance(d.normalised_layers())
    d.requires_grad_(False)
    loss = generator_loss(d(state.generator(_latent(config, config.generator_batch_size, rng))))
    state.generator_optimiser.zero_grad()
    loss.backward()
    state.generator_optimiser.step()
    d.requires_grad_(True)
    return loss.detach()


def _latent(config: TrialConfig, n: int, rng: torch.Generator) -> Tensor:
    return torch.randn(n, config.latent_size, generator=rng, device=config.device)


@torch.no_grad()
def project(config: TrialConfig, state: TrainState) -> None:
    """Overwrites D's convolution weights as the method says; the linear layer is left alone."""
    method = METHODS[config.method]
    if method.form is None:
        return
    for layer in state.discriminator.convolutions():
        i = lifted_count(config.i_ratio, layer.weight) if config.i_ratio is not None else 1
        layer.weight.copy_(compensate(layer.weight, i, renormalise=method.renormalises))


def _evaluation(
    config: TrialConfig,
    state: TrainState,
    data: Images,
    scorer: digits.Scorer | None,
    started: float,
    losses: tuple[float, ...],
    thresholds: Thresholds,
) -> Evaluation:
    record, spectra = measure_discriminator(config, state, data)
    record = {"iteration": state.iteration, "d_loss": losses[0], "g_loss": losses[1], **record}
    trained = losses if state.iteration else ()
    record["finite"] = all(map(math.isfinite, (*trained, record["gap"])))
    if scorer is not None and record["finite"]:
        record |= digits.scores(samples(config, state, config.curve_samples), scorer)
    state.seconds = time.perf_counter() - started
    record["seconds"] = state.seconds
    state.history.append(record)
    verdict = judge(
        state.history,
        config.iterations,
        projected=METHODS[config.method].form is not None,
        thresholds=thresholds,
    )
    grid = _png(samples(config, state, GRID**2))
    return Evaluation(record=record, spectra=spectra, samples=grid, verdict=verdict)


@torch.no_grad()
def measure_discriminator(
    config: TrialConfig, state: TrainState, data: Images
) -> tuple[dict[str, Any], list[list[float]]]:
    """D(x) on 512 real and 512 generated images, and the spectrum of each of its layers."""
    d = state.discriminator
    rng = generator(config.device, config.seed, 0, "evaluation of D")
    real = d(dequantise(data.draw(D_SAMPLES, rng), rng))
    fake = d(_generate(config, state, D_SAMPLES, rng))
    convolutions = d.convolutions()
    raw = [spectrum(layer.weight) for layer in convolutions]
    norms = [float(spectral_norm(c.weight, c.u, c.v)) for c in convolutions]
    record = {
        "d_real": float(real.mean()),
        "d_fake": float(fake.mean()),
        "gap": float(real.mean() - fake.mean()),
        "d_spread": float(torch.cat([real, fake]).std()),
        "sigma1": [float(sigma[0]) for sigma in raw],
        "sigma2_ratio": [float(sigma[1] / sigma[0]) for sigma in raw],
        "mean_ratio": [float(sigma.mean() / sigma[0]) for sigma in raw],
        "stable_rank": [float(stable_rank(sigma)) for sigma in raw],
        "effective_rank": [float(effective_rank(sigma)) for sigma in raw],
    }
    record["spectrum_left"] = spectrum_left(record)
    return record, [(s / norm).tolist() for s, norm in zip(raw, norms, strict=True)]


@torch.no_grad()
def samples(config: TrialConfig, state: TrainState, n: int) -> Tensor:
    """uint8 [n, 3, H, H] of fixed latent vectors, with running batch statistics."""
    rng = generator(config.device, config.seed, 0, f"{n} samples")
    parts = (min(SAMPLES_AT_ONCE, n - k) for k in range(0, n, SAMPLES_AT_ONCE))
    return torch.cat([quantise(_generate(config, state, part, rng)) for part in parts])


def _generate(config: TrialConfig, state: TrainState, n: int, rng: torch.Generator) -> Tensor:
    state.generator.eval()
    images = state.generator(_latent(config, n, rng))
    state.generator.train()
    return images


def final_scores(
    config: TrialConfig, state: TrainState, scorer: digits.Scorer | None
) -> dict[str, float]:
    """The scores of the state as it is, at the full sample count.

    Empty without a scorer, and of a state that is not finite: it draws no images to score.
    """
    if scorer is None or (state.history and not state.history[-1]["finite"]):
        return {}
    return digits.scores(samples(config, state, config.final_samples), scorer)


def _png(images: Tensor) -> bytes:
    """Images uint8 [n * n, 3, H, H] in rows of n, every pixel at least 32 / H pixels wide."""
    from PIL import Image

    height = images.shape[-1]
    grid = images.unflatten(0, (GRID, GRID)).permute(0, 3, 1, 4, 2)
    pixels = grid.reshape(GRID * height, GRID * height, 3).cpu().numpy()
    zoom = max(1, 32 // height)
    picture = Image.fromarray(pixels).resize(2 * [GRID * height * zoom], Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
