"""Largest Hessian eigenpairs of a loss by Lanczos, and the nudge of a gradient along them.

Lanczos on Hessian-vector products is what NuGAN (Chatzimichailidis et al. 2021) is reported to
use; only its abstract was available, so this is our reading of the abstract. The nudge is that
of nudged SGD (Jastrzebski et al. 2019). A Hessian of P parameters is never formed: everything
takes and gives flat vectors [P], the parameters in their order, each row-major.

Second derivatives need float32 or better, eager: in bf16 autocast Lanczos's residuals look small
(1e-13) where the true ones are not (3e-3), and torch.compile refuses to differentiate twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.interruption import check
from trainer.randomness import generator
from trainer.tf32 import without_tf32

# Products per solve. On a generator of the 2-D ring 20 bring five separated eigenvalues below a
# relative residual of 1e-4; where the spectrum is clustered, as it is at the start of training,
# lambda_2..5 stay between 1e-3 and 3e-2 even after 40. More steps would cost time and memory
# (steps x P numbers) in every solve and still not settle those: they are dropped instead.
LANCZOS_STEPS = 20
# ||H v - lambda v|| / max|Ritz value| above which a vector is not taken for an eigenvector: it
# parts the two cases above and lies far over float32's own floor, about 1e-6.
RESIDUAL_TOLERANCE = 1e-3

Product = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Eigenpairs:
    """The k algebraically largest Ritz pairs, largest first; all NaN if a product was not finite.

    `values` and `residuals` are float64 [k] on the CPU; a residual is Lanczos's |beta_m s_mi| over
    the largest |Ritz value|, true down to the rounding of the products.
    `vectors` [k, P] are orthonormal, in the parameters' dtype and on their device; zero if NaN.
    `smallest` is the smallest Ritz value, an upper bound of the smallest eigenvalue; `products`
    counts the Hessian-vector products that were taken.
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor
    smallest: float
    products: int


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors' entries in one vector [P]."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def unflatten_like(vector: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The inverse of `flatten`: vector[P] cut into the shapes of the tensors."""
    pieces = vector.split([tensor.numel() for tensor in tensors])
    return [piece.reshape(tensor.shape) for piece, tensor in zip(pieces, tensors, strict=True)]


def hessian_vector_product(loss: Tensor, parameters: Sequence[Tensor]) -> Product:
    """v[P] -> H v[P] for the Hessian H of the scalar loss; an unused parameter counts as zero.

    One forward pass and one first-order graph serve every product: batch norm and power
    iteration move at most once, and each product sees the same, hence symmetric, operator. The
    graph lives as long as the returned function, and the parameters must not change meanwhile.
    """
    gradients = torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)
    # Where the loss is linear its gradient is a constant, which autograd refuses to differentiate.
    curved = [n for n, gradient in enumerate(gradients) if gradient.requires_grad]

    def product(vector: Tensor) -> Tensor:
        if not curved:
            return torch.zeros_like(vector)
        pieces = unflatten_like(vector, parameters)
        return flatten(
            torch.autograd.grad(
                [gradients[n] for n in curved],
                parameters,
                [pieces[n] for n in curved],
                retain_graph=True,
                materialize_grads=True,
            )
        )

    return product


def top_eigenpairs(
    product: Product, size: int, k: int, *, start: Tensor, steps: int = LANCZOS_STEPS
) -> Eigenpairs:
    """The k largest eigenpairs that `steps` Lanczos products from start[size] find.

    `k` is clipped to `size`, `steps` to k..size. The basis is orthogonalised in full, twice per
    step; an invariant subspace is left along a fresh orthogonal direction.
    """
    k = min(k, size)
    steps = min(max(steps, k), size)
    basis = start.new_zeros(steps, size)
    diagonal, offdiagonal = [], []
    direction, length, scale = start, float(start.norm()), 0.0
    for j in range(steps):
        check()
        # Below the rounding of H v nothing is left of v but noise, which need not be orthogonal.
        if length <= 10 * torch.finfo(start.dtype).eps * scale:
            direction, length = _fresh_direction(basis[:j], start), 0.0
        if j:
            offdiagonal.append(length)
        basis[j] = direction / direction.norm()
        direction, overlaps = _orthogonalised(product(basis[j]), basis[: j + 1])
        length = float(direction.norm())
        diagonal.append(float(overlaps[j]))
        if not math.isfinite(length + diagonal[j]):
            return _not_finite(k, start, products=j + 1)
        scale = max(scale, length, abs(diagonal[j]))
    tridiagonal = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    for j, beta in enumerate(offdiagonal):
        tridiagonal[j, j + 1] = tridiagonal[j + 1, j] = beta
    ritz, s = torch.linalg.eigh(tridiagonal)
    values, s = ritz.flip(0)[:k], s.flip(1)[:, :k]
    largest = float(ritz.abs().max())
    return Eigenpairs(
        values=values,
        vectors=s.mT.to(basis) @ basis,
        # A Hessian of zeros has no scale, and each vector is exactly an eigenvector of it.
        residuals=length * s[-1].abs() / (largest or 1.0),
        smallest=float(ritz[0]),
        products=steps,
    )


