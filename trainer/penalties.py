"""Penalties of the methods beside SN and SR: R1, R2, LeCam, bCR, WGAN-GP, SRIP, JARE and others.

Pure functions of tensors and callables. D is `discriminator(x, labels) -> [B]`, without batch
normalisation: only then is the gradient of the summed outputs the gradient of each sample. All of
it differentiates twice: run it in eager mode, in float32 or better, outside autocast.

r1, r1_and_r2 and gradient_penalty are means over samples, so their micro-batches add up like
those of the loss. orthonormal and srip see no samples and count once per update. JARE and ConOpt
take the norm of the whole batch's mean gradient, which is no sum over parts of the batch.

JARE and ConOpt after the code released with "JARE" (Nie and Patel, UAI 2019), where G's
parameters are phi and D's are theta.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import get_total_norm

from trainer.spectral import wide_matrix

# Of LeCam's code for StyleGAN2, which takes out the start at 0, too.
LECAM_DECAY = 0.99

Discriminator = Callable[[Tensor, Tensor | None], Tensor]


def r1(discriminator: Discriminator, real: Tensor, labels: Tensor | None, weight: float) -> Tensor:
    """weight / 2 * mean_b ||grad_x D(x_b)||^2 on real samples (Mescheder et al. 2018).

    The 1/2 is the paper's. Its authors' code leaves it out: their reg_param 10 is weight 20 here.
    """
    gradients = _input_gradients(discriminator, real, labels)
    return weight / 2 * gradients.square().sum(1).mean()


def r1_and_r2(inputs: Tensor, outputs: Tensor, weight: float) -> Tensor:
    """weight / 2 * (mean over real + mean over generated x) of ||grad_x D(x)||^2 (R3GAN).

    `inputs` are as many real as generated samples and require gradients; `outputs` is D of them,
    from a pass in float32 that the loss shares: half the work of a pass of its own.
    """
    (gradients,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
    return weight * gradients.flatten(1).square().sum(1).mean()


def lecam(real_out: Tensor, fake_out: Tensor, averages: Tensor | None, weight: float) -> Tensor:
    """weight * (mean of max(0, D(x) - a_F)^2 + mean of max(0, a_R - D(G(z)))^2) (LeCam).

    a_R and a_F are those of `averages`, constants; before there are any the penalty is 0.
    """
    if averages is None:
        return torch.zeros_like(real_out).mean()
    a_real, a_fake = averages[:2] / averages[2]
    above, below = torch.relu(real_out - a_fake), torch.relu(a_real - fake_out)
    return weight * (above.square().mean() + below.square().mean())


def consistency(outputs: Tensor, augmented: Tensor, weight: float) -> Tensor:
    """weight * mean of (D(x) - D(T(x)))^2 (CR-GAN; bCR has it on generated images too)."""
    return weight * (outputs - augmented).square().mean()


def averaged(averages: Tensor | None, means: Tensor) -> Tensor:
    """Moving averages [3] of D's mean outputs [2] on real and on generated samples, decay 0.99.

    Not yet divided by their weight, the last entry, which takes out that they began at 0.
    """
    new = torch.cat([means, torch.ones_like(means[:1])])
    before = torch.zeros_like(new) if averages is None else averages
    return LECAM_DECAY * before + (1 - LECAM_DECAY) * new


def gradient_penalty(
    discriminator: Discriminator,
    real: Tensor,
    fake: Tensor,
    labels: Tensor | None,
    weight: float,
    rng: torch.Generator,
) -> Tensor:
    """weight * mean_b (||grad D(x_b)|| - 1)^2 at x = eps real + (1 - eps) fake (WGAN-GP).

    eps ~ U(0, 1) is drawn once per sample; the fakes count as constants.
    """
    if real.shape != fake.shape:
        raise ValueError(
            f"real{list(real.shape)} and fake{list(fake.shape)} differ in shape: "
            "the gradient penalty pairs them one to one"
        )
    shape = (len(real), *(real.ndim - 1) * (1,))
    eps = torch.rand(shape, generator=rng, device=real.device, dtype=real.dtype)
    mixed = torch.lerp(fake, real, eps)
    norms = torch.linalg.vector_norm(_input_gradients(discriminator, mixed, labels), dim=1)
    return weight * (norms - 1).square().mean()


def _input_gradients(discriminator: Discriminator, x: Tensor, labels: Tensor | None) -> Tensor:
    """grad_x D(x_b) of each sample, flattened to [B, d] and differentiable in D's parameters."""
    x = x.detach().requires_grad_()
    (gradients,) = torch.autograd.grad(discriminator(x, labels).sum(), x, create_graph=True)
    return gradients.flatten(1)


def orthonormal(weights: Iterable[Tensor], weight: float) -> Tensor:
    """weight * sum over layers of ||M M^T - I||_F^2, M the smaller side of the reshaped W first.

    Of a W[m, n] with m < n the other side, ||W^T W - I||_F^2, is larger by n - m, a constant:
    the gradient is the same, and no wide layer adds what no training can remove.
    """
    return weight * torch.stack([_orthonormality(wide_matrix(w)) for w in weights]).sum()


def _orthonormality(wide: Tensor) -> Tensor:
    identity = torch.eye(len(wide), dtype=wide.dtype, device=wide.device)
    return (wide @ wide.mT - identity).square().sum()


