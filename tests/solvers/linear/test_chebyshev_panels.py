"""Interpolants, antiderivatives and refinement."""

import numpy as np
import pytest
from numpy.polynomial import Chebyshev

from mathcore import _arrays
from solvers.linear import chebyshev_panels as panels_of

LIKE = np.zeros(1)


def of(function, tolerance=1e-13):
    """One component as `interpolate` wants it."""

    def values(t):
        return function(t)[..., None], np.full((*t.shape, 1), tolerance)

    return values


def test_coefficients_are_those_of_numpy():
    made = panels_of.interpolate(of(np.exp), (-1.0, 1.0), LIKE)
    expected = Chebyshev.interpolate(np.exp, panels_of.NODES - 1).coef
    np.testing.assert_allclose(made.coefficients[0, :, 0], expected, atol=5e-15)


def test_polynomial_is_exact_on_one_panel(xp):
    def polynomial(t):
        return xp.stack([t**3 - 2 * t, 1 + 0 * t], axis=-1), xp.full((*t.shape, 2), 1e-12)

    like = xp.zeros(1, dtype=xp.float64)
    made = panels_of.interpolate(polynomial, (0.0, 3.0), like)
    assert made.breaks == (0.0, 3.0)
    t = xp.linspace(0.0, 3.0, 7, dtype=xp.float64)
    host = _arrays.to_numpy(t)
    values = _arrays.to_numpy(panels_of.evaluate(made, t))
    np.testing.assert_allclose(values, np.stack([host**3 - 2 * host, 1 + 0 * host], -1), atol=2e-14)
    u = panels_of.antiderivative(made, [0, 1])
    values = _arrays.to_numpy(panels_of.evaluate(u, t))
    expected = np.stack([host**4 / 4 - host**2, host - 3], -1)
    np.testing.assert_allclose(values, expected, atol=3e-14)


def test_refinement_follows_the_function():
    made = panels_of.interpolate(of(lambda t: 1 / (1e-4 + t**2), 1e-7), (-1.0, 1.0), LIKE)
    widths = np.diff(made.breaks)
    assert made.unresolved is None
    assert widths.min() < 0.05 < 0.2 < widths.max()
    t = np.linspace(-1, 1, 1001)
    np.testing.assert_allclose(panels_of.evaluate(made, t)[:, 0], 1 / (1e-4 + t**2), atol=1e-6)
    total = panels_of.evaluate(panels_of.antiderivative(made, [0]), np.array([1.0]))
    assert total[0, 0] == pytest.approx(200 * np.arctan(100.0), rel=1e-12)


def test_odd_function_is_not_resolved_by_symmetry():
    """Its integral over the symmetric interval is 0 at every refinement; its tail is not."""
    made = panels_of.interpolate(of(lambda t: t / (1e-4 + t**2), 1e-9), (-1.0, 1.0), LIKE)
    assert len(made.breaks) > 8


def test_integral_from_every_base():
    made = panels_of.interpolate(of(lambda t: np.exp(-t), 1e-18), (0.0, 10.0, 40.0), LIKE)
    t = np.linspace(0.0, 40.0, 81)
    for base in (0, made.breaks.index(10.0), len(made.breaks) - 1):
        u = panels_of.antiderivative(made, [base])
        start = made.breaks[base]
        expected = np.exp(-start) - np.exp(-t)
        np.testing.assert_allclose(panels_of.evaluate(u, t)[:, 0], expected, atol=2e-15)
        assert panels_of.evaluate(u, np.array([start]))[0, 0] == pytest.approx(0.0, abs=1e-16)


def test_integral_from_the_far_end_keeps_its_relative_accuracy():
    def decaying(t):
        return np.exp(-t)[..., None], 1e-13 * np.exp(-t)[..., None]

    made = panels_of.interpolate(decaying, (0.0, 40.0), LIKE)
    t = np.linspace(0.0, 30.0, 61)
    u = panels_of.evaluate(panels_of.antiderivative(made, [len(made.breaks) - 1]), t)[:, 0]
    np.testing.assert_allclose(u, np.exp(-40.0) - np.exp(-t), rtol=1e-13)


def test_more_times_than_are_evaluated_at_once():
    made = panels_of.interpolate(of(np.cos), (0.0, 20.0), LIKE)
    t = np.linspace(0.0, 20.0, 40_001)
    np.testing.assert_allclose(panels_of.evaluate(made, t)[:, 0], np.cos(t), atol=1e-13)


def test_derivative():
    made = panels_of.interpolate(of(np.exp), (1.0, 3.0, 3.5), LIKE)
    slopes = panels_of.derivative_at_check_points(made, slice(1, 2))
    t = panels_of.times([(3.0, 3.5)], LIKE, panels_of.CHECK_POINTS)
    np.testing.assert_allclose(slopes[..., 0], np.exp(t), rtol=1e-11)


@pytest.mark.parametrize(
    "function", [lambda t: 1 / (t - 0.3), lambda t: np.where(t > 0.3, 1.0, 0.0)]
)
def test_pole_and_jump_are_located(function):
    def values(t):
        return function(t)[..., None], 1e-10 * (1 + np.abs(function(t)))[..., None]

    made = panels_of.interpolate(values, (0.0, 1.0), LIKE)
    t, component, tail = made.unresolved
    assert t == pytest.approx(0.3, abs=1e-6)
    assert component == 0
    assert tail > 1e-3


def test_noise_within_64_tolerances_is_resolved():
    rng = np.random.default_rng(1)

    def noisy(t):
        return np.cos(t) + 1e-12 * rng.standard_normal(t.shape)

    assert panels_of.interpolate(of(noisy, 1e-13), (0.0, 9.0), LIKE).unresolved is None
    assert panels_of.interpolate(of(noisy, 1e-15), (0.0, 9.0), LIKE).unresolved is not None


def test_refine_joins_breaks():
    assert panels_of.refine((0.0, 1.0), (0.0, 0.5, 1.0)) == (0.0, 0.5, 1.0)
