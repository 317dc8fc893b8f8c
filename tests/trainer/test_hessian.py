"""Lanczos against dense Hessians, ARPACK and known spectra; then the nudge; then no trace left."""

import math

import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import nn
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn import functional as F

from trainer.hessian import (
    RESIDUAL_TOLERANCE,
    converged,
    flatten,
    frozen_buffers,
    hessian_vector_product,
    nudge,
    sharp_directions,
    top_eigenpairs,
    top_eigenvalues,
    unflatten_like,
)

F64 = torch.float64


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def orthogonal(size, seed=0):
    return torch.linalg.qr(noise(size, size, seed=seed)).Q


def quadratic(eigenvalues, seed=0):
    """A symmetric matrix [n, n] with the eigenvalues, and its eigenvectors as columns."""
    q = orthogonal(len(eigenvalues), seed)
    matrix = (q * torch.tensor(eigenvalues, dtype=F64)) @ q.mT
    return (matrix + matrix.mT) / 2, q


def solve(matrix, k, steps=None, seed=1):
    size = len(matrix)
    start = noise(size, seed=seed).to(matrix.dtype)
    return top_eigenpairs(lambda v: matrix @ v, size, k, start=start, steps=steps or size)


def networks(dtype=F64, batch_norm=False):
    """A generator of 332 parameters (or 364) and a discriminator, both smooth."""
    torch.manual_seed(0)  # nn.Linear draws from the global generator only
    norm = [nn.BatchNorm1d(16)] if batch_norm else []
    g = nn.Sequential(nn.Linear(3, 16), *norm, nn.Tanh(), nn.Linear(16, 14), nn.Tanh())
    g.extend([nn.Linear(14, 2)])
    d = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    return g.to(dtype), d.to(dtype)


def generator_loss(g, d, z):
    return F.softplus(-d(g(z))).mean()


def dense_hessian(g, d, z):
    names = [name for name, _ in g.named_parameters()]
    shapes = list(g.parameters())

    def loss(vector):
        parameters = dict(zip(names, unflatten_like(vector, shapes), strict=True))
        return F.softplus(-d(functional_call(g, parameters, (z,)))).mean()

    return hessian(loss, flatten(shapes).detach())


def largest_angle(first, second):
    """The sine of the largest principal angle between the spans of the rows."""
    return float(torch.linalg.norm(first - (first @ second.mT) @ second, ord=2))


@pytest.fixture(scope="module")
def gan():
    g, d = networks()
    z = noise(64, 3, seed=2)
    return g, d, z, dense_hessian(g, d, z)


@pytest.fixture
def product(gan):
    g, d, z, _ = gan
    return hessian_vector_product(generator_loss(g, d, z), list(g.parameters()))


def test_flat_vectors_follow_the_logical_order_whatever_the_memory_format():
    weight = noise(2, 3, 4, 4).to(memory_format=torch.channels_last)
    bias = noise(5, seed=1)
    vector = flatten([weight, bias])
    assert torch.equal(vector, torch.cat([weight.contiguous().flatten(), bias]))
    for piece, tensor in zip(unflatten_like(vector, [weight, bias]), [weight, bias], strict=True):
        assert torch.equal(piece, tensor)


def test_products_are_those_of_the_dense_hessian(gan, product):
    dense = gan[3]
    for seed in range(3):
        v = noise(len(dense), seed=seed)
        torch.testing.assert_close(product(v), dense @ v, rtol=0, atol=1e-12)


def test_the_operator_is_symmetric(gan, product):
    u, v = noise(len(gan[3]), seed=3), noise(len(gan[3]), seed=4)
    assert abs(u @ product(v) - v @ product(u)) < 1e-13 * u.norm() * product(v).norm()


def test_products_keep_the_precision_of_the_parameters(gan):
    g, d = networks(torch.float32)
    product = hessian_vector_product(generator_loss(g, d, gan[2].float()), list(g.parameters()))
    v = noise(len(gan[3]))
    ours = product(v.float())
    assert ours.dtype == torch.float32
    # The Hessian of 1e-1, in rounding of 6e-8 over a few hundred terms.
    torch.testing.assert_close(ours.double(), gan[3] @ v, rtol=0, atol=2e-6)


