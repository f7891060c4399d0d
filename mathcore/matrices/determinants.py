"""Determinants of every shape: signed for a square matrix, the volume for a rectangular one."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_matrix
from mathcore._gradients import differentiable
from mathcore.matrices.adjugates import adjugate_in_gradients
from mathcore.matrices.scaled_products import (
    exponents,
    leave_one_out,
    product,
    times_power_of_two,
)

_MOST_LANES = 32  # the kernel's; above it LAPACK is as fast
_SHARE_ENTRIES = 4096  # of the matrices whose determinants are multiplied out together, about


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
    _, a = _arrays.asarrays(a=a)
    check_matrix(a)
    return _square_det(a) if a.shape[-1] == a.shape[-2] else _volume(a)


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
        views = _lanes(a)
        return _square_slogdet(xp, a) if views is None else _slogdet_in_lanes(*views, a)
    factors = _volume_factors(xp, a)
    singular = factors == 0
    logs = xp.log(xp.where(singular, 1.0, factors))
    logs = xp.where(singular, -xp.inf, logs)
    sign = xp.astype(~xp.any(singular, axis=-1), a.dtype)
    return SlogDet(sign, xp.sum(logs, axis=-1))


def _det(a):
    views = _lanes(a)
    return _arrays.result_namespace(a).linalg.det(a) if views is None else _det_in_lanes(*views, a)


def _det_jvp(a, tangent):
    """Jacobi: d det A = tr(adj(A) dA)."""
    xp = _arrays.result_namespace(a)
    cofactors = xp.matrix_transpose(adjugate_in_gradients(a))
    return xp.sum(cofactors * tangent, axis=(-2, -1))


def _det_vjp(a, cotangent):
    return cotangent[..., None, None] * _arrays.adjoint(adjugate_in_gradients(a))


_square_det = differentiable(_det, jvp=_det_jvp, vjp=_det_vjp)


def _volume_by_qr(a):
    xp = _arrays.result_namespace(a)
    return xp.astype(times_power_of_two(xp, *product(xp, _volume_factors(xp, a))), a.dtype)


def _volume_jvp(a, tangent):
    """d vol A = Re⟨vol(A) (A⁺)ᴴ, dA⟩."""
    xp = _arrays.result_namespace(a)
    inner = xp.sum(_arrays.conj(_volume_gradient(a)) * tangent, axis=(-2, -1))
    return xp.astype(_arrays.real_part(inner), a.dtype)


def _volume_vjp(a, cotangent):
    xp = _arrays.result_namespace(a)
    real = xp.astype(_arrays.real_part(cotangent), a.dtype)
    return real[..., None, None] * _volume_gradient(a)


def _volume_gradient(a):
    """vol(A) (A⁺)ᴴ = Σ_i (Π_{j≠i} σ_j) u_i v_iᴴ, without dividing by a σ that may vanish."""
    xp = _arrays.result_namespace(a)
    if 0 in a.shape:
        return xp.zeros_like(a)
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    p = xp.astype(times_power_of_two(xp, *leave_one_out(xp, s)), a.dtype)
    return (u * p[..., None, :]) @ vh


_volume = differentiable(_volume_by_qr, jvp=_volume_jvp, vjp=_volume_vjp)


def _square_slogdet(xp, a):
    """The library's, of A with every row of size one: JAX multiplies out orders 2 and 3."""
    if a.shape[-1] == 0:
        return SlogDet(*xp.linalg.slogdet(a))
    e = exponents(xp, xp.max(xp.abs(a), axis=-1))
    sign, logabsdet = xp.linalg.slogdet(times_power_of_two(xp, a, -e[..., None]))
    return SlogDet(sign, logabsdet + math.log(2.0) * xp.sum(e, axis=-1))


def _volume_factors(xp, a):
    """|r_ii| of the QR factorisation of the taller of A and Aᴴ, (..., min(m, n))."""
    m, n = a.shape[-2:]
    tall = a if m > n else _arrays.adjoint(a)
    if min(m, n) == 0:
        real = xp.abs(xp.zeros((), dtype=a.dtype)).dtype
        return xp.ones((*a.shape[:-2], 0), dtype=real, device=_arrays.device(a))
    return xp.abs(xp.linalg.diagonal(_arrays.triangular_factor(tall)))


# --- the kernel -----------------------------------------------------------------------------------


def _lanes(a):
    """Views for the kernel, or None."""
    return _arrays.kernel_views(a) if 0 < a.shape[-1] <= _MOST_LANES else None


@functools.cache
def _kernels():
    """Kernel files load with the first call; a single small matrix takes ten times an import."""
    from mathcore._compile import launch
    from mathcore.matrices._kernels.slogdet_cpu import det_shares, slogdet_shares

    return launch, det_shares, slogdet_shares


def _det_in_lanes(view, a):
    launch, kernel, _ = _kernels()
    out = np.empty(a.shape[:-2], view.dtype)
    launch(kernel, *_shares(view), out.reshape(-1))
    return _arrays.from_kernel(out, a)


def _slogdet_in_lanes(view, a):
    launch, _, kernel = _kernels()
    sign, logabsdet = np.empty(a.shape[:-2], view.dtype), np.empty(a.shape[:-2], view.dtype)
    launch(kernel, *_shares(view), sign.reshape(-1), logabsdet.reshape(-1))
    return SlogDet(_arrays.from_kernel(sign, a), _arrays.from_kernel(logabsdet, a))


def _shares(view):
    """How many shares, their nanoseconds, the entries, n, and matrices in a share."""
    n, entries = view.shape[-1], view.reshape(-1)
    batch = entries.size // (n * n)
    share = max(1, min(batch, max(64, _SHARE_ENTRIES // (n * n) // 16 * 16)))
    return -(-batch // share), batch * (4 * n + n**3 / 10), entries, n, share


# --- distances ------------------------------------------------------------------------------------


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
