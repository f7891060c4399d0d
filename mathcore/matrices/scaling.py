"""Scaling by powers of two, shared by the exponential and the φ-functions.

Al-Mohy & Higham, SIAM J. Matrix Anal. Appl. 31 (2009) 970–989.
"""

import math

from mathcore import _arrays

_LARGE = 64  # order from which the kernel's one pass beats three


def norm1(xp, a):
    """1-norm of each matrix, (...)."""
    single = a.ndim == 2 and a.shape[-1] >= _LARGE
    if single and (views := _arrays.kernel_views(a)) is not None:
        from mathcore.matrices._kernels.combinations_cpu import largest_column_sum

        return xp.asarray(largest_column_sum(*views), dtype=a.dtype)
    return xp.max(xp.sum(xp.abs(a), axis=-2), axis=-1)


def power_of_two(xp, exponent):
    """2^exponent (..., 1, 1) for exponents (...)."""
    return xp.pow(xp.full_like(exponent, 2.0), exponent)[..., None, None]


def scaled(xp, a, exponent):
    """2^exponent A; A itself where every exponent is known to be 0."""
    if _arrays.concrete(xp.all(exponent == 0)):
        return a
    half = xp.floor(exponent / 2)  # 2^exponent may overflow where the product does not
    return a * power_of_two(xp, half) * power_of_two(xp, exponent - half)


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


def overscaling_guard(xp, b, exponent, degree, limit=None):
    """ℓ(|A|) of eq. (3.14) for a Taylor polynomial of this degree; A = 2^exponent B.

    Further halvings, where rounding errors of the size of |A|^degree / degree! would show.
    """
    norm = norm1(xp, b)
    usable = xp.isfinite(norm) & (norm > 0)
    unit = xp.where(usable, norm, 1.0)
    absolute = xp.abs(b)
    rows = xp.ones_like(absolute[..., :1, :])
    for _ in range(degree + 1):
        rows = rows @ absolute / unit[..., None, None]  # no power of B may overflow
    power = xp.max(rows[..., 0, :], axis=-1)
    safe = usable & (power > 0) & xp.isfinite(power)
    if limit is None:
        limit = (math.factorial(degree + 1) * _arrays.eps(b) / 2) ** (1 / degree)
    bits = xp.log2(xp.where(safe, power, 1.0)) / degree + xp.log2(unit) + exponent
    extra = xp.ceil(bits - math.log2(limit))
    return xp.where(safe & (extra > 0), extra, 0.0)
