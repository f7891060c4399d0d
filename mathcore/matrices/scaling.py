"""Scaling by powers of two, shared by the exponential and the φ-functions.

Al-Mohy & Higham, SIAM J. Matrix Anal. Appl. 31 (2009) 970–989.
"""

import math

from mathcore import _arrays


def norm1(xp, a):
    """1-norm of each matrix, (...)."""
    return xp.max(xp.sum(xp.abs(a), axis=-2), axis=-1)


def power_of_two(xp, exponent):
    """2^exponent (..., 1, 1) for exponents (...)."""
    return xp.pow(xp.full_like(exponent, 2.0), exponent)[..., None, None]


def binary_exponent(xp, a):
    """e (...) with ‖2^{−e} A‖₁ in [1/2, 1), so that no power of it overflows.

    0 where ‖A‖ is 0, infinite or NaN.
    """
    norm = norm1(xp, _arrays.detach(a))
    usable = xp.isfinite(norm) & (norm > 0)
    return xp.where(usable, xp.floor(xp.log2(xp.where(usable, norm, 1.0))) + 1.0, 0.0)


def ceil_log2(xp, x, e):
    """max(0, ⌈log₂(2^e x)⌉); 0 where x is 0, infinite or NaN."""
    usable = xp.isfinite(x) & (x > 0)
    bits = xp.ceil(xp.log2(xp.where(usable, x, 1.0)) + e)
    return xp.where(usable & (bits > 0), bits, 0.0)


def overscaling_guard(xp, b, exponent, degree):
    """ℓ(|A|) of eq. (3.14) for a Taylor polynomial of this degree; A = 2^exponent B.

    Further halvings, where rounding errors of the size of |A|^degree / degree! would show.
    """
    rows = xp.ones_like(xp.abs(b[..., :1, :]))
    for _ in range(degree + 1):
        rows = rows @ xp.abs(b)
    power, norm = xp.max(rows[..., 0, :], axis=-1), norm1(xp, b)
    safe = (power > 0) & xp.isfinite(power)
    log_alpha = (
        xp.log2(xp.where(safe, power, 1.0))
        - xp.log2(xp.where(safe, norm, 1.0))
        + degree * exponent
        - math.log2(math.factorial(degree + 1))
        - math.log2(_arrays.eps(b) / 2)
    )
    extra = xp.ceil(log_alpha / degree)
    return xp.where(safe & (extra > 0), extra, 0.0)
