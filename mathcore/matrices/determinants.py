"""Determinants of every shape: signed for a square matrix, the volume for a rectangular one."""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_matrix


class SlogDet(NamedTuple):
    """Sign (or phase) and natural logarithm of the absolute value of a determinant."""

    sign: Any
    logabsdet: Any


@_arrays.halves_in_float32
def det(a):
    """Determinant of a square matrix; volume of the shorter side of a rectangular one.

    Parameters
    ----------
    a : array (..., m, n)

    Returns
    -------
    array (...)
        For m = n the signed (complex: phased) determinant. For m > n the n-volume √det(AᴴA) of the
        columns, for m < n the m-volume √det(AAᴴ) of the rows, both ≥ 0: the product of the
        min(m, n) singular values. |det| of a square matrix is the same volume. An empty side
        gives 1.

    Raises
    ------
    ValueError
        `a` has fewer than two axes.

    Notes
    -----
    Unlike ``numpy.linalg.det``, ``torch.linalg.det`` and ``jax.numpy.linalg.det``, which refuse
    rectangular matrices. The volume is the product of |r_ii| of a QR factorisation, whose relative
    error grows like κ(A) and not, as √det(AᴴA) evaluated literally, like κ(A)².

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import det
    >>> float(det(np.array([[3.0, 0.0], [4.0, 0.0], [0.0, 2.0]])))  # a 5 × 2 rectangle in space
    10.0
    """
    xp, a = _arrays.asarrays(a=a)
    check_matrix(a)
    if a.shape[-1] == a.shape[-2]:
        return xp.linalg.det(a)
    return xp.astype(xp.prod(_volume_factors(xp, a), axis=-1), a.dtype)


@_arrays.halves_in_float32
def slogdet(a):
    """Sign and log-magnitude of `det`, without overflow or underflow.

    Parameters
    ----------
    a : array (..., m, n)

    Returns
    -------
    SlogDet
        ``sign`` (...): 0 for a singular matrix, 1 for a volume, ±1 or a phase for a square matrix;
        ``logabsdet`` (...): real, −inf for a singular matrix.

    Raises
    ------
    ValueError
        `a` has fewer than two axes.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import slogdet
    >>> sign, logabsdet = slogdet(1e-200 * np.eye(3)[:, :2])
    >>> float(sign), round(float(logabsdet) / np.log(10))
    (1.0, -400)
    """
    xp, a = _arrays.asarrays(a=a)
    check_matrix(a)
    if a.shape[-1] == a.shape[-2]:
        return SlogDet(*xp.linalg.slogdet(a))
    factors = _volume_factors(xp, a)
    singular = factors == 0
    logs = xp.log(xp.where(singular, 1.0, factors))
    logs = xp.where(singular, -xp.inf, logs)
    sign = xp.astype(~xp.any(singular, axis=-1), a.dtype)
    return SlogDet(sign, xp.sum(logs, axis=-1))


def _volume_factors(xp, a):
    """|r_ii| of the QR factorisation of the taller of A and Aᴴ, (..., min(m, n))."""
    m, n = a.shape[-2:]
    tall = a if m > n else _arrays.adjoint(a)
    if min(m, n) == 0:
        real = xp.abs(xp.zeros((), dtype=a.dtype)).dtype
        return xp.ones((*a.shape[:-2], 0), dtype=real, device=_arrays.device(a))
    return xp.abs(xp.linalg.diagonal(_arrays.triangular_factor(tall)))


@_arrays.halves_in_float32
def distance_to_span(x, b):
    """Euclidean distance from a point to the span of the columns of a matrix.

    Parameters
    ----------
    x : array (..., n)
    b : array (..., n, k)
        Linearly independent columns, k ≤ n.

    Returns
    -------
    array (...)
        vol([b, x]) / vol(b), real.

    Raises
    ------
    ValueError
        The lengths of `x` and of the columns of `b` differ.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import distance_to_span
    >>> float(distance_to_span(np.array([1.0, 1.0, 2.0]), np.eye(3)[:, :2]))
    2.0
    """
    xp, x, b = _arrays.asarrays(x=x, b=b)
    check_matrix(b, "b")
    if x.ndim < 1 or x.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"`x` must have the length {b.shape[-2]} of the columns of `b`; "
            f"got shape {tuple(x.shape)}"
        )
    residual = x[..., None]
    q = xp.linalg.qr(b, mode="reduced").Q
    for _ in range(2):  # "twice is enough": one pass loses the digits that cancel
        residual = residual - q @ (_arrays.adjoint(q) @ residual)
    return xp.linalg.vector_norm(residual[..., 0], axis=-1)
