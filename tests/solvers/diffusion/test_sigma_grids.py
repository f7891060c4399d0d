"""Noise levels: published values, exact ends, refusals."""

import numpy as np
import pytest

from solvers import sigmas_karras, sigmas_logsnr

GRIDS = (sigmas_karras, sigmas_logsnr)


def test_karras_values():
    """Eq. (5) of Karras et al. 2022 with ρ = 7, n = 10, evaluated in 30 digits."""
    sigmas = sigmas_karras(10, 0.002, 80.0)
    assert sigmas[1] == pytest.approx(42.4151893, rel=1e-8)
    assert sigmas[5] == pytest.approx(1.50174198, rel=1e-8)


def test_karras_with_rho_one_is_linear():
    assert sigmas_karras(5, 1.0, 9.0, rho=1.0).tolist() == [9.0, 7.0, 5.0, 3.0, 1.0]


def test_karras_tends_to_logsnr_as_rho_grows():
    grids = sigmas_karras(20, 0.002, 80.0, rho=1e6), sigmas_logsnr(20, 0.002, 80.0)
    assert np.allclose(*grids, rtol=1e-4)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("n", [2, 3, 1000])
def test_ends_are_exact_and_levels_fall(grid, n):
    sigmas = grid(n, 0.002, 80.0)
    assert sigmas.dtype == np.float64
    assert sigmas.shape == (n,)
    assert sigmas[0] == 80.0
    assert sigmas[-1] == 0.002
    assert np.all(np.diff(sigmas) < 0)


@pytest.mark.parametrize("grid", GRIDS)
def test_extreme_ratios(grid):
    sigmas = grid(50, 1e-150, 1e150)
    assert np.all(np.diff(sigmas) < 0)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((1, 0.1, 1.0), ValueError),
        ((0, 0.1, 1.0), ValueError),
        ((5, 0.0, 1.0), ValueError),
        ((5, -1.0, 1.0), ValueError),
        ((5, 1.0, 1.0), ValueError),
        ((5, 2.0, 1.0), ValueError),
        ((5, 0.1, np.inf), ValueError),
        ((5, np.nan, 1.0), ValueError),
        ((5.0, 0.1, 1.0), TypeError),
        ((5, "0.1", 1.0), TypeError),
        ((100, 1.0, 1.0 + 1e-15), ValueError),
    ],
)
def test_refusals(grid, arguments, error):
    with pytest.raises(error, match="must"):
        grid(*arguments)


def test_rho_must_be_positive():
    with pytest.raises(ValueError, match="`rho` must be finite and > 0; got 0"):
        sigmas_karras(5, 0.1, 1.0, rho=0.0)
