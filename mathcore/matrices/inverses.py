"""Inverses that are NaN, not an error, where a matrix is singular."""

import numpy as np

from mathcore import _arrays

_LARGEST_ORDER_IN_ONE_CALL = 24  # above it LAPACK called by hand takes half numpy.linalg.inv's time


def inverse_or_nan(a):
    """Inverse of each matrix (..., n, n), NaN where LAPACK meets a zero pivot; any library."""
    if _arrays.is_numpy(a):
        return _on_host(a)
    try:
        return _arrays.inverse(a)
    except np.linalg.LinAlgError:  # array_api_strict stops at the first singular member
        return _arrays.from_numpy(_on_host(_arrays.to_numpy(a)).tolist(), a)


def _on_host(a):
    n = a.shape[-1]
    if n <= _LARGEST_ORDER_IN_ONE_CALL:
        try:
            return np.linalg.inv(a)
        except np.linalg.LinAlgError:
            pass
    from scipy.linalg.lapack import get_lapack_funcs

    getrf, getri = get_lapack_funcs(("getrf", "getri"), (a,))
    flat = np.reshape(a, (-1, n, n))
    out = np.empty_like(flat)
    for member, inverted in zip(flat, out, strict=True):
        factors, pivots, zero_pivot = getrf(member.T)
        if zero_pivot:
            inverted[...] = np.nan
        else:
            inverted.T[...] = getri(factors, pivots, lwork=64 * n, overwrite_lu=True)[0]
    return np.reshape(out, a.shape)
