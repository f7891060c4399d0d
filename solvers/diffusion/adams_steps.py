"""Adams–Bashforth methods on ε = dx/dσ: LMS in σ, DEIS in the time of the VP process, iPNDM.

x(b) = x(a) + ∫_a^b ε dσ with ε replaced by the polynomial through its last p values.
"""

import functools
import math

import numpy as np

from solvers.diffusion.sigma_grids import vp_time
from solvers.diffusion.steps import Stage, padded, to_zero

_CONSTANT_STEP = ((1,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12))
_CONSTANT_STEP = (*_CONSTANT_STEP, (55 / 24, -59 / 24, 37 / 24, -9 / 24))


def lms(step, order):
    """Polynomial in σ: variable-step Adams–Bashforth, DEIS-ρAB."""
    return _adams(step, order, _lms_weights)


def deis(step, order):
    """Polynomial in t(σ): Zhang & Chen, "DEIS", ICLR 2023, arXiv 2204.13902, tAB."""
    return _adams(step, order, _deis_weights)


def ipndm(step, order):
    """Constant-step coefficients on any grid, as Zhang & Chen and Liu et al. (PNDM) use them."""
    return _adams(step, order, _ipndm_weights)


def _adams(step, order, weights):
    if step.b == 0.0:
        return to_zero(step, slopes=order)
    slopes = weights(step.a, step.b, step.starts(order))
    return (Stage(step.a, 1.0, (0.0,), padded(slopes, order)),)


def _ipndm_weights(a, b, nodes):
    return [(b - a) * weight for weight in _CONSTANT_STEP[len(nodes) - 1]]


def _lms_weights(a, b, nodes):
    x, w = _gauss_legendre()
    sigma = (a + b) / 2 + (b - a) / 2 * x  # exact: the integrand is a polynomial
    return _basis(np.asarray(nodes), sigma) @ w * ((b - a) / 2)


def _deis_weights(a, b, nodes):
    x, w = _gauss_legendre()
    half = math.log(b / a) / 2
    sigma = math.sqrt(a * b) * np.exp(half * x)  # in ln σ, where t(σ) is smooth on the widest step
    return _basis(vp_time(np.asarray(nodes)), vp_time(sigma)) @ (w * sigma) * half


def _basis(nodes, t):
    """ℓ_j(t), the Lagrange polynomials of the nodes."""
    rows = []
    for j, node in enumerate(nodes):
        others = np.delete(nodes, j)[:, None]
        rows.append(np.prod((t - others) / (node - others), axis=0))
    return np.asarray(rows)


@functools.cache
def _gauss_legendre():
    return np.polynomial.legendre.leggauss(24)
