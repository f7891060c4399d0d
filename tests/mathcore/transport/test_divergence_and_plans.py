"""The debiased divergence, and the plan applied without being stored."""

import numpy as np
import pytest

from mathcore import (
    _arrays,
    apply_plan,
    barycentric_map,
    sinkhorn,
    sinkhorn_cost,
    sinkhorn_divergence,
    transport_plan,
)


def _measures(d=2, n=30, m=20):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.3
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return x, y, a / a.sum(), b / b.sum()


@pytest.mark.parametrize("d", [1, 3, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergence_is_debiased_transport(d, dtype):
    x, y, a, b = _measures(d)
    ours = sinkhorn_divergence(*(v.astype(dtype) for v in (x, y, a, b)), epsilon=0.3)
    terms = (
        float(sinkhorn(*clouds, *weights, epsilon=0.3, tol=1e-11).value)
        for clouds, weights in (((x, y), (a, b)), ((x, x), (a, a)), ((y, y), (b, b)))
    )
    between, first, second = terms
    scale = ((x[:, None] - y[None]) ** 2).sum(axis=-1).max()
    tolerance = 16 * _arrays.eps(ours) * scale + 1e-10
    assert ours.dtype == dtype
    assert float(ours) == pytest.approx(between - first / 2 - second / 2, abs=tolerance)


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 10.0])
def test_equal_measures(epsilon):
    x, _, a, _ = _measures()
    order = np.random.default_rng(1).permutation(30)
    assert 0 <= float(sinkhorn_divergence(x, x, a, a, epsilon=epsilon)) <= 1e-10
    assert 0 <= float(sinkhorn_divergence(x, x[order], a, a[order], epsilon=epsilon)) <= 1e-10


def test_large_epsilon_is_the_energy_distance_of_means():
    """S_ε → |mean x − mean y|² as ε grows (Feydy et al. 2019, theorem 1, cost |x − y|²)."""
    x, y, a, b = _measures()
    want = ((a @ x - b @ y) ** 2).sum()
    assert float(sinkhorn_divergence(x, y, a, b, epsilon=1e6)) == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize("cost", ["euclidean", lambda x, y: abs(x[:, None] - y[None]).sum(-1)])
def test_other_costs(cost):
    x, y, a, b = _measures()
    assert float(sinkhorn_divergence(x, y, a, b, epsilon=0.1, cost=cost)) > 0.01
    assert float(sinkhorn_divergence(x, x, a, a, epsilon=0.1, cost=cost)) <= 1e-10


def test_unfinished_divergence_warns():
    x, y, a, b = _measures()
    with pytest.warns(RuntimeWarning, match="marginal error .* after 2 iterations"):
        sinkhorn_divergence(x, y, a, b, epsilon=1e-3, max_iterations=2)


@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean"])
def test_plan_applied_without_being_stored(cost, xp):
    x, y, a, b = _measures()
    a[3] = 0.0
    a = a / a.sum()
    x, y, a, b = (xp.asarray(v.tolist(), dtype=xp.float64) for v in (x, y, a, b))
    options = {"epsilon": 0.1, "cost": cost}
    result = sinkhorn(x, y, a, b, **options)
    plan = transport_plan(result, x, y, a, b, **options)
    images = apply_plan(result, y, x, y, a, b, **options)
    one = apply_plan(result, y[:, 0], x, y, a, b, **options)
    assert np.abs(_arrays.to_numpy(images) - _arrays.to_numpy(plan @ y)).max() <= 1e-13
    assert np.abs(_arrays.to_numpy(one) - _arrays.to_numpy(images)[:, 0]).max() <= 1e-15
    means = _arrays.to_numpy(barycentric_map(result, x, y, a, b, **options))
    some = _arrays.to_numpy(a) > 0
    want = _arrays.to_numpy(images)[some] / _arrays.to_numpy(a)[some, None]
    assert np.abs(means[some] - want).max() <= 1e-11
    low, high = (np.asarray(f(_arrays.to_numpy(y), axis=0)) for f in (np.min, np.max))
    assert ((low <= means) & (means <= high)).all()


def test_plan_of_a_matrix():
    c = np.array([[0.0, 1.0], [np.inf, np.inf], [1.0, 0.0]])
    a = np.array([0.5, 0.0, 0.5])
    result = sinkhorn_cost(c, a, epsilon=0.1)
    plan = transport_plan(result, a=a, epsilon=0.1, cost_matrix=c)
    assert np.array_equal(plan[1], [0, 0])
    assert np.abs(plan.sum(axis=1) - a).max() <= 1e-15
    product = apply_plan(result, np.ones(2), a=a, epsilon=0.1, cost_matrix=c)
    assert np.abs(product - a).max() <= 1e-15
    means = barycentric_map(result, y=np.array([[2.0], [4.0]]), a=a, epsilon=0.1, cost_matrix=c)
    assert np.isnan(means[:, 0]).tolist() == [False, True, False]


def test_errors():
    x, y, a, b = _measures()
    result = sinkhorn(x, y, a, b, epsilon=0.1)
    with pytest.raises(ValueError, match="`x` and `y` must be given"):
        transport_plan(result, epsilon=0.1)
    with pytest.raises(ValueError, match=r"`result.potentials f` must have shape"):
        transport_plan(result, y, y, b, b, epsilon=0.1)
    with pytest.raises(ValueError, match="`v` must have shape"):
        apply_plan(result, x, x, y, a, b, epsilon=0.1)
    with pytest.raises(ValueError, match="`y` must be given"):
        barycentric_map(result, a=a, epsilon=0.1, cost_matrix=np.zeros((30, 20)))