def srip(weights: Sequence[Tensor], weight: float, rng: torch.Generator) -> Tensor:
    """weight * sum over layers of ||M M^T - I||_2, M the smaller side of the reshaped W first.

    Bansal et al. 2018, Eq. (6) and the estimate of their Eq. (7): with A = M M^T - I and a random
    v, u = A v and then |A u| / |u|, through which the gradient goes. It is at most the norm, the
    largest |sigma_k^2 - 1|. Each layer has vectors of its own at every call.
    """
    wide = [wide_matrix(w) for w in weights]
    sizes, first = [len(matrix) for matrix in wide], wide[0]
    drawn = torch.randn(sum(sizes), generator=rng, device=first.device, dtype=first.dtype)
    norms = [_isometry_defect(m, v) for m, v in zip(wide, drawn.split(sizes), strict=True)]
    return weight * torch.stack(norms).sum()


def _isometry_defect(wide: Tensor, v: Tensor) -> Tensor:
    """|A u| / |u|, u = A v, A = M M^T - I of M = wide[r, n], in products with vectors alone."""

    def product(x: Tensor) -> Tensor:
        return wide @ (wide.mT @ x) - x

    return torch.linalg.vector_norm(product(F.normalize(product(v), dim=0, eps=1e-12)))


class PlayerGradients(NamedTuple):
    """Directions that the players descend, in the order of their parameters, free of any graph.

    `ratios` is ||weight * r|| / ||g||[2] of D and of G, g being the gradient of the player's loss
    and r that of its penalty. The weight does not carry over from one network to another: the
    norms are sums over all parameters. The ratios tell what a weight does here.
    """

    discriminator: list[Tensor]
    generator: list[Tensor]
    ratios: Tensor


def jacobian_gradients(
    d_loss: Tensor,
    g_loss: Tensor,
    d_parameters: Iterable[Tensor],
    g_parameters: Iterable[Tensor],
    weight: float,
    *,
    own: bool,
) -> PlayerGradients:
    """Both players' gradients at one point, for a simultaneous update of JARE or ConOpt.

    With g_D = grad_theta L_D and g_G = grad_phi L_G,

        JARE (own=False)    theta: g_D + weight grad_theta |g_G|^2 / 2
                            phi:   g_G + weight grad_phi |g_D|^2 / 2
        ConOpt (own=True)   theta: g_D + weight grad_theta (|g_D|^2 + |g_G|^2) / 2
                            phi:   g_G + weight grad_phi (|g_D|^2 + |g_G|^2) / 2

    and weight = 0 is simultaneous gradient descent. Both losses must come from the same real
    samples and the same fakes, not detached: raises ValueError where one does not depend on the
    other player, for that would silently be half of the method. Frees both graphs.
    """
    theta, phi = list(d_parameters), list(g_parameters)
    twice = weight != 0
    g_d = _gradients(d_loss, theta, create_graph=twice, retain_graph=True)
    g_g = _gradients(g_loss, phi, create_graph=twice)
    _require(g_d, "L_D does not depend on D's parameters")
    _require(g_g, "L_G does not depend on G's parameters: were the fakes drawn without gradient?")
    if not twice:
        ratios = torch.zeros(2, device=d_loss.device)
        return PlayerGradients(_filled(g_d, theta), _filled(g_g, phi), ratios)
    of_d = _gradients(_half_square(g_d), phi + theta if own else phi, retain_graph=True)
    of_g = _gradients(_half_square(g_g), theta + phi if own else theta)
    g_cross, d_own = of_d[: len(phi)], of_d[len(phi) :]
    d_cross, g_own = of_g[: len(theta)], of_g[len(theta) :]
    _require(g_cross, "L_D does not depend on G's parameters: were its fakes detached?")
    _require(d_cross, "the gradient of L_G does not depend on D's parameters")
    d_gradients, d_ratio = _combine(theta, g_d, d_cross, d_own, weight)
    g_gradients, g_ratio = _combine(phi, g_g, g_cross, g_own, weight)
    return PlayerGradients(d_gradients, g_gradients, torch.stack([d_ratio, g_ratio]))


MaybeTensors = Sequence[Tensor | None]


def _gradients(
    output: Tensor,
    inputs: Sequence[Tensor],
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> MaybeTensors:
    """autograd.grad with None wherever the output does not depend on the input.

    Never backward(create_graph=True): it ties parameter and gradient into a cycle that leaks.
    """
    if not output.requires_grad:
        return [None] * len(inputs)
    return torch.autograd.grad(
        output, inputs, allow_unused=True, create_graph=create_graph, retain_graph=retain_graph
    )


def _require(gradients: MaybeTensors, otherwise: str) -> None:
    if all(gradient is None for gradient in gradients):
        raise ValueError(otherwise)


def _half_square(gradients: MaybeTensors) -> Tensor:
    """|g|^2 / 2 over all of a player's parameters together: one norm, not one for each layer."""
    squares = [gradient.square().sum() for gradient in gradients if gradient is not None]
    return torch.stack(squares).sum() / 2


def _combine(
    parameters: Sequence[Tensor],
    first: MaybeTensors,
    cross: MaybeTensors,
    own: MaybeTensors,
    weight: float,
) -> tuple[list[Tensor], Tensor]:
    """(g + weight r of each parameter, ||weight r|| / ||g||); `own` is empty without own terms."""
    g, r = _filled(first, parameters), _filled(cross, parameters)
    if own:
        r = [a + b for a, b in zip(r, _filled(own, parameters), strict=True)]
    ratio = abs(weight) * get_total_norm(r) / get_total_norm(g)
    return [a + weight * b for a, b in zip(g, r, strict=True)], ratio


def _filled(gradients: MaybeTensors, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Detached, and zero for a parameter that does not enter: a last bias under Wasserstein."""
    return [
        torch.zeros_like(parameter) if gradient is None else gradient.detach()
        for gradient, parameter in zip(gradients, parameters, strict=True)
    ]
