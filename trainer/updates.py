"""An iteration: n_critic updates of D and one of G, in the order of the released updater.

D is updated n_critic times, after each of these its weights are projected where that is due, and
G is updated once, after the first. Methods that are defined for simultaneous steps make one of
both players instead. A batch goes through the networks in parts of `micro_batch` images whose
gradients add up; singular vectors move once per update, batch norm sees a part, as released.
Where several ranks train together each takes its share of the parts.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainer import ema, hessian, penalties, stacks
from trainer.augmentation import augmentation_of, shifted
from trainer.config.costs import HESSIAN_IMAGES, hessian_images
from trainer.config.methods import METHODS
from trainer.config.trial import TrialConfig
from trainer.data.sources import Source
from trainer.losses import discriminator_loss_of, generator_loss_of
from trainer.normalisation import advance_all, normalised
from trainer.packing import shuffled, whole_packs
from trainer.parallel.ranks import ALONE, Ranks, running_figures
from trainer.precision import mixed_precision, training_pass
from trainer.projection import is_due, project, reparametrised
from trainer.randomness import draw_purpose, generator, part_purpose, seed_torch
from trainer.state import Optimiser, TrainState
from trainer.unrolling import Parameters, looked_ahead

# What an iteration returns, in this order; the ratios, of penalty to loss gradient, are NaN where
# the players take turns.
MEASURED = ("d_loss", "g_loss", "d_penalty_ratio", "g_penalty_ratio")
# Real images with their labels, one entry for each part of a batch.
Drawn = list[tuple[Tensor, Tensor | None]]
# Images for the Hessian's loss at the least.
HESSIAN_BATCH = HESSIAN_IMAGES


def train_iteration(
    config: TrialConfig, state: TrainState, data: Source, ranks: Ranks = ALONE
) -> Tensor:
    """Trains one iteration further, in place; returns what MEASURED names, [4], on the device.

    `ranks` train it together: each calls this with the same state, and ends with the same.
    """
    rate_left = 1 - state.iteration / config.iterations if config.decays else 1.0
    _set_rate(state.generator_optimiser, config.learning_rate * rate_left)
    _set_rate(state.discriminator_optimiser, config.discriminator_rate * rate_left)
    if config.runs_own_code:
        # Whatever was drawn before, in an evaluation or by a run that this one goes on from.
        seed_torch(config.seed, state.iteration, "own code")
    if METHODS[config.method].simultaneous:
        measured = update_both(config, state, data, ranks)
    else:
        measured = torch.full((4,), math.nan, device=config.device)
        measured[0] = 0
        # Real images in G's update are those of D's: nothing more is drawn.
        foresees = config.unrolled_steps is not None
        seen: Drawn | None = [] if foresees or config.pairs_images else None
        for k in range(config.n_critic):
            keep = seen if k == 0 else None
            d_loss = update_discriminator(config, state, data, k, keep, ranks)
            measured[0] += _share(d_loss, config.n_critic)
            if is_due(config, state.iteration, k):
                project(config, state)
                # A factorisation may differ in its last bits between two GPUs.
                projected = state.discriminator.regularised_layers()
                ranks.replicate([layer.weight for layer in projected])
            if k == 0:
                measured[1] = update_generator(config, state, seen, ranks)
    state.iteration += 1
    ema.update(state.ema, state.generator, state.iteration)
    return measured


def _set_rate(optimiser: Optimiser, rate: float) -> None:
    optimiser.param_groups[0]["lr"] = rate


def update_discriminator(
    config: TrialConfig,
    state: TrainState,
    data: Source,
    k: int,
    keep: Drawn | None = None,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Updates D once, on real images and fakes of the iteration's k-th draw; returns L_D.

    The real images of each of this rank's parts go into `keep`.
    """
    d = state.discriminator
    method = METHODS[config.method]
    state.discriminator_optimiser.zero_grad()
    losses: list[Tensor] = []
    parts = config.batch_size // config.micro_batch
    means: list[Tensor] | None = [] if method.penalty == "lecam" else None
    is_reparametrised = method.reparametrised and k == config.n_critic - 1
    with (
        reparametrised(config, state, is_reparametrised),
        normalised(d.normalised_layers(), shares=shares_weights(config)),
        normalised(state.generator.normalised_layers(), advances=False),
    ):
        for part in ranks.parts(parts):
            purpose = draw_purpose(k, part)
            rng = generator(config.device, config.seed, state.iteration, purpose)
            real, labels = data.draw(config.micro_batch, rng)
            if keep is not None:
                keep.append((real, labels))
            with training_pass(config):
                loss = discriminator_loss(config, state, real, labels, rng, means)
                loss = _share(loss, parts)
                loss.backward()
            losses.append(loss.detach())
    # It sees no images: of all ranks it counts once.
    penalty = weight_penalty(config, state, k) if ranks.leads else None
    if penalty is not None:
        penalty.backward()
        losses.append(penalty.detach())
    total = functools.reduce(torch.add, losses)
    mean = None if means is None else torch.stack(means).mean(0)
    of_lecam = () if mean is None else (mean,)
    averaged_over_ranks = itertools.chain(running_figures(state.generator), of_lecam)
    ranks.reduce(d.parameters(), total, means=averaged_over_ranks)
    if mean is not None:
        # Once per update, however its batch is divided.
        state.directions = penalties.averaged(state.directions, mean)
    state.discriminator_optimiser.step()
    return total


