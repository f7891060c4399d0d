"""Derivatives of the matrix exponential by one reverse sweep over its own products.

Every product Z = XY of scaling and squaring contributes X̄ += Z̄Yᴴ and Ȳ += XᴴZ̄: two products for
one, so that value and derivative together cost three times the value, where the 2n × 2n block
exponential of Mathias (SIAM J. Matrix Anal. Appl. 17, 1996) costs eight.
"""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_square
from mathcore.matrices.exponential import expm, scaled_powers
from mathcore.matrices.taylor_polynomials import T21, identity_like, taylor_21_with_factors

_DENSE_ORDER = 8  # up to here κ comes from the n² × n² Jacobian itself
_POWER_STEPS = 30


class ExpmFrechet(NamedTuple):
    """e^A and its Fréchet derivative in one direction, each (..., n, n)."""

    expm: Any
    frechet: Any


@_arrays.halves_in_float32
def expm_frechet(a, e):
    """Matrix exponential and its Fréchet derivative L(A, E), the derivative of e^{A + tE} at t = 0.

    Parameters
    ----------
    a : array (..., n, n)
        Where.
    e : array (..., n, n)
        The direction; batches broadcast.

    Returns
    -------
    ExpmFrechet
        ``expm`` and ``frechet``, both (..., n, n).

    Raises
    ------
    ValueError
        `a` or `e` is not square, or their sizes differ.

    Notes
    -----
    Batched, on every library, unlike ``scipy.linalg.expm_frechet``.

    References
    ----------
    .. [1] N. J. Higham, "Functions of Matrices", 2008, section 10.6.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import expm_frechet
    >>> expm_frechet(np.zeros((2, 2)), np.array([[0.0, 1.0], [2.0, 0.0]])).frechet
    array([[0., 1.],
           [2., 0.]])
    """
    xp, a, e = _checked(a, e, "e")
    x, frechet = _sweep(xp, _arrays.adjoint(a), e)  # the adjoint of the adjoint
    return ExpmFrechet(_arrays.adjoint(x), frechet)


@_arrays.halves_in_float32
def expm_vjp(a, cotangent):
    """Adjoint of the Fréchet derivative of the exponential, L(Aᴴ, G): the gradient of ⟨G, e^A⟩.

    Parameters
    ----------
    a : array (..., n, n)
        Where.
    cotangent : array (..., n, n)
        G, the gradient with respect to e^A.

    Returns
    -------
    array (..., n, n)
        The gradient with respect to A, for the inner product Re tr(GᴴX).

    Raises
    ------
    ValueError
        `a` or `cotangent` is not square, or their sizes differ.

    Notes
    -----
    Value and gradient together cost 3 times the value; the backward pass of
    ``torch.linalg.matrix_exp`` forms a 2n × 2n exponential.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import expm_vjp
    >>> a = np.diag([0.0, 1.0])
    >>> expm_vjp(a, np.eye(2)).round(4)  # the gradient of tr e^A is e^A, transposed
    array([[1.    , 0.    ],
           [0.    , 2.7183]])
    """
    xp, a, cotangent = _checked(a, cotangent, "cotangent")
    return _sweep(xp, a, cotangent)[1]


@_arrays.halves_in_float32
def expm_cond(a):
    """Relative condition number of the matrix exponential in the Frobenius norm.

    Parameters
    ----------
    a : array (..., n, n)

    Returns
    -------
    array (...)
        κ = max over E of ‖L(A, E)‖ ‖A‖ / (‖e^A‖ ‖E‖); a relative change δ of A changes e^A by at
        most about κδ. Exact to rounding for n ≤ 8, within a per cent or so (from below) above,
        where power iteration finds it; NaN where e^A underflows to 0.

    Raises
    ------
    ValueError
        `a` is not square.

    Notes
    -----
    ``scipy.linalg.expm_cond`` forms the n² × n² matrix at every size.

    References
    ----------
    .. [1] N. J. Higham, "Functions of Matrices", 2008, section 10.2 and algorithm 3.20.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import expm_cond
    >>> round(float(expm_cond(3 * np.eye(2))), 12)
    3.0
    """
    xp, a = _arrays.asarrays(a=a)
    check_square(a)
    n = a.shape[-1]
    if n == 0 or 0 in a.shape:
        return xp.zeros(a.shape[:-2], dtype=_arrays.real_part(a).dtype, device=_arrays.device(a))
    largest = _jacobian_norm(xp, a) if n <= _DENSE_ORDER else _power_iteration(xp, a)
    size = _frobenius(xp, expm(a, assume_a="general"))
    gone = size == 0
    return xp.where(gone, xp.nan, largest * _frobenius(xp, a) / xp.where(gone, 1.0, size))