def test_lanczos_finds_the_dense_hessians_largest_pairs(gan, product):
    dense, k = gan[3], 5
    pairs = top_eigenpairs(product, len(dense), k, start=noise(len(dense)), steps=120)
    values, vectors = torch.linalg.eigh(dense)
    torch.testing.assert_close(pairs.values, values.flip(0)[:k], rtol=0, atol=1e-6)
    assert largest_angle(pairs.vectors, vectors.flip(1)[:, :k].mT) < 1e-6
    assert pairs.smallest == pytest.approx(float(values[0]), abs=1e-6)
    assert pairs.products == 120
    assert converged(pairs, 1e-6).all()


def test_lanczos_agrees_with_arpack(gan, product):
    size, k = len(gan[3]), 5
    operator = LinearOperator(
        (size, size),
        matvec=lambda v: product(torch.as_tensor(v, dtype=F64).reshape(-1)).numpy(),
        dtype="float64",
    )
    values, vectors = eigsh(operator, k=k, which="LA", v0=noise(size, seed=5).numpy())
    pairs = top_eigenpairs(product, size, k, start=noise(size), steps=120)
    torch.testing.assert_close(pairs.values, torch.tensor(values).flip(0), rtol=0, atol=1e-6)
    assert largest_angle(pairs.vectors, torch.tensor(vectors).mT) < 1e-6


def test_negative_eigenvalues_rank_below_small_ones():
    matrix, q = quadratic([-50.0, -3.0, 0.5, 1.0, 2.0, 7.0])
    pairs = solve(matrix, 3)
    torch.testing.assert_close(pairs.values, torch.tensor([7.0, 2.0, 1.0], dtype=F64))
    assert largest_angle(pairs.vectors, q[:, [5, 4, 3]].mT) < 1e-10
    assert pairs.smallest == pytest.approx(-50)


def test_every_copy_of_a_degenerate_eigenvalue_is_found():
    # One Krylov space holds one vector of each eigenspace: three here, and then it breaks down.
    matrix, q = quadratic([4.0] * 3 + [1.0] * 10 + [-2.0] * 7)
    pairs = solve(matrix, 4)
    expected = torch.tensor([4.0, 4.0, 4.0, 1.0], dtype=F64)
    torch.testing.assert_close(pairs.values, expected)
    assert largest_angle(pairs.vectors[:3], q[:, :3].mT) < 1e-10
    assert converged(pairs).all()


def test_a_hessian_of_rank_two_breaks_down_and_still_gives_k_pairs():
    matrix, _ = quadratic([5.0, -3.0] + [0.0] * 48)
    pairs = solve(matrix, 4, steps=12)
    expected = torch.tensor([5.0, 0.0, 0.0, 0.0], dtype=F64)
    torch.testing.assert_close(pairs.values, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(pairs.vectors @ pairs.vectors.mT, torch.eye(4, dtype=F64))
    assert pairs.smallest == pytest.approx(-3)
    assert converged(pairs, 1e-10).all()


@pytest.mark.parametrize("start", ["zero", "eigenvector"])
def test_a_start_vector_without_information_is_left(start):
    matrix, q = quadratic([6.0, 3.0, 1.0, -1.0])
    start = torch.zeros(4, dtype=F64) if start == "zero" else q[:, 3].clone()
    pairs = top_eigenpairs(lambda v: matrix @ v, 4, 2, start=start)
    torch.testing.assert_close(pairs.values, torch.tensor([6.0, 3.0], dtype=F64))


def test_a_hessian_of_zeros_has_zeros_for_eigenvalues():
    pairs = solve(torch.zeros(9, 9, dtype=F64), 3)
    assert pairs.values.tolist() == pairs.residuals.tolist() == [0.0] * 3
    torch.testing.assert_close(pairs.vectors @ pairs.vectors.mT, torch.eye(3, dtype=F64))


@pytest.mark.parametrize(("k", "steps"), [(3, 99), (99, 2), (5, 5), (1, 1)])
def test_k_and_steps_are_clipped_to_the_size(k, steps):
    matrix, _ = quadratic([5.0, 4.0, 3.0, 2.0, 1.0])
    pairs = solve(matrix, k, steps=steps)
    assert pairs.values.shape == pairs.residuals.shape == (min(k, 5),)
    assert pairs.vectors.shape == (min(k, 5), 5)
    assert pairs.products == min(max(k, steps), 5)
    if pairs.products == 5:
        expected = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0], dtype=F64)[:k]
        torch.testing.assert_close(pairs.values, expected)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_vectors_are_orthonormal_and_residuals_are_true(dtype):
    # 1 .. 400 and five outliers: without re-orthogonalisation these would come back as copies.
    matrix, _ = quadratic([*range(1, 401), 1000.0, 1500.0, 2000.0, 3000.0, 4000.0])
    pairs = solve(matrix.to(dtype), 8, steps=60)
    assert (pairs.vectors.dtype, pairs.values.dtype) == (dtype, F64)
    floor = 100 * torch.finfo(dtype).eps
    gram = pairs.vectors.double() @ pairs.vectors.double().mT
    assert (gram - torch.eye(8, dtype=F64)).abs().max() < floor
    images = pairs.vectors.double() @ matrix
    true = (images - pairs.values[:, None] * pairs.vectors.double()).norm(dim=1) / 4000
    torch.testing.assert_close(pairs.residuals, true, rtol=1e-3, atol=floor)
    assert converged(pairs)[:5].all()


