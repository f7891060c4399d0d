"""The pseudo-determinant: the determinant on the subspace where a matrix is not zero."""

import math
from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_matrix, check_number


class PseudoSlogDet(NamedTuple):
    """Sign (or phase) and log-magnitude of a pseudo-determinant, and the rank it was taken at."""

    sign: Any
    logabsdet: Any
    rank: Any


@_arrays.halves_in_float32
def pseudo_slogdet(a, *, rtol=None):
    """Sign and log-magnitude of the product of the singular values that are not zero, and the rank.

    Parameters
    ----------
    a : array (..., m, n)
    rtol : float, optional
        Singular values up to rtol·σ_max count as zero; max(m, n)·eps when None.

    Returns
    -------
    PseudoSlogDet
        ``logabsdet`` (...): the sum of the logarithms of the singular values kept, 0 for none.
        ``sign`` (...): that of the product of the non-zero eigenvalues of a square matrix, which
        for a Hermitian (or normal) one has the magnitude exp(logabsdet); `slogdet`'s at full rank;
        1 for a rectangular matrix, and where an eigenvalue 0 is defective. ``rank`` (...): integer.
        NaN, and rank 0, for a matrix with NaN or infinity in it.

    Raises
    ------
    ValueError
        `a` has fewer than two axes, or `rtol` is negative.

    Notes
    -----
    The gradient of ``logabsdet`` is the pseudo-inverse (A⁺)ᴴ, the derivative at fixed rank, finite
    at every matrix; across a change of the rank the function jumps. ``sign`` carries none. Neither
    SciPy nor torch nor JAX has it.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.matrices.pseudo_determinants import pseudo_slogdet
    >>> sign, log, rank = pseudo_slogdet(np.diag([2.0, -3.0, 0.0]))
    >>> float(sign), round(float(np.exp(log)), 12), int(rank)
    (-1.0, 6.0, 2)
    """
    xp, a = _arrays.asarrays(a=a)
    check_matrix(a)
    m, n = a.shape[-2:]
    rtol = max(m, n) * _arrays.eps(a) if rtol is None else check_number(rtol, "rtol", at_least=0)
    if 0 in (m, n):
        return _empty(xp, a)
    finite = xp.all(xp.isfinite(a), axis=(-2, -1))
    u, s, vh = xp.linalg.svd(xp.where(finite[..., None, None], a, 0.0), full_matrices=False)
    kept = (s > rtol * s[..., :1]) & (s > 0)
    logabsdet = xp.sum(xp.log(xp.where(kept, s, 1.0)), axis=-1)
    sign = (
        _sign(xp, _arrays.detach(u), _arrays.detach(vh), kept)
        if m == n
        else xp.ones_like(logabsdet)
    )
    return PseudoSlogDet(
        xp.where(finite, xp.astype(sign, a.dtype), xp.nan),
        xp.where(finite, logabsdet, xp.nan),
        xp.sum(xp.astype(kept & finite[..., None], xp.int64), axis=-1),
    )


def _sign(xp, u, vh, kept):
    """Phase of det(V_rᴴ U_r): A = U_r Σ_r V_rᴴ has the non-zero eigenvalues of Σ_r V_rᴴ U_r."""
    identity = xp.eye(u.shape[-1], dtype=u.dtype, device=_arrays.device(u))
    both = kept[..., None] & kept[..., None, :]
    sign, log = xp.linalg.slogdet(xp.where(both, vh @ u, identity))
    defective = log <= math.log(u.shape[-1] * _arrays.eps(u))
    return xp.where(defective, xp.ones_like(sign), sign)


def _empty(xp, a):
    one = xp.ones(a.shape[:-2], dtype=a.dtype, device=_arrays.device(a))
    zero = xp.zeros_like(xp.abs(one))
    return PseudoSlogDet(one, zero, xp.astype(zero, xp.int64))
