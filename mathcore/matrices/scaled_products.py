"""Products that over- or underflow only if their value does: mantissa · 2^exponent.

Exponents are whole numbers in the real floating dtype of their array, cut from the gradient tape:
what is differentiated is the mantissas.
"""

import math

from mathcore import _arrays

_HEADROOM = 33  # bits that sums and pivots may grow by
_AT_ONCE = 64  # numbers below 2, whose product is below 2^64


def exponents(xp, x):
    """⌊log₂|x|⌋, and 0 where x is 0, infinite or NaN."""
    size = xp.abs(_arrays.detach(x))
    usable = xp.isfinite(size) & (size > 0)
    return xp.floor(xp.log2(xp.where(usable, size, 1.0)))


def matrix_exponents(xp, a):
    """e (...) such that elimination in 2^{−e} A neither overflows nor loses digits; 0 mostly.

    Scaling every matrix to size one would lose the small entries of one that has large ones too.
    """
    e = exponents(xp, xp.max(xp.abs(a), axis=(-2, -1)))
    most = math.floor(math.log2(float(xp.finfo(a.dtype).max)))
    up = xp.where(e < -most / 2, xp.full_like(e, -most / 2), xp.zeros_like(e))
    return xp.where(e > most - _HEADROOM, e - (most - _HEADROOM), xp.floor(up))


def times_power_of_two(xp, x, e):
    """x·2^e in two factors, since 2^e alone may be no floating-point number."""
    most = 2.0 * math.floor(math.log2(float(xp.finfo(e.dtype).max)) - 1)
    e = xp.minimum(xp.maximum(e, xp.full_like(e, -most)), xp.full_like(e, most))
    two, half = xp.full_like(e, 2.0), xp.floor(e / 2)
    return x * xp.pow(two, half) * xp.pow(two, e - half)


def product(xp, x):
    """(m, e) with m·2^e the product over the last axis; |m| is 0 or 1 … 2^64."""
    total = xp.zeros_like(xp.sum(exponents(xp, x), axis=-1))
    while x.shape[-1] > _AT_ONCE:
        x, total = _normalized(xp, x, total)
        missing = xp.ones_like(x[..., : -x.shape[-1] % _AT_ONCE])
        x = xp.reshape(xp.concat([x, missing], axis=-1), (*x.shape[:-1], -1, _AT_ONCE))
        x = xp.prod(x, axis=-1)
    x, total = _normalized(xp, x, total)
    return xp.prod(x, axis=-1), total


def _normalized(xp, x, total):
    e = exponents(xp, x)
    return times_power_of_two(xp, x, -e), total + xp.sum(e, axis=-1)


def leave_one_out(xp, x):
    """(p, e): p_i·2^{e_i} is the product over the last axis without x_i; x real, ≥ 0."""
    m, e, vanishes, total = _without_zeros(xp, x)
    others = xp.sum(vanishes, axis=-1, keepdims=True) - vanishes
    p = xp.where(others > 0, 0.0, total[0][..., None] / m)
    return p, total[1][..., None] - e


def leave_two_out(xp, x):
    """(p, e): p_ij·2^{e_ij} is the product without x_i and x_j; p_ii = 0."""
    m, e, vanishes, total = _without_zeros(xp, x)
    others = xp.sum(vanishes, axis=-1)[..., None, None] - (
        vanishes[..., None] + vanishes[..., None, :]
    )
    p = total[0][..., None, None] / m[..., None] / m[..., None, :]
    same = xp.eye(x.shape[-1], dtype=x.dtype, device=_arrays.device(x)) > 0
    p = xp.where((others > 0) | same, 0.0, p)
    return p, total[1][..., None, None] - (e[..., None] + e[..., None, :])


def _without_zeros(xp, x):
    """Mantissas and exponents with ones for the zeros, where those are, and the product."""
    e, zero = exponents(xp, x), x == 0
    m = xp.where(zero, 1.0, times_power_of_two(xp, x, -e))
    return m, e, xp.astype(zero, x.dtype), product(xp, xp.where(zero, 1.0, x))
