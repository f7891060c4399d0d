"""Diagonal and first superdiagonal of a function of an upper triangular matrix, renewed.

They are f(λ_i) and a_{i,i+1} f[λ_i, λ_{i+1}] (Al-Mohy & Higham, SIAM J. Matrix Anal. Appl. 31
(2009), code fragment 2.1), and need nothing of the rest of the matrix.
"""

from mathcore import _arrays


def with_diagonals(xp, x, on, above):
    """`x` (..., n, n) with `on` (..., n) on its diagonal and `above` (..., n − 1) on the next."""
    above = xp.concat([xp.zeros_like(on[..., :1]), above], axis=-1)
    row = xp.arange(x.shape[-1], device=_arrays.device(x))
    x = xp.where(row[:, None] == row, on[..., None, :], x)
    return xp.where(row[:, None] + 1 == row, above[..., None, :], x)


def exponential_difference(xp, x, y):
    """Divided difference exp[x, y] = (e^x − e^y) / (x − y) without overflow on the way."""
    y_is_top = _arrays.real_part(y) > _arrays.real_part(x)
    top, gap = xp.where(y_is_top, y, x), xp.where(y_is_top, y - x, x - y)
    equal = gap == 0
    return xp.exp(top) * xp.where(equal, 1.0, -xp.expm1(-gap) / xp.where(equal, 1.0, gap))
