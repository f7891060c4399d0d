"""One-step maps against exact covariance recursions on a Gaussian target."""

import math

import numpy as np
import pytest

from mathcore import _arrays
from solvers.langevin.integrators import baoab, mala_log_ratio, ula

K = 3.0  # precision of the target N(0, 1/K)


def affine_map(step, size):
    """Matrix and noise vector of a map that is linear in its `size` inputs and its noise."""
    unit = np.eye(size + 1)
    columns = np.stack([np.ravel(step(*(np.full((1, 1), v) for v in row))) for row in unit], -1)
    return columns[:, :size], columns[:, size:]


def stationary_covariance(matrix, noise):
    """S = M S Mᵀ + n nᵀ."""
    n = len(matrix)
    left = np.eye(n * n) - np.kron(matrix, matrix)
    return np.linalg.solve(left, (noise @ noise.T).ravel()).reshape(n, n)


@pytest.mark.parametrize("h", [0.01, 0.2, 0.5])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_ula_settles_at_its_biased_variance(h, temperature):
    step = affine_map(lambda x, xi: ula(x, -K * x, xi, h=h, temperature=temperature), 1)
    (variance,) = stationary_covariance(*step).ravel()
    assert variance == pytest.approx(temperature / (K * (1 - h * K / 2)), rel=1e-12)


@pytest.mark.parametrize("h", [0.01, 0.2, 1.0])
@pytest.mark.parametrize("friction", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_baoab_is_exact_in_position(h, friction, temperature):
    """⟨q²⟩ = T/k, ⟨p²⟩ = T(1 − h²k/4), ⟨qp⟩ = 0: Leimkuhler & Matthews 2013."""

    def step(x, p, xi):
        score = lambda q: -K * q  # noqa: E731
        return baoab(x, p, score(x), score, xi, h=h, friction=friction, temperature=temperature)[:2]

    covariance = stationary_covariance(*affine_map(step, 2))
    expected = temperature * np.diag([1 / K, 1 - h**2 * K / 4])
    assert np.allclose(covariance, expected, rtol=1e-10, atol=1e-10)


def test_baoab_without_friction_is_reversible_leapfrog(xp):
    x = xp.asarray([[0.3, -1.0]], dtype=xp.float64)
    p = xp.asarray([[0.5, 2.0]], dtype=xp.float64)
    zero = xp.zeros_like(x)
    score = lambda q: -(q**3)  # noqa: E731
    y, r, force = baoab(x, p, score(x), score, zero, h=0.1, friction=0.0)
    assert bool(xp.all(force == score(y)))
    back, minus_p, _ = baoab(y, -r, force, score, zero, h=0.1, friction=0.0)
    for found, expected in ((back, x), (minus_p, -p)):
        error = np.abs(_arrays.to_numpy(found) - _arrays.to_numpy(expected))
        assert np.max(error) <= 10 * _arrays.eps(x)


def test_baoab_forgets_its_momentum_under_strong_friction():
    one = np.ones((1, 1))
    _, p, _ = baoab(one, 1e6 * one, 0 * one, lambda x: 0 * x, one, h=1.0, friction=50.0)
    assert p[0, 0] == pytest.approx(1.0)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_mala_ratio_is_detailed_balance(xp, temperature):
    """log of π(y)^{1/T} q(y → x) / π(x)^{1/T} q(x → y), the normal densities q written out."""
    h = 0.3
    x = xp.asarray([[0.2, 1.0], [-2.0, 0.5]], dtype=xp.float64)
    y = xp.asarray([[0.5, -1.0], [1.5, 0.0]], dtype=xp.float64)

    def score(q):
        return -(q**3)

    def log_density(q):
        return -xp.sum(q**4, axis=-1) / 4

    def log_q(to, start):
        return -xp.sum((to - start - h * score(start)) ** 2, axis=-1) / (4 * h * temperature)

    expected = (log_density(y) - log_density(x)) / temperature + log_q(x, y) - log_q(y, x)
    found = mala_log_ratio(
        x, score(x), log_density(x), y, score(y), log_density(y), h=h, temperature=temperature
    )
    assert np.allclose(_arrays.to_numpy(found), _arrays.to_numpy(expected), rtol=1e-13, atol=0)
    there_and_back = found + mala_log_ratio(
        y, score(y), log_density(y), x, score(x), log_density(x), h=h, temperature=temperature
    )
    assert np.max(np.abs(_arrays.to_numpy(there_and_back))) <= 1e-13 * math.exp(4)
