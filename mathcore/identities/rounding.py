"""How far rounding can move what the identities compute: bounds on NumPy double arrays.

A computed determinant is the exact one of a matrix whose singular values are off by a δ of
c n eps ‖A‖ (LU and QR are backward stable), so it is off by at most Π(σ_i + δ) − Πσ_i. A computed
exponential is off by its condition number. The constants c allow for pivot growth.
"""

import numpy as np

from mathcore.matrices.exponential import expm
from mathcore.matrices.exponential_derivative import expm_cond

_C = 10.0


def norm(a):
    """2-norm of each matrix, (...); of a vector argument the largest entry."""
    return singular_values(a)[..., 0] if 0 not in a.shape[-2:] else np.zeros(a.shape[:-2])


def singular_values(a):
    """In descending order, (..., min(m, n)); NaN where an entry is not finite."""
    finite = np.isfinite(a).all(axis=(-2, -1))[..., None]
    sigma = np.linalg.svd(np.where(finite[..., None], a, 0.0), compute_uv=False)
    return np.where(finite, sigma, np.nan)


class Spread(tuple):
    """A product of non-negative factors, and by how much it grows when each grows by its δ."""

    __slots__ = ()

    def __new__(cls, value, growth):
        """Both (...)."""
        return super().__new__(cls, (value, growth))

    def __mul__(self, other):
        """Of the product of two products."""
        (p, d), (q, e) = self, other
        return Spread(p * q, d * (q + e) + p * e)

    def __pow__(self, exponent):
        """Of a non-negative integer power."""
        power = Spread(np.ones_like(self[0]), np.zeros_like(self[0]))
        for _ in range(exponent):
            power = power * self
        return power


def product(factors, delta):
    """Spread of the product over the last axis of `factors`, each off by `delta` (...)."""
    spread = Spread(np.ones(factors.shape[:-1]), np.zeros(factors.shape[:-1]))
    for i in range(factors.shape[-1]):
        spread = spread * Spread(factors[..., i], delta)
    return spread


def determinant(eps, a, error=0.0, minors=False):
    """Spread of |det A|, or of the volume, computed from an A that is itself off by `error`.

    Of a minor of one order less where `minors` is asked for.
    """
    sigma = singular_values(a)
    delta = _C * max(a.shape[-2:]) * eps * norm(a) + error
    return product(sigma[..., :-1] if minors else sigma, np.broadcast_to(delta, a.shape[:-2]))


def log_determinant(eps, a, error=0.0):
    """Bound on the error of log|det A| computed from an A that is itself off by `error`."""
    value, growth = determinant(eps, a, error)
    return growth / value


def exponential(eps, a):
    """Bound on the error of a computed e^A in the Frobenius norm, (...)."""
    if 0 in a.shape:
        return np.zeros(a.shape[:-2])
    size = np.linalg.norm(expm(a), axis=(-2, -1))
    return _C * a.shape[-1] * eps * np.maximum(1.0, np.nan_to_num(expm_cond(a))) * size