def _share(loss: Tensor, parts: int) -> Tensor:
    """The part's share of the mean over the batch."""
    return loss if parts == 1 else loss / parts


def shares_weights(config: TrialConfig) -> bool:
    """True if all passes of an update may share the normalised weights.

    Where they are several the sum of their gradients is rounded before it goes through the
    quotient, not after: a CPU's numbers stay what they were. Second derivatives need the quotient
    in the graph.
    """
    method = METHODS[config.method]
    if method.differentiates_twice:
        return False
    is_one_pass = config.batch_size == config.micro_batch and method.penalty != "bcr"
    return is_one_pass or stacks.runs_in_stacks(torch.device(config.device))


def weight_penalty(config: TrialConfig, state: TrainState, k: int) -> Tensor | None:
    """The penalty of the iteration's k-th D update that sees D's weights alone, or None."""
    kind, weight = METHODS[config.method].penalty, config.penalty_weight
    if kind not in ("orthonormal", "srip"):
        return None
    assert weight is not None
    weights = [layer.weight for layer in state.discriminator.normalised_layers()]
    if kind == "orthonormal":
        return penalties.orthonormal(weights, weight)
    purpose = f"SRIP, D update {k}"
    rng = generator(config.device, config.seed, state.iteration, purpose)
    return penalties.srip(weights, weight, rng)


def discriminator_loss(
    config: TrialConfig,
    state: TrainState,
    real: Tensor,
    labels: Tensor | None,
    rng: torch.Generator,
    means: list[Tensor] | None = None,
) -> Tensor:
    """L_D of real images and of as many fakes, with a penalty that adds up over images.

    Penalties differentiate twice, so they are taken outside of mixed precision. D's mean outputs
    [2], on real images and on fakes, go into `means`.
    """
    d, n = state.discriminator, len(real)
    z, fake_labels = latent(config, n, rng)
    if config.packing is not None:
        real, labels = shuffled(real, labels, rng)
    with torch.no_grad(), mixed_precision(config, state.generator):
        fake = state.generator(z, fake_labels).to(real.dtype)
    augment = augmentation_of(config)
    if augment is not None:
        real, fake = augment(real, rng), augment(fake, rng)
    penalty, weight = METHODS[config.method].penalty, config.penalty_weight
    if penalty == "r1r2" and weight is not None:
        return _penalised_pairs(config, d, real, labels, fake, fake_labels)
    with mixed_precision(config, d):
        real_out, fake_out = _judged(config, d, real, labels, fake, fake_labels)
    loss = discriminator_loss_of(config)(real_out, fake_out)
    if means is not None:
        means.append(torch.stack([real_out.detach().mean(), fake_out.detach().mean()]))
    if penalty == "bcr" and weight is not None:
        moved = shifted(real, rng), labels, shifted(fake, rng), fake_labels
        with mixed_precision(config, d):
            moved_outputs = _judged(config, d, *moved)
        for out, other in zip((real_out, fake_out), moved_outputs, strict=True):
            loss = loss + penalties.consistency(out, other, weight)
    if penalty == "lecam" and weight is not None:
        loss = loss + penalties.lecam(real_out, fake_out, state.directions, weight)
    if penalty == "r1" and weight is not None:
        loss = loss + penalties.r1(d, real, labels, weight)
    if penalty == "wgan-gp" and weight is not None:
        loss = loss + penalties.gradient_penalty(d, real, fake, labels, weight, rng)
    return loss


def _penalised_pairs(
    config: TrialConfig,
    d: nn.Module,
    real: Tensor,
    labels: Tensor | None,
    fake: Tensor,
    fake_labels: Tensor | None,
) -> Tensor:
    """L_D over pairs with R1 + R2, both of the same passes through D."""
    assert config.penalty_weight is not None
    x = torch.cat([real, fake]).requires_grad_()
    if config.networks is None:
        outputs = d(x, _joined(labels, fake_labels))
    else:
        of_real, of_fake = x.chunk(2)
        outputs = torch.cat([d(of_real, labels), d(of_fake, fake_labels)])
    loss = discriminator_loss_of(config)(*outputs.chunk(2))
    return loss + penalties.r1_and_r2(x, outputs, config.penalty_weight)