def test_clustered_pairs_are_flagged_and_separated_ones_are_not():
    matrix, q = quadratic([100.0, *torch.linspace(1, 50, 299).tolist()])
    pairs = solve(matrix, 5, steps=20)
    assert converged(pairs).tolist() == [True, False, False, False, False]
    assert (pairs.residuals[1:] > 3 * RESIDUAL_TOLERANCE).all()
    assert largest_angle(sharp_directions(pairs), q[:, :1].mT) < 1e-3
    assert converged(pairs, 1.0).all()


def test_directions_of_negative_curvature_are_not_nudged():
    pairs = solve(quadratic([3.0, 2.0, -1.0, -9.0])[0], 4)
    assert converged(pairs).all()
    assert torch.equal(sharp_directions(pairs), pairs.vectors[:2])


def test_unused_parameters_have_no_curvature():
    matrix, _ = quadratic([3.0, 2.0, 1.0])
    used = noise(3).requires_grad_()
    linear = noise(2).requires_grad_()
    unused = noise(4).requires_grad_()
    loss = 0.5 * used @ matrix @ used + linear.sum()
    product = hessian_vector_product(loss, [unused, used, linear])
    v = noise(9, seed=1)
    zeros = torch.zeros(9, dtype=F64)
    zeros[4:7] = matrix @ v[4:7]
    torch.testing.assert_close(product(v), zeros)
    pairs = top_eigenpairs(product, 9, 4, start=noise(9, seed=2))
    torch.testing.assert_close(
        pairs.values, torch.tensor([3.0, 2.0, 1.0, 0.0], dtype=F64), rtol=0, atol=1e-12
    )


def test_a_linear_loss_has_no_curvature_at_all():
    x = noise(5).requires_grad_()
    assert hessian_vector_product(x.sum(), [x])(noise(5)).tolist() == [0.0] * 5


def test_a_changed_parameter_is_noticed():
    x = noise(5).requires_grad_()
    product = hessian_vector_product(x.pow(4).sum(), [x])
    with torch.no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product(noise(5))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_gives_nan(value):
    x = noise(6).requires_grad_()
    pairs = top_eigenvalues(lambda: (x.pow(3) * value).sum(), [x], 9, seeded())
    assert pairs.values.shape == pairs.residuals.shape == (6,)
    assert pairs.values.isnan().all()
    assert pairs.residuals.isnan().all()
    assert math.isnan(pairs.smallest)
    assert torch.equal(pairs.vectors, torch.zeros(6, 6, dtype=F64))
    assert pairs.products == 1
    assert not converged(pairs).any()
    gradient = noise(6)
    assert nudge(gradient, sharp_directions(pairs), 0.0) is gradient


def test_the_same_generator_gives_the_same_pairs_also_under_no_grad(gan):
    g, d, z, dense = gan

    def pairs(seed):
        return top_eigenvalues(
            lambda: generator_loss(g, d, z), list(g.parameters()), 3, seeded(seed)
        )

    first = pairs(0)
    with torch.no_grad():
        again = pairs(0)
    assert torch.equal(first.values, again.values)
    assert torch.equal(first.vectors, again.vectors)
    assert not torch.equal(first.vectors, pairs(1).vectors)
    assert not first.vectors.requires_grad
    assert all(parameter.grad is None for parameter in g.parameters())
    largest = torch.linalg.eigvalsh(dense)[-1]
    torch.testing.assert_close(first.values[0], largest, rtol=1e-6, atol=0)


