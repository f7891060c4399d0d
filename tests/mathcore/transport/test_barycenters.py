"""Barycenters: known answers on fixed and free supports, and errors."""

import numpy as np
import pytest

from mathcore.transport.barycenters import barycenter

GRID = np.linspace(-6, 6, 121)[:, None]


def _normal(mean, deviation):
    w = np.exp(-((GRID[:, 0] - mean) ** 2) / (2 * deviation**2))
    return w / w.sum()


def test_of_two_normals_is_the_normal_between():
    """Debiased: mean and deviation are the averages, whatever ε (Janati et al. 2020, theorem 3)."""
    measures = [(GRID, _normal(-2, 0.5)), (GRID, _normal(2, 1.0))]
    result = barycenter(measures, epsilon=0.05, support=GRID)
    w = result.weights
    mean = w @ GRID[:, 0]
    assert result.status == "converged"
    assert mean == pytest.approx(0, abs=1e-3)
    assert (w @ (GRID[:, 0] - mean) ** 2) ** 0.5 == pytest.approx(0.75, abs=1e-3)


def test_free_support_of_different_sizes():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 2)), rng.standard_normal((50, 2)) + np.array([6.0, 0])
    result = barycenter([x, y], [0.5, 0.5], epsilon=0.5, init=x[:30])
    middle = (x.mean(axis=0) + y.mean(axis=0)) / 2
    assert result.converged
    assert result.points.shape == (30, 2)
    assert np.abs(result.points.mean(axis=0) - middle).max() <= 0.02


def test_stops_and_says_so():
    x = np.random.default_rng(0).standard_normal((10, 2))
    few = barycenter([x, 2 * x], epsilon=0.1, max_iterations=2, tol=0.0)
    assert (few.converged, few.status, few.iterations) == (False, "max_iterations", 2)
    stopped = barycenter([x, 2 * x], epsilon=0.1, tol=0.0, callback=lambda i, e: i == 3)
    assert (stopped.status, stopped.iterations) == ("stopped", 3)


@pytest.mark.parametrize(
    ("message", "arguments", "options"),
    [
        ("at least one measure", ([],), {}),
        ("must have weights that sum to one", ([(GRID, 2 * _normal(0, 1))],), {}),
        ("`weights` must have shape", ([GRID], [0.5, 0.5]), {}),
        ("`weights` must be >= 0", ([GRID, GRID], [1.5, -0.5]), {}),
        ("dimension", ([GRID, np.zeros((3, 2))],), {}),
        ("`init` must be None", ([GRID],), {"support": GRID, "init": GRID}),
        ("`support` must have shape", ([GRID],), {"support": GRID[:, 0]}),
    ],
)
def test_errors(message, arguments, options):
    with pytest.raises(ValueError, match=message):
        barycenter(*arguments, epsilon=0.1, **options)