def _joined(labels: Tensor | None, fake_labels: Tensor | None) -> Tensor | None:
    return None if labels is None or fake_labels is None else torch.cat([labels, fake_labels])


def _judged(
    config: TrialConfig,
    d: nn.Module,
    real: Tensor,
    labels: Tensor | None,
    fake: Tensor,
    fake_labels: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """D(x) of both, in the precision of `real`. From one pass: D has no batch statistics; of a D
    that may have some, from one each, as GANs with such a D are trained."""
    n = whole_packs(len(real), config.packing)
    labels = None if labels is None else labels[:n]
    fake_labels = None if fake_labels is None else fake_labels[:n]
    if config.networks is not None:
        return d(real, labels).to(real.dtype), d(fake, fake_labels).to(real.dtype)
    x = torch.cat([real[:n], fake[:n]])
    outputs = d(x, _joined(labels, fake_labels)).to(real.dtype)
    real_out, fake_out = outputs.chunk(2)
    return real_out, fake_out


def update_generator(
    config: TrialConfig,
    state: TrainState,
    seen: Drawn | None = None,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Updates G once; returns L_G. D's weights take no gradient here.

    A loss over pairs and foreseen updates of D need in `seen` the real images of each of this
    rank's parts.
    """
    d, g = state.discriminator, state.generator
    state.generator_optimiser.zero_grad()
    losses: list[Tensor] = []
    parts = config.batch_size // config.micro_batch
    d.requires_grad_(False)
    shares = shares_weights(config)
    with normalised(d.normalised_layers()), normalised(g.normalised_layers(), shares=shares):
        for k, part in enumerate(ranks.parts(parts)):
            purpose = part_purpose("G update", part)
            rng = generator(config.device, config.seed, state.iteration, purpose)
            n, real = config.generator_batch_size // parts, None if seen is None else seen[k]
            with training_pass(config):
                if config.unrolled_steps is None:
                    loss = generator_loss(config, state, n, rng, real)
                else:
                    assert real is not None
                    loss = unrolled_loss(config, state, n, rng, *real)
                loss = _share(loss, parts)
                loss.backward()
            losses.append(loss.detach())
    total = functools.reduce(torch.add, losses)
    ranks.reduce(g.parameters(), total, means=running_figures(g))
    if config.nudge_k is not None:
        nudge(config, state, ranks)
    d.requires_grad_(True)
    state.generator_optimiser.step()
    return total


def generator_loss(
    config: TrialConfig,
    state: TrainState,
    n: int,
    rng: torch.Generator,
    real: tuple[Tensor, Tensor | None] | None = None,
) -> Tensor:
    """L_G of n fakes, paired with the real images where the loss is one of pairs."""
    z, labels = latent(config, n, rng)
    with mixed_precision(config, state.generator, state.discriminator):
        fake = state.generator(z, labels)
        augment = augmentation_of(config)
        if augment is not None:
            fake = augment(fake.to(z.dtype), rng)
        fake_out = state.discriminator(fake, labels).float()

    def real_out() -> Tensor:
        assert real is not None
        images, real_labels = real
        images = images if augment is None else augment(images, rng)
        with torch.no_grad(), mixed_precision(config, state.discriminator):
            return state.discriminator(images, real_labels).float()

    return generator_loss_of(config, fake_out, real_out)


def unrolled_loss(
    config: TrialConfig,
    state: TrainState,
    n: int,
    rng: torch.Generator,
    real: Tensor,
    labels: Tensor | None,
) -> Tensor:
    """L_G of n fakes under D as it will be, after updates on these fakes and the real images."""
    assert config.unrolled_steps is not None
    d, loss = state.discriminator, discriminator_loss_of(config)
    z, fake_labels = latent(config, n, rng)
    fake = state.generator(z, fake_labels)
    x, both = torch.cat([real, fake]), _joined(labels, fake_labels)

    def d_loss(theta: Parameters) -> Tensor:
        outputs = functional_call(d, dict(theta), (x, both))
        return loss(outputs[: len(real)], outputs[len(real) :])

    optimiser = state.discriminator_optimiser
    theta = looked_ahead(d, optimiser, d_loss, config.unrolled_steps)
    fake_out = functional_call(d, dict(theta), (fake, fake_labels))
    return generator_loss_of(
        config, fake_out, lambda: functional_call(d, dict(theta), (real, labels))
    )


def update_both(
    config: TrialConfig, state: TrainState, data: Source, ranks: Ranks = ALONE
) -> Tensor:
    """Updates both players at once, from the same weights, images and latent vectors.

    Only plain simultaneous descent has more than one part: the penalties do not add up.
    """
    d, g = state.discriminator, state.generator
    advance_all(d.normalised_layers())
    advance_all(g.normalised_layers())
    state.discriminator_optimiser.zero_grad()
    state.generator_optimiser.zero_grad()
    measured = torch.zeros(4, device=config.device)
    parts = config.batch_size // config.micro_batch
    for part in ranks.parts(parts):
        rng = generator(config.device, config.seed, state.iteration, draw_purpose(0, part))
        real, labels = data.draw(config.micro_batch, rng)
        with training_pass(config):
            d_loss, g_loss = both_losses(config, state, real, labels, rng)
            gradients = penalties.jacobian_gradients(
                d_loss,
                g_loss,
                d.parameters(),
                g.parameters(),
                config.penalty_weight or 0.0,
                own=METHODS[config.method].penalty == "conopt",
            )
        _accumulate(d.parameters(), gradients.discriminator, parts)
        _accumulate(g.parameters(), gradients.generator, parts)
        measured += torch.stack([d_loss.detach(), g_loss.detach(), *gradients.ratios]) / parts
    ranks.reduce([*d.parameters(), *g.parameters()], measured, means=running_figures(g))
    state.discriminator_optimiser.step()
    state.generator_optimiser.step()
    return measured


def both_losses(
    config: TrialConfig,
    state: TrainState,
    real: Tensor,
    labels: Tensor | None,
    rng: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """(L_D, L_G) of real images and of the same fakes, both differentiable in both players."""
    z, fake_labels = latent(config, len(real), rng)
    with mixed_precision(config, state.generator, state.discriminator):
        fake = state.generator(z, fake_labels).to(real.dtype)
        augment = augmentation_of(config)
        if augment is not None:
            real, fake = augment(real, rng), augment(fake, rng)
        real_out, fake_out = _judged(config, state.discriminator, real, labels, fake, fake_labels)
    of_d = discriminator_loss_of(config)(real_out, fake_out)
    return of_d, generator_loss_of(config, fake_out, lambda: real_out)


def _accumulate(parameters: Iterable[nn.Parameter], gradients: list[Tensor], parts: int) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        before = parameter.grad
        parameter.grad = gradient / parts if before is None else before + gradient / parts


def latent(config: TrialConfig, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
    """z[n, latent] ~ N(0, I), and uniform labels[n] where training is conditional."""
    z = torch.randn(n, config.latent_size, generator=rng, device=config.device)
    if config.classes is None:
        return z, None
    return z, torch.randint(config.classes, (n,), generator=rng, device=config.device)


def in_float32(config: TrialConfig) -> TrialConfig:
    """The configuration without mixed precision: second derivatives need all of float32."""
    return dataclasses.replace(config, precision="float32")


def nudge(config: TrialConfig, state: TrainState, ranks: Ranks = ALONE) -> None:
    """Shrinks G's gradient along its sharpest directions, found anew every `nudge_every`.

    Every rank searches for them on the same images; they take those that rank 0 finds.
    """
    assert config.nudge_k
    assert config.nudge_every
    assert config.nudge_gamma is not None
    parameters = list(state.generator.parameters())
    if state.iteration % config.nudge_every == 0:
        pairs = sharpest(config, state, config.nudge_k)
        ranks.replicate([pairs.values, pairs.residuals])
        ranks.replicate([pairs.vectors])
        state.directions = hessian.sharp_directions(pairs)
    if state.directions is None or config.nudge_gamma == 1:
        return
    flat = hessian.flatten([parameter.grad for parameter in parameters])
    nudged = hessian.nudge(flat, state.directions, config.nudge_gamma)
    for parameter, piece in zip(
        parameters, hessian.unflatten_like(nudged, parameters), strict=True
    ):
        assert parameter.grad is not None
        parameter.grad.copy_(piece)


def sharpest(
    config: TrialConfig,
    state: TrainState,
    k: int,
    real: tuple[Tensor, Tensor | None] | None = None,
) -> hessian.Eigenpairs:
    """The k largest Hessian eigenpairs of L_G in G's parameters, D held fixed; leaves no trace."""
    config = in_float32(config)
    rng = generator(config.device, config.seed, state.iteration, "Hessian of G")
    n = hessian_images(config, HESSIAN_BATCH)
    with hessian.frozen_buffers(state.generator, state.discriminator):
        return hessian.top_eigenvalues(
            lambda: generator_loss(config, state, n, rng, real),
            list(state.generator.parameters()),
            k,
            rng,
        )