def _checked(a, e, name):
    xp, a, e = _arrays.asarrays(**{"a": a, name: e})
    check_square(a)
    check_square(e, name)
    if a.shape[-1] != e.shape[-1]:
        raise ValueError(
            f"`{name}` must have the order {a.shape[-1]} of `a`; got shape {tuple(e.shape)}"
        )
    return xp, *xp.broadcast_arrays(a, e)


def _frobenius(xp, a):
    top = xp.max(xp.abs(a), axis=(-2, -1))
    scaled = xp.abs(a) / xp.where(top > 0, top, 1.0)[..., None, None]  # squares must not underflow
    return top * xp.sqrt(xp.sum(scaled**2, axis=(-2, -1)))


def _jacobian_norm(xp, a):
    """2-norm of the n² × n² matrix whose columns are L(A, E) for the unit matrices E."""
    n = a.shape[-1]
    units = xp.reshape(xp.eye(n * n, dtype=a.dtype, device=_arrays.device(a)), (n * n, n, n))
    columns = expm_frechet(a[..., None, :, :], units).frechet
    jacobian = xp.reshape(columns, (*columns.shape[:-2], n * n))
    return xp.max(xp.linalg.svdvals(jacobian), axis=-1)


def _power_iteration(xp, a):
    """Largest ‖L(A, E)‖ / ‖E‖ by iterating L*(A, L(A, E)), from E = e^A."""
    e = expm(a, assume_a="general")
    for _ in range(_POWER_STEPS):
        e = e / _frobenius(xp, e)[..., None, None]
        image = expm_frechet(a, e).frechet
        largest, e = _frobenius(xp, image), expm_vjp(a, image)
    return largest


# --- the sweep ------------------------------------------------------------------------------------


def _sweep(xp, a, g):
    """e^A and L(Aᴴ, G)."""
    if 0 in a.shape:
        return a, g
    a, a2, a3, scale, s = scaled_powers(xp, a)
    x, factors = taylor_21_with_factors(identity_like(xp, a), a, a2, a3)
    most = int(xp.max(s))
    counts, squares = s[..., None, None], [x]
    for i in range(most):
        x = xp.where(i < counts, x @ x, x)
        squares.append(x)
    for i in reversed(range(most)):
        y = _arrays.adjoint(squares[i])
        g = xp.where(i < counts, g @ y + y @ g, g)
    return x, scale * _polynomial_adjoint(g, a, a2, a3, *factors)


def _polynomial_adjoint(g, a, a2, a3, p, q, r, u, v):
    """Cotangent of A from that of T21+(A); a bar of the literature is a `_` here."""
    c1, c2, c3, c4, c5, c6, c7, c8, c9, c10 = T21[:10]
    c11, c12, c13, c14, c15, c16, c17, c18, c19, c20 = T21[10:]
    adjoint = _arrays.adjoint
    u_, v_ = g @ adjoint(v), adjoint(u) @ g
    y1_ = u_ + v_ + c17 * g
    q_, r_ = y1_ @ adjoint(r), adjoint(q) @ y1_
    y0_ = c15 * v_ + c18 * g + q_ + r_ + c9 * y1_
    p_ = adjoint(a3) @ y0_
    a3_ = c12 * u_ + c19 * g + c4 * q_ + c7 * r_ + c10 * y1_ + y0_ @ adjoint(p) + c1 * p_
    a2_ = c13 * u_ + c20 * g + c5 * q_ + c8 * r_ + c11 * y1_ + c2 * p_ + a3_ @ adjoint(a)
    a_ = c14 * u_ + c16 * v_ + g + c6 * q_ + c3 * p_ + adjoint(a2) @ a3_
    return a_ + a2_ @ adjoint(a) + adjoint(a) @ a2_