@pytest.fixture
def directions():
    return orthogonal(40)[:3]


def test_gamma_one_and_no_directions_return_the_gradient_itself(directions):
    gradient = noise(40)
    assert nudge(gradient, directions, 1.0) is gradient
    assert nudge(gradient, directions[:0], 0.0) is gradient


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 2.0])
def test_the_part_in_the_span_is_scaled_and_the_rest_is_kept(directions, gamma):
    gradient, rest = noise(40), orthogonal(40)[3:]
    nudged = nudge(gradient, directions, gamma)
    torch.testing.assert_close(directions @ nudged, gamma * (directions @ gradient))
    torch.testing.assert_close(rest @ nudged, rest @ gradient)


def test_removing_twice_removes_nothing_more(directions):
    once = nudge(noise(40), directions, 0.0)
    torch.testing.assert_close(nudge(once, directions, 0.0), once, rtol=0, atol=1e-14)


def test_a_nudged_descent_leaves_the_sharp_direction_of_a_loss_alone():
    matrix, q = quadratic([100.0, 1.0, 0.5, 0.2, 0.1])
    x = noise(5).requires_grad_()

    def loss():
        return 0.5 * x @ matrix @ x

    pairs = top_eigenvalues(loss, [x], 1, seeded())
    (gradient,) = torch.autograd.grad(loss(), [x])
    nudged = nudge(gradient, sharp_directions(pairs), 0.0)
    expected = gradient - q[:, 0] * (q[:, 0] @ gradient)
    torch.testing.assert_close(nudged, expected, rtol=0, atol=1e-10)


def test_a_solve_inside_leaves_no_trace_in_train_mode_batch_norm():
    g, d = networks(batch_norm=True)
    z = noise(32, 3)
    before = {name: buffer.clone() for name, buffer in g.named_buffers()}
    tensors = dict(g.named_buffers())
    with frozen_buffers(g, d):
        pairs = top_eigenvalues(lambda: generator_loss(g, d, z), list(g.parameters()), 2, seeded())
        moved = {name: buffer.clone() for name, buffer in g.named_buffers()}
    assert converged(pairs)[0]
    # The solve did move the statistics, by exactly one forward pass.
    assert moved["1.num_batches_tracked"] == 1
    assert not torch.equal(moved["1.running_mean"], before["1.running_mean"])
    for name, buffer in g.named_buffers():
        assert buffer is tensors[name]
        assert torch.equal(buffer, before[name])


def test_singular_vectors_come_back_and_an_older_graph_stays_good():
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 4)).double()
    x = noise(8, 6)
    before = [buffer.clone() for buffer in layer.buffers()]
    layer.eval()
    older = layer(x).square().sum()
    layer.train()
    with frozen_buffers(layer):
        layer(x)
        assert not torch.equal(next(layer.buffers()), before[0])
    for buffer, was in zip(layer.buffers(), before, strict=True):
        assert torch.equal(buffer, was)
    older.backward()
    assert layer.parametrizations.weight.original.grad.isfinite().all()


def test_buffers_come_back_after_an_error_and_when_shared_or_replaced():
    shared = nn.Module()
    shared.register_buffer("u", torch.ones(3))
    other = nn.Module()
    other.register_buffer("u", shared.u)
    tensor = shared.u

    @frozen_buffers(shared, other)
    def fail():
        assert shared.u is other.u
        shared.u.add_(1)
        other.u = torch.zeros(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert shared.u is tensor
    assert other.u is tensor
    assert tensor.tolist() == [1.0] * 3


def precisions():
    return torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision


@pytest.mark.parametrize("wish", ["highest", "high", "per operation"])
def test_tf32_is_off_inside_and_as_it_was_outside(wish):
    found = precisions()
    wished = torch.get_float32_matmul_precision()
    try:
        if wish == "per operation":
            torch.backends.cuda.matmul.fp32_precision = "tf32"
        else:
            torch.set_float32_matmul_precision(wish)
        before = precisions()
        with frozen_buffers():
            assert precisions() == ("ieee", "ieee")
        assert precisions() == before
    finally:
        torch.set_float32_matmul_precision(wished)
        torch.backends.cuda.matmul.fp32_precision = found[0]
        torch.backends.cudnn.conv.fp32_precision = found[1]
    assert precisions() == found
