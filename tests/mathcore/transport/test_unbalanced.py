"""Marginals with a price, and many problems in one call."""

import numpy as np
import pytest

from mathcore import (
    _arrays,
    apply_plan,
    sinkhorn,
    sinkhorn_cost,
    sinkhorn_divergence,
    transport_plan,
)


def _measures(batch=(), n=12, m=9, d=2, dtype=np.float64):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((*batch, n, d)), rng.standard_normal((*batch, m, d)) + 0.3
    a, b = rng.random((*batch, n)) + 0.1, rng.random((*batch, m)) + 0.1
    a, b = (w / w.sum(axis=-1, keepdims=True) for w in (a, b))
    return [v.astype(dtype) for v in (x, y, a, b)]


@pytest.mark.parametrize("rho", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_point_each(rho, dtype):
    """c + ε log(p/ab) + ρ log(p/a) + ρ log(p/b) = 0 for the mass p that is moved."""
    x, y = np.zeros((1, 1), dtype), np.ones((1, 1), dtype)
    a, b, epsilon = np.array([1.0], dtype), np.array([3.0], dtype), 0.5
    result = sinkhorn(x, y, a, b, epsilon=epsilon, marginal_penalty=rho)
    p = 3.0 ** ((epsilon + rho) / (epsilon + 2 * rho)) * np.exp(-1 / (epsilon + 2 * rho))
    plan = transport_plan(result, x, y, a, b, epsilon=epsilon)
    assert float(plan[0, 0]) == pytest.approx(p, rel=2e-6 if dtype == np.float32 else 1e-12)
    assert result.converged
    assert result.lower_bound <= result.value <= result.upper_bound


@pytest.mark.parametrize("iterations", [1, 3, 1000])
def test_bounds_hold_at_every_accuracy(iterations):
    x, y, a, b = _measures()
    options = {"epsilon": 0.05, "marginal_penalty": 0.7}
    exact = float(sinkhorn(x, y, a, 2 * b, tol=1e-13, **options).value)
    result = sinkhorn(x, y, a, 2 * b, max_iterations=iterations, **options)
    assert result.lower_bound <= exact <= result.upper_bound
    assert result.converged == (iterations == 1000)


def test_a_large_penalty_is_balanced():
    x, y, a, b = _measures()
    balanced = sinkhorn(x, y, a, b, epsilon=0.2, tol=1e-10)
    nearly = sinkhorn(x, y, a, b, epsilon=0.2, marginal_penalty=1e7, tol=1e-10)
    assert float(nearly.value) == pytest.approx(float(balanced.value), rel=1e-6)


def test_a_small_penalty_leaves_far_points_where_they_are():
    x = np.array([[0.0], [100.0]])
    result = sinkhorn(x, x[:1], np.array([0.5, 0.5]), epsilon=0.1, marginal_penalty=1.0)
    plan = transport_plan(result, x, x[:1], np.array([0.5, 0.5]), epsilon=0.1)
    assert plan[1, 0] < 1e-30 < plan[0, 0]
    assert result.converged


def test_unbalanced_matrix_with_forbidden_arcs_and_zero_weights():
    x, y, a, b = _measures()
    c = ((x[:, None] - y[None]) ** 2).sum(axis=-1)
    c[2, 3] = np.inf
    a[1] = b[0] = 0.0
    result = sinkhorn_cost(c, a, b, epsilon=0.1, marginal_penalty=1.0)
    plan = transport_plan(result, a=a, b=b, epsilon=0.1, cost_matrix=c)
    assert result.converged
    assert plan[2, 3] == plan[1].sum() == plan[:, 0].sum() == 0


def test_unbalanced_gradient_is_the_difference_quotient():
    torch = pytest.importorskip("torch")
    arrays, h = _measures(), 1e-5

    def value(*v):
        return sinkhorn(*v, epsilon=0.3, marginal_penalty=0.8, tol=1e-12).value

    tensors = [torch.tensor(v, requires_grad=True) for v in arrays]
    value(*tensors).backward()
    rng = np.random.default_rng(1)
    for k, tensor in enumerate(tensors):
        u = rng.standard_normal(arrays[k].shape)
        ends = [
            value(*(v + s * h * u if i == k else v for i, v in enumerate(arrays))) for s in (1, -1)
        ]
        want = float(ends[0] - ends[1]) / (2 * h)
        assert (tensor.grad.numpy() * u).sum() == pytest.approx(want, rel=1e-6)


def test_penalty_errors():
    x, y, a, b = _measures()
    with pytest.raises(ValueError, match="`marginal_penalty` must be finite and > 0"):
        sinkhorn(x, y, a, b, epsilon=0.1, marginal_penalty=0.0)
    with pytest.raises(ValueError, match="`b` must have the mass of `a`"):
        sinkhorn(x, y, a, 2 * b, epsilon=0.1)


@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_fields(cost, dtype):
    x, y, a, b = _measures((3,), dtype=dtype)
    x[1] *= 5
    together = sinkhorn(x, y, a, b, epsilon=0.05, cost=cost)
    plans = transport_plan(together, x, y, a, b, epsilon=0.05, cost=cost)
    images = apply_plan(together, y, x, y, a, b, epsilon=0.05, cost=cost)
    tolerance = 1e-9 if dtype == np.float64 else 2e-5
    for k in range(3):
        alone = sinkhorn(x[k], y[k], a[k], b[k], epsilon=0.05, cost=cost)
        assert dtype == np.float32 or abs(int(together.iterations[k]) - alone.iterations) <= 2
        assert together.status[k] == alone.status == "converged"
        assert together.value[k] == pytest.approx(float(alone.value), abs=100 * tolerance)
        assert together.lower_bound[k] <= together.value[k] <= together.upper_bound[k]
        plan = transport_plan(alone, x[k], y[k], a[k], b[k], epsilon=0.05, cost=cost)
        assert np.abs(plans[k] - plan).max() <= 1e-5
        assert np.abs(images[k] - plans[k] @ y[k]).max() <= 10 * tolerance


def test_batches_broadcast_and_may_be_empty():
    x, y, a, b = _measures((2, 3))
    one = sinkhorn(x, y[0, 0], a, b[1, 2], epsilon=0.5)
    assert one.value.shape == (2, 3)
    want = sinkhorn(x[1, 0], y[0, 0], a[1, 0], b[1, 2], epsilon=0.5)
    assert one.value[1, 0] == pytest.approx(float(want.value), rel=1e-9)
    none = sinkhorn(x[:0], y[:0], a[:0], b[:0], epsilon=0.5)
    assert none.value.shape == (0, 3)
    with pytest.raises(ValueError, match="`y` must have leading axes that broadcast"):
        sinkhorn(x, y[:, :2], epsilon=0.5)


def test_batched_gradients_are_those_of_the_members():
    torch = pytest.importorskip("torch")
    x, y = (torch.tensor(v) for v in _measures((2,))[:2])
    x.requires_grad_(True)
    sinkhorn_divergence(x, y, epsilon=0.3).sum().backward()
    for k in range(2):
        alone = x.detach()[k].requires_grad_(True)
        sinkhorn_divergence(alone, y[k], epsilon=0.3).backward()
        assert torch.allclose(x.grad[k], alone.grad, atol=1e-6)


def test_a_batch_finishes_member_by_member():
    x, y, a, b = _measures((2,))
    x[1] *= 10
    seen = []
    result = sinkhorn(x, y, a, b, epsilon=0.02, callback=lambda i, e: seen.append(i))
    assert result.iterations[0] != result.iterations[1]
    assert seen[-1] == int(np.max(result.iterations))
    tight = sinkhorn(x, y, a, b, epsilon=0.05, tol=1e-2, gap_tol=1e-8)
    assert all(tight.converged)
    assert (tight.gap <= 1e-8).all()


def test_whole_batch_under_jit():
    jax = pytest.importorskip("jax")
    arrays = [jax.numpy.asarray(v) for v in _measures((2,), n=5, m=4)]
    compiled = jax.jit(lambda *v: sinkhorn(*v, epsilon=0.3).value)(*arrays)
    eager = sinkhorn(*(_arrays.to_numpy(v) for v in arrays), epsilon=0.3).value
    assert np.asarray(compiled) == pytest.approx(eager, rel=1e-8)
