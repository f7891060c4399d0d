"""The adjugate, exact at singular matrices, its derivative, and the generalized cross product.

With A = U Σ Vᴴ, adj A = det(U Vᴴ) V adj(Σ) Uᴴ, and the diagonal of adj(Σ) holds the products of all
singular values but one: no division by what may vanish. G. W. Stewart, "On the adjugate matrix",
Linear Algebra Appl. 283 (1998) 151–164, shows that such a factorisation gives every digit the
problem has, however near to singular A is.
"""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_matrix, check_square
from mathcore._gradients import differentiable
from mathcore.matrices.inverses import inverse_or_nan
from mathcore.matrices.scaled_products import (
    exponents,
    leave_one_out,
    leave_two_out,
    times_power_of_two,
)
from mathcore.matrices.scaling import norm1


@_arrays.halves_in_float32
def adjugate(a):
    """Adjugate (classical adjoint) of a square matrix: A adj(A) = adj(A) A = det(A) I.

    Parameters
    ----------
    a : array (..., n, n)

    Returns
    -------
    array (..., n, n)
        The transposed matrix of cofactors; det(A) A⁻¹ where A is invertible, and defined at
        singular matrices too: of rank one where A has rank n − 1, zero below. NaN for a matrix
        with NaN or infinity in it.

    Raises
    ------
    ValueError
        `a` is not square.

    Notes
    -----
    Entries over- or underflow only if their value does. Neither SciPy nor torch nor JAX has an
    adjugate. The derivative of det is tr(adj(A) dA), and `det` uses it.

    References
    ----------
    .. [1] G. W. Stewart, Linear Algebra Appl. 283 (1998) 151–164.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.matrices.adjugates import adjugate
    >>> adjugate(np.array([[1.0, 2.0], [2.0, 4.0]])).round(12)
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    _, a = _arrays.asarrays(a=a)
    check_square(a)
    return _adjugate(a)


class _Factors(NamedTuple):
    """A = 2^rows · U Σ Vᴴ · 2^columns; only finite matrices are decomposed."""

    u: Any
    s: Any
    vh: Any
    rows: Any
    columns: Any
    finite: Any


def _factors(xp, a):
    finite = xp.all(xp.isfinite(a), axis=(-2, -1))
    a = xp.where(finite[..., None, None], a, 0.0)
    rows = _largest_exponent(xp, a, axis=-1)
    a = times_power_of_two(xp, a, -rows[..., None])
    columns = _largest_exponent(xp, a, axis=-2)
    a = times_power_of_two(xp, a, -columns[..., None, :])
    return _Factors(*xp.linalg.svd(a, full_matrices=False), rows, columns, finite)


def _largest_exponent(xp, a, axis):
    return exponents(xp, xp.max(xp.abs(a), axis=axis))


def _from_core(xp, factors, core, e):
    """det(U Vᴴ) adj(2^columns) V core Uᴴ adj(2^rows) · 2^e."""
    u, _, vh, rows, columns, finite = factors
    unit = xp.linalg.det(u) * xp.linalg.det(vh)
    x = unit[..., None, None] * (_arrays.adjoint(vh) @ core @ _arrays.adjoint(u))
    e = e + (xp.sum(columns, axis=-1, keepdims=True) - columns)[..., None]
    e = e + (xp.sum(rows, axis=-1, keepdims=True) - rows)[..., None, :]
    return xp.where(finite[..., None, None], times_power_of_two(xp, x, e), xp.nan)


def _at_one_exponent(xp, p, e):
    """(q, top) with p·2^e = q·2^top, one top (..., 1, 1) for a matrix."""
    e = xp.where(p == 0, -xp.inf, e)
    top = xp.max(e, axis=(-2, -1), keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    return times_power_of_two(xp, p, xp.where(p == 0, 0.0, e - top)), top


def _of_singular_values(a):
    """adj A."""
    xp = _arrays.result_namespace(a)
    if 0 in a.shape:
        return a
    factors = _factors(xp, a)
    p, e = leave_one_out(xp, factors.s)
    p, top = _at_one_exponent(xp, p[..., None, :], e[..., None, :])
    return _from_core(xp, factors, _diagonal(xp, p, a), top)


def _derivative(a, direction):
    """The derivative of adj at A in a direction, by the products of all singular values but two.

    To first order in T, adj(Σ + T) − adj Σ is Σ_k p_ik t_kk on the diagonal and −p_ij t_ij off it.
    """
    xp = _arrays.result_namespace(a)
    if 0 in a.shape:
        return direction
    factors = _factors(xp, a)
    t = times_power_of_two(xp, direction, -factors.rows[..., None])
    t = times_power_of_two(xp, t, -factors.columns[..., None, :])
    t = _arrays.adjoint(factors.u) @ t @ _arrays.adjoint(factors.vh)
    p, top = _at_one_exponent(xp, *leave_two_out(xp, factors.s))
    p = xp.astype(p, a.dtype)
    diagonal = xp.matrix_transpose(p @ xp.linalg.diagonal(t)[..., None])
    return _from_core(xp, factors, _diagonal(xp, diagonal, a) - p * t, top)


def _adjoint_derivative(a, cotangent):
    return _arrays.adjoint(_derivative(a, _arrays.adjoint(cotangent)))


def _diagonal(xp, row, like):
    """The diagonal matrices of rows (..., 1, n)."""
    identity = xp.eye(row.shape[-1], dtype=like.dtype, device=_arrays.device(like))
    return identity * xp.astype(row, like.dtype)


def _of_inverse(a):
    """adj A = det(A) A⁻¹ where that keeps half of the digits at least, else by singular values."""
    xp = _arrays.result_namespace(a)
    if 0 in a.shape:
        return a
    inverse, determinant = inverse_or_nan(a), xp.linalg.det(a)
    size, limits = xp.abs(determinant), xp.finfo(a.dtype)
    condition = norm1(xp, a) * norm1(xp, inverse)
    safe = (condition <= limits.eps**-0.5) & xp.isfinite(size)
    safe = (safe & (size >= limits.smallest_normal))[..., None, None]
    x = xp.where(safe, determinant[..., None, None] * inverse, 0.0)
    return _arrays.repeat(
        xp.astype(xp.any(~safe), xp.int32),
        lambda _, x: xp.where(safe, x, _of_singular_values(a)),
        x,
        at_most=1,
    )


_adjugate = differentiable(_of_singular_values, jvp=_derivative, vjp=_adjoint_derivative)
adjugate_in_gradients = differentiable(_of_inverse, jvp=_derivative, vjp=_adjoint_derivative)


@_arrays.halves_in_float32
def generalized_cross(a):
    """The vector c normal to n − 1 vectors in Rⁿ with c · y = det [a, y] for every y.

    Parameters
    ----------
    a : array (..., n, n − 1)
        The vectors as columns.

    Returns
    -------
    array (..., n)
        Its length is the volume of `a`; 0 for dependent vectors. For n = 3 the cross product of the
        two columns, for n = 2 the vector turned by a quarter. The product c · y is without
        conjugation.

    Raises
    ------
    ValueError
        `a` does not have one row more than columns.

    Notes
    -----
    The last row of adj [a, 0], hence multilinear in the vectors, smooth and of consistent sign,
    unlike the last column of a QR factorisation.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.matrices.adjugates import generalized_cross
    >>> generalized_cross(np.eye(4)[:, :3]).round(12)
    array([0., 0., 0., 1.])
    """
    xp, a = _arrays.asarrays(a=a)
    check_matrix(a)
    if a.shape[-2] != a.shape[-1] + 1:
        raise ValueError(f"`a` must have shape (..., n, n - 1); got {tuple(a.shape)}")
    last = xp.zeros((*a.shape[:-1], 1), dtype=a.dtype, device=_arrays.device(a))
    return _adjugate(xp.concat([a, last], axis=-1))[..., -1, :]
