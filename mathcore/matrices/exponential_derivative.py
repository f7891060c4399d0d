"""Derivatives of the matrix exponential: its own program, run on pairs of a value and a derivative.

A product Z = XY of scaling and squaring has the derivative Z' = X'Y + XY': three products for one,
where the 2n × 2n block exponential of Mathias (SIAM J. Matrix Anal. Appl. 17, 1996) costs eight.
The adjoint is the same function: L*(A, G) = L(Aᴴ, G) = L(A, Gᴴ)ᴴ.
"""

import functools
from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_square
from mathcore.matrices.exponential import expm, keep_memory, scaled_powers, squared
from mathcore.matrices.small_exponentials import LARGEST_ORDER, expm_and_derivative_of_small
from mathcore.matrices.taylor_polynomials import identity_like, taylor_21

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
    Batched, on every library, differentiable and usable under ``jax.jit``, unlike
    ``scipy.linalg.expm_frechet``.

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
    return ExpmFrechet(*_value_and_derivative(xp, a, e))


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
    ``torch.linalg.matrix_exp`` forms a 2n × 2n exponential. In torch this is the gradient of
    `expm`; JAX differentiates the program of `expm` itself.

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
    return _value_and_derivative(xp, a, cotangent, adjoint=True)[1]


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


# --- value and derivative together ----------------------------------------------------------------


def _value_and_derivative(xp, a, e, *, adjoint=False):
    """e^A, and L(A, E) or its adjoint."""
    views = _arrays.kernel_views(a, e) if 1 < a.shape[-1] <= LARGEST_ORDER else None
    if views is not None:
        pair = expm_and_derivative_of_small(*views, adjoint=adjoint)
        return tuple(_arrays.from_kernel(x, a) for x in pair)
    x, frechet = _of_pairs(xp, a, _arrays.adjoint(e) if adjoint else e)
    return x, _arrays.adjoint(frechet) if adjoint else frechet


def _of_pairs(xp, a, e):
    """Scaling and squaring of the stacked pair (A, E)."""
    if 0 in a.shape:
        return a, e
    if _arrays.is_numpy(a):
        keep_memory(24 * a.nbytes)
    a, a2, a3, scale, s = scaled_powers(xp, a)
    e = scale * e
    e2 = e @ a + a @ e
    e3 = e2 @ a + a2 @ e
    identity = identity_like(xp, a)
    constant = xp.stack((identity, xp.zeros_like(identity)))
    constant = xp.reshape(constant, (2, *(1,) * (a.ndim - 2), *identity.shape))
    pairs = (xp.stack(pair) for pair in ((a, e), (a2, e2), (a3, e3)))
    product = functools.partial(_product, xp)
    x = squared(xp, taylor_21(constant, *pairs, product), s, product)
    return x[0, ...], x[1, ...]


def _product(xp, x, y):
    value, frechet = x[0, ...] @ y[0, ...], x[1, ...] @ y[0, ...]
    frechet = frechet + x[0, ...] @ y[1, ...]
    return xp.stack((value, frechet))
