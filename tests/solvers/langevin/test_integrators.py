"""One-step maps against exact covariance recursions on a Gaussian target."""

import math

import numpy as np
import pytest

from mathcore import _arrays
from solvers.langevin.integrators import aboba, baoab, gather, mala_log_ratio, obabo, ula

K = 3.0  # precision of the target N(0, 1/K)


def affine_map(step, size, noises=1):
    """Matrix and noise matrix of a map that is linear in its `size` inputs and its noise."""
    unit = np.eye(size + noises)
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


@pytest.mark.parametrize("h", [0.01, 0.2, 0.5])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_leimkuhler_matthews_is_exact(h, temperature):
    """⟨x²⟩ = T/k; the noise that the next step sees again is part of the state."""

    def step(x, xi, following):
        y = ula(x, -K * x, (xi + following) / 2, h=h, temperature=temperature)
        return y, following

    covariance = stationary_covariance(*affine_map(step, 2))
    assert covariance[0, 0] == pytest.approx(temperature / K, rel=1e-12)


@pytest.mark.parametrize("h", [0.01, 0.2, 1.0])
@pytest.mark.parametrize("friction", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_aboba_is_exact_in_position(h, friction, temperature):
    """⟨q²⟩ = T/k, ⟨p²⟩ = T/(1 − h²k/4), ⟨qp⟩ = 0."""

    def step(x, p, xi):
        settings = {"h": h, "friction": friction, "temperature": temperature}
        return aboba(x, p, lambda q: -K * q, xi, **settings)

    covariance = stationary_covariance(*affine_map(step, 2))
    expected = temperature * np.diag([1 / K, 1 / (1 - h**2 * K / 4)])
    assert np.allclose(covariance, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("h", [0.01, 0.2, 1.0])
@pytest.mark.parametrize("friction", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_obabo_is_exact_in_momentum(h, friction, temperature):
    """⟨q²⟩ = T/(k(1 − h²k/4)), ⟨p²⟩ = T, ⟨qp⟩ = 0."""

    def step(x, p, xi, eta):
        settings = {"h": h, "friction": friction, "temperature": temperature}
        return obabo(x, p, -K * x, lambda q: -K * q, xi, eta, **settings)[:2]

    matrix, noise = affine_map(step, 2, noises=2)
    covariance = stationary_covariance(matrix, noise)
    expected = temperature * np.diag([1 / (K * (1 - h**2 * K / 4)), 1])
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
@pytest.mark.parametrize("preconditioned", [False, True])
def test_mala_ratio_is_detailed_balance(xp, temperature, preconditioned):
    """log of π(y)^{1/T} q(y → x) / π(x)^{1/T} q(x → y), the normal densities q written out."""
    h = 0.3
    x, y = np.asarray([[0.2, 1.0], [-2.0, 0.5]]), np.asarray([[0.5, -1.0], [1.5, 0.0]])
    factor = np.asarray([[1.5, 0.0], [0.4, 0.7]]) if preconditioned else np.eye(2)
    m = factor @ factor.T

    def score(q):
        return -(q**3)

    def log_density(q):
        return -(q**4).sum(axis=-1) / 4

    def log_q(to, start):
        w = to - start - h * score(start) @ m
        return -(w * np.linalg.solve(m, w.T).T).sum(axis=-1) / (4 * h * temperature)

    def ratio(start, to):
        xi = np.linalg.solve(factor, (to - start - h * score(start) @ m).T).T
        xi = xi / np.sqrt(2 * h * temperature)
        arguments = score(start), log_density(start), score(to), log_density(to), xi
        moved = (xp.asarray(value.tolist(), dtype=xp.float64) for value in arguments)
        given = xp.asarray(factor.tolist(), dtype=xp.float64) if preconditioned else None
        found = mala_log_ratio(*moved, h=h, temperature=temperature, factor=given)
        return _arrays.to_numpy(found)

    expected = (log_density(y) - log_density(x)) / temperature + log_q(x, y) - log_q(y, x)
    assert np.allclose(ratio(x, y), expected, rtol=1e-13, atol=1e-13)
    assert np.max(np.abs(ratio(x, y) + ratio(y, x))) <= 1e-13 * math.exp(4)


def test_preconditioned_steps_are_plain_steps_of_other_coordinates():
    """x = Lz: every method on x with M = LLᵀ is itself on z with the score Lᵀ∇log π(Lz)."""
    factor = np.asarray([[1.5, 0.0], [0.4, 0.7]])
    z, p, xi, eta = np.random.default_rng(0).standard_normal((4, 3, 2))

    def score(x):
        return -(x**3)

    def score_z(z):
        return gather(factor, score(z @ factor.T))

    x = z @ factor.T
    pairs = (
        (ula(x, score(x), xi, h=0.1, factor=factor), ula(z, score_z(z), xi, h=0.1)),
        (
            baoab(x, p, score(x), score, xi, h=0.1, factor=factor)[0],
            baoab(z, p, score_z(z), score_z, xi, h=0.1)[0],
        ),
        (aboba(x, p, score, xi, h=0.1, factor=factor)[0], aboba(z, p, score_z, xi, h=0.1)[0]),
        (
            obabo(x, p, score(x), score, xi, eta, h=0.1, factor=factor)[0],
            obabo(z, p, score_z(z), score_z, xi, eta, h=0.1)[0],
        ),
    )
    for of_x, of_z in pairs:
        assert np.allclose(of_x, of_z @ factor.T, rtol=1e-13, atol=1e-13)