def _orthogonalised(vector: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """vector less its part in the rows of basis[m, P], and that part's coordinates [m]."""
    coordinates = vector.new_zeros(len(basis))
    for _ in range(2):  # once leaves rounding of the size of H v, which may exceed the rest
        overlaps = basis @ vector
        vector = vector - overlaps @ basis
        coordinates = coordinates + overlaps
    return vector, coordinates


def _fresh_direction(basis: Tensor, start: Tensor) -> Tensor:
    """A direction outside the rows of basis[m, P], m < P; the same for the same m."""
    rng = generator(start.device, 0, len(basis), "lanczos restart")
    noise = torch.randn(start.shape, generator=rng, device=start.device, dtype=start.dtype)
    return _orthogonalised(noise, basis)[0]


def _not_finite(k: int, start: Tensor, *, products: int) -> Eigenpairs:
    return Eigenpairs(
        values=torch.full((k,), math.nan, dtype=torch.float64),
        vectors=start.new_zeros(k, len(start)),
        residuals=torch.full((k,), math.nan, dtype=torch.float64),
        smallest=math.nan,
        products=products,
    )


def top_eigenvalues(
    loss_function: Callable[[], Tensor],
    parameters: Sequence[Tensor],
    k: int,
    rng: torch.Generator,
) -> Eigenpairs:
    """The k largest Hessian eigenpairs of loss_function() in the parameters, detached.

    `rng`, on the parameters' device, draws the start vector, and then whatever loss_function takes
    from it. The loss is evaluated once, with gradients even under no_grad; wrap the call in
    `frozen_buffers` for networks that keep statistics.
    """
    size = sum(parameter.numel() for parameter in parameters)
    first = parameters[0]
    start = torch.randn(size, generator=rng, device=first.device, dtype=first.dtype)
    with torch.enable_grad():
        product = hessian_vector_product(loss_function(), parameters)
    return top_eigenpairs(product, size, k, start=start)


def converged(pairs: Eigenpairs, tolerance: float = RESIDUAL_TOLERANCE) -> Tensor:
    """bool[k]: which pairs have a residual of at most the tolerance; none that is NaN."""
    return pairs.residuals <= tolerance


def sharp_directions(pairs: Eigenpairs) -> Tensor:
    """The vectors [n, P] that a nudge takes: converged, and of a positive eigenvalue."""
    mask = converged(pairs) & (pairs.values > 0)
    return pairs.vectors[mask.to(pairs.vectors.device)]


def nudge(gradient: Tensor, vectors: Tensor, gamma: float) -> Tensor:
    """g - (1 - gamma) V^T V g for orthonormal rows V[n, P]: g's part in their span times gamma.

    gamma = 0 removes that part. gamma = 1, or no rows, gives back the gradient object itself, so
    that the optimiser's step is bit for bit that of the plain gradient.
    """
    if gamma == 1 or len(vectors) == 0:
        return gradient
    return gradient - (1 - gamma) * ((vectors @ gradient) @ vectors)


@contextmanager
def frozen_buffers(*modules: nn.Module) -> Iterator[None]:
    """Undoes whatever happens to the modules' buffers inside; float32 products without TF32.

    Inside, the modules work on copies. The tensors themselves are never written to, so a graph
    recorded before is still good for a backward pass afterwards.
    """
    buffers = [
        (owner, name, buffer)
        for module in modules
        for owner in module.modules()
        for name, buffer in owner.named_buffers(recurse=False, remove_duplicate=False)
    ]
    # One copy per tensor: a buffer that two modules share stays shared.
    copies = {id(buffer): buffer.clone() for _, _, buffer in buffers}
    # TF32's ten bits make H asymmetric by 1e-3, which Lanczos takes for structure.
    with without_tf32():
        try:
            for owner, name, buffer in buffers:
                setattr(owner, name, copies[id(buffer)])
            yield
        finally:
            for owner, name, buffer in buffers:
                setattr(owner, name, buffer)
