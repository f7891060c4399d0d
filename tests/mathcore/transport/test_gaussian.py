"""Closed forms between Gaussians: known values, limits, digits near equality."""

import math

import mpmath
import numpy as np
import pytest

from mathcore import _arrays, bures_wasserstein, entropic_gaussian


def _spd(rng, d, batch=()):
    a = rng.standard_normal((*batch, d, d))
    return a @ np.swapaxes(a, -1, -2) + 0.1 * np.eye(d)


def test_commuting_covariances(xp):
    first = xp.asarray([[4.0, 0.0], [0.0, 9.0]], dtype=xp.float64)
    second = xp.asarray([[1.0, 0.0], [0.0, 25.0]], dtype=xp.float64)
    m, n = (xp.asarray(v, dtype=xp.float64) for v in ([0.0, 0.0], [3.0, 4.0]))
    distance = float(bures_wasserstein(m, first, n, second))  # 5² + (2 − 1)² + (3 − 5)²
    assert distance == pytest.approx(math.sqrt(30), rel=1e-14)


def test_definition_in_30_digits():
    rng = np.random.default_rng(0)
    a, b = _spd(rng, 3), _spd(rng, 3)
    with mpmath.workdps(30):
        root = mpmath.sqrtm(mpmath.matrix(a.tolist()))
        cross = mpmath.sqrtm(root * mpmath.matrix(b.tolist()) * root)
        exact = sum(a[i, i] + b[i, i] - 2 * cross[i, i] for i in range(3))
        d = mpmath.sqrtm(4 * root * mpmath.matrix(b.tolist()) * root + mpmath.eye(3) / 4)
        entropic = sum(a[i, i] + b[i, i] - d[i, i] for i in range(3)) + mpmath.mpf(3) / 2
        entropic += mpmath.log(mpmath.det(d + mpmath.eye(3) / 2)) / 2
    zero = np.zeros(3)
    assert bures_wasserstein(zero, a, zero, b) == pytest.approx(
        float(mpmath.sqrt(exact)), rel=1e-12
    )
    assert entropic_gaussian(zero, a, zero, b, 1.0) == pytest.approx(float(entropic), rel=1e-12)


def test_known_value(xp):
    """N(0, 1) to N(1, 4), ε = 1 (Janati et al. 2020, theorem 1, evaluated in 30 digits)."""
    arguments = [xp.asarray(v, dtype=xp.float64) for v in ([0.0], [[1.0]], [1.0], [[4.0]])]
    assert float(entropic_gaussian(*arguments, 1.0)) == pytest.approx(3.224356679871, abs=5e-13)


def test_limits_of_epsilon():
    rng = np.random.default_rng(1)
    m, n, a, b = np.zeros(3), np.ones(3), _spd(rng, 3), _spd(rng, 3)
    squared = bures_wasserstein(m, a, n, b) ** 2
    assert entropic_gaussian(m, a, n, b, 1e-9) == pytest.approx(squared, rel=1e-6)
    independent = 3 + np.trace(a) + np.trace(b)
    assert entropic_gaussian(m, a, n, b, 1e12) == pytest.approx(independent, rel=1e-10)


@pytest.mark.parametrize("change", [0.0, 1e-12, 1e-9, 1e-6])
def test_near_equality_keeps_its_digits(change):
    """diag(s²) to diag((s + change)²): W₂ = change √d."""
    s, zero = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    distance = bures_wasserstein(zero, np.diag(s**2), zero, np.diag((s + change) ** 2))
    assert abs(distance - change * math.sqrt(3)) <= 64 * 3 * 2.3e-16


def test_batches_broadcast_and_singular_covariances(xp):
    rng = np.random.default_rng(2)
    means, covariances = rng.standard_normal((4, 2)), _spd(rng, 2, (4,))
    one = [xp.asarray(v.tolist(), dtype=xp.float64) for v in (means[0], covariances[0])]
    many = [xp.asarray(v.tolist(), dtype=xp.float64) for v in (means, covariances)]
    together = _arrays.to_numpy(bures_wasserstein(*many, *one))
    alone = [
        bures_wasserstein(m, c, means[0], covariances[0])
        for m, c in zip(means, covariances, strict=True)
    ]
    assert np.abs(together - alone).max() <= 1e-13
    flat = xp.zeros((2, 2), dtype=xp.float64)
    dirac = bures_wasserstein(one[0], flat, one[0] + 3.0, flat)
    assert float(dirac) == pytest.approx(3 * math.sqrt(2), rel=1e-14)
    assert float(entropic_gaussian(one[0], flat, one[0], flat, 1.0)) == 0.0


def test_float32():
    value = bures_wasserstein(
        np.zeros(2, np.float32),
        np.eye(2, dtype=np.float32),
        np.ones(2, np.float32),
        np.eye(2, dtype=np.float32),
    )
    assert value.dtype == np.float32
    assert value == pytest.approx(math.sqrt(2), rel=1e-6)


def test_errors():
    with pytest.raises(ValueError, match="`mean_2`"):
        bures_wasserstein(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
    with pytest.raises(ValueError, match="`cov_1` must be square"):
        bures_wasserstein(np.zeros(2), np.zeros((2, 3)), np.zeros(2), np.eye(2))
    with pytest.raises(ValueError, match="`epsilon`"):
        entropic_gaussian(np.zeros(2), np.eye(2), np.zeros(2), np.eye(2), 0.0)
    with pytest.raises(TypeError, match="`mean_1` must be real"):
        bures_wasserstein(np.zeros(2) * 1j, np.eye(2), np.zeros(2), np.eye(2))
