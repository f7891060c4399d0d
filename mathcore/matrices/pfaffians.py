"""The Pfaffian of skew-symmetric matrices by unitary reflections.

Each step turns a column into a multiple of e₁ by B ← H B Hᵀ and takes two rows and columns off:
M. Wimmer, "Efficient numerical computation of the Pfaffian for dense and banded skew-symmetric
matrices", ACM Trans. Math. Softw. 38 (2012) 30.
"""

import math
from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_square
from mathcore.matrices.scaled_products import (
    exponents,
    matrix_exponents,
    product,
    times_power_of_two,
)


class SlogPfaffian(NamedTuple):
    """Sign (or phase) and natural logarithm of the absolute value of a Pfaffian."""

    sign: Any
    logabspfaffian: Any


@_arrays.halves_in_float32
def pfaffian(a):
    """Pfaffian of a skew-symmetric matrix: the polynomial with pf(A)² = det A.

    Parameters
    ----------
    a : array (..., n, n)
        A = −Aᵀ, also for complex A.

    Returns
    -------
    array (...)
        x for [[0, x], [−x, 0]]; 0 for odd n, 1 for n = 0.

    Raises
    ------
    ValueError
        `a` is not square, or is a NumPy array that is not skew-symmetric to rounding.

    Notes
    -----
    Differentiable in torch and JAX, at singular matrices too; the gradient is that along
    skew-symmetric directions, ½ pf(A) A⁻ᵀ where A is invertible. The value over- or underflows only
    where the Pfaffian does; see `slogpfaffian` for its logarithm.

    References
    ----------
    .. [1] M. Wimmer, ACM Trans. Math. Softw. 38 (2012) 30.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.matrices.pfaffians import pfaffian
    >>> a = np.array([[0.0, 1, 2, 3], [-1, 0, 4, 5], [-2, -4, 0, 6], [-3, -5, -6, 0]])
    >>> float(pfaffian(a).round(12))  # 1·6 − 2·5 + 3·4
    8.0
    """
    xp, a = _skew(a)
    m, e, singular = _factored(xp, a)
    value = times_power_of_two(xp, m, e)
    return xp.where(singular, value - _arrays.detach(value), value)


@_arrays.halves_in_float32
def slogpfaffian(a):
    """Sign and log-magnitude of `pfaffian`, without overflow or underflow.

    Parameters
    ----------
    a : array (..., n, n)

    Returns
    -------
    SlogPfaffian
        ``sign`` (...), ±1 or a phase, 0 for a singular matrix; ``logabspfaffian`` (...), real, then
        −inf.

    Raises
    ------
    ValueError
        As `pfaffian`.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.matrices.pfaffians import slogpfaffian
    >>> sign, log = slogpfaffian(np.kron(np.eye(9), np.array([[0.0, -1e-99], [1e-99, 0.0]])))
    >>> float(sign), round(float(log) / np.log(10))
    (-1.0, -891)
    """
    xp, a = _skew(a)
    m, e, singular = _factored(xp, a)
    singular = singular | (m == 0)
    size = xp.abs(xp.where(singular, xp.ones_like(m), m))
    log = xp.where(singular, -xp.inf, xp.log(size) + e * math.log(2.0))
    return SlogPfaffian(xp.where(singular, xp.zeros_like(m), m / size), log)


def _skew(a):
    xp, a = _arrays.asarrays(a=a)
    check_square(a)
    transposed = xp.matrix_transpose(a)
    if _arrays.is_numpy(a) and a.size:
        size, rest = abs(a).max(axis=(-2, -1)), abs(a + transposed).max(axis=(-2, -1))
        if (rest > 100 * _arrays.eps(a) * size).any():
            raise ValueError(f"`a` must be skew-symmetric; got a + aᵀ of size {rest.max():.3g}")
    return xp, a / 2 - transposed / 2


def _factored(xp, a):
    """(m, e, singular): pf A = m·2^e; where `singular`, pf A is 0 and m stands for its gradient."""
    n, batch = a.shape[-1], a.shape[:-2]
    if n == 0 or n % 2:
        m = xp.full(batch, float(n == 0), dtype=a.dtype, device=_arrays.device(a))
        return m, xp.zeros_like(xp.abs(m)), m != m
    e_a = matrix_exponents(xp, a)
    a = times_power_of_two(xp, a, -e_a[..., None, None])
    singular, factors = xp.zeros(batch, dtype=xp.bool, device=_arrays.device(a)), []
    for left in range(n, 0, -2):
        if left <= a.shape[-1] // 2:  # few shapes, since JAX compiles each
            a = a[..., :left, :left]
        factor, vanishes, a = _two_rows_less(xp, a)
        factors.append(factor)
        singular = singular | vanishes
    m, e = product(xp, xp.stack(factors, axis=-1))
    return m, e + n // 2 * e_a, singular


def _two_rows_less(xp, a):
    """(f, x = 0, B) with pf A = f · pf B, where x is the first column below the diagonal.

    B has rows and columns of zeros in place of the two.

    H = I − v vᴴ/(vᴴx) with v = x − β e₁, β real, |β| = ‖x‖: H is unitary, H x = β e₁ and
    det H = β v̄₁/(vᴴx). It has no phase of x₁ to differentiate, which has no limit at 0.
    """
    x = a[..., 1:, :1]
    vanishes = xp.all(x == 0, axis=(-2, -1))
    first = xp.eye(x.shape[-2], 1, dtype=a.dtype, device=_arrays.device(a))
    size = xp.max(xp.abs(_arrays.detach(a)), axis=(-2, -1), keepdims=True)
    epsilon = _arrays.eps(a) * xp.where(size == 0, 1.0, size)
    # a column of zeros turns as well as any: an ε keeps the gradient, which sees how it turns
    x = xp.where(vanishes[..., None, None], x + epsilon * first, x)
    e = exponents(xp, xp.max(xp.abs(x), axis=(-2, -1), keepdims=True))
    x = times_power_of_two(xp, x, -e)
    norm = xp.sqrt(xp.sum(xp.abs(x) ** 2, axis=-2, keepdims=True))
    beta = xp.where(_arrays.real_part(x[..., :1, :]) < 0, norm, -norm)
    v = x - beta * first
    v_x = _arrays.adjoint(v) @ x
    factor = -v_x / _arrays.conj(v[..., :1, :])
    b = a[..., 1:, 1:]
    w = b @ _arrays.conj(v) / v_x
    b = b + v @ xp.matrix_transpose(w) - w @ xp.matrix_transpose(v)
    rows = xp.zeros_like(b[..., :1, 1:])
    b = xp.concat([b[..., 1:, 1:], rows, rows], axis=-2)
    columns = xp.zeros_like(a[..., :, :1])
    b = xp.concat([b, columns, columns], axis=-1)
    return times_power_of_two(xp, factor, e)[..., 0, 0], vanishes, b
