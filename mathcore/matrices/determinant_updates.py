"""Determinant and inverse of A + U Vᴴ from those of A: O(n²k) instead of O(n³)."""

from mathcore import _arrays
from mathcore._checks import check_matrix, check_square
from mathcore.matrices.determinants import SlogDet, slogdet
from mathcore.matrices.inverses import inverse_or_nan


def slogdet_update(slogdet_a, solve_a, u, v):
    """Sign and log-magnitude of det(A + U Vᴴ) by the matrix determinant lemma.

    Parameters
    ----------
    slogdet_a : (sign, logabsdet)
        Of A, as `slogdet` gives it.
    solve_a : callable or array (..., n, n)
        ``b -> A⁻¹ b`` for b (..., n, k), or A⁻¹ itself.
    u, v : array (..., n, k)

    Returns
    -------
    SlogDet
        det A · det(I + Vᴴ A⁻¹ U). Sign 0 and −inf where the updated matrix is singular. A itself
        must be invertible.

    Raises
    ------
    ValueError
        `u` and `v` are not matrices of one shape, or `solve_a` does not fit them.

    Notes
    -----
    For a sequence of updates keep A⁻¹ and renew it with `inverse_update`.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import slogdet
    >>> from mathcore.matrices.determinant_updates import slogdet_update
    >>> u, v = np.ones((3, 1)), np.arange(3.0)[:, None]
    >>> sign, log = slogdet_update(slogdet(np.eye(3)), np.eye(3), u, v)
    >>> float(sign), round(float(np.exp(log)), 12)  # 1 + v·u
    (1.0, 4.0)
    """
    xp, u, v = _arrays.asarrays(u=u, v=v)
    _check_update(u, v)
    if callable(solve_a):
        solved = solve_a(u)
    else:
        xp, inverse, u = _arrays.asarrays(solve_a=solve_a, u=u)
        _check_inverse(inverse, u, "solve_a")
        solved = inverse @ u
    sign, logabsdet = slogdet(_capacitance(xp, solved, v))
    return SlogDet(slogdet_a[0] * sign, slogdet_a[1] + logabsdet)


def inverse_update(inverse_a, u, v):
    """The inverse of A + U Vᴴ from A⁻¹ by the Sherman–Morrison–Woodbury formula.

    Parameters
    ----------
    inverse_a : array (..., n, n)
    u, v : array (..., n, k)

    Returns
    -------
    array (..., n, n)
        NaN where the updated matrix is exactly singular.

    Raises
    ------
    ValueError
        `u` and `v` are not matrices of one shape, or `inverse_a` does not fit them.

    Notes
    -----
    The error of each update grows with κ(A) and κ(A + U Vᴴ) and stays: invert anew from time to
    time.

    References
    ----------
    .. [1] W. W. Hager, "Updating the inverse of a matrix", SIAM Review 31 (1989) 221–239.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.matrices.determinant_updates import inverse_update
    >>> u = np.array([[1.0], [0.0]])
    >>> inverse_update(np.eye(2), u, u)
    array([[0.5, 0. ],
           [0. , 1. ]])
    """
    xp, inverse, u, v = _arrays.asarrays(inverse_a=inverse_a, u=u, v=v)
    _check_update(u, v)
    _check_inverse(inverse, u, "inverse_a")
    solved = inverse @ u
    inner = inverse_or_nan(_capacitance(xp, solved, v))
    return inverse - solved @ (inner @ (_arrays.adjoint(v) @ inverse))


def _capacitance(xp, solved, v):
    """I + Vᴴ A⁻¹ U."""
    small = _arrays.adjoint(v) @ solved
    return small + xp.eye(small.shape[-1], dtype=small.dtype, device=_arrays.device(small))


def _check_update(u, v):
    check_matrix(u, "u")
    if v.ndim < 2 or u.shape[-2:] != v.shape[-2:]:
        raise ValueError(
            f"`v` must have the rows and columns of `u`, {tuple(u.shape)}; got {tuple(v.shape)}"
        )


def _check_inverse(inverse, u, name):
    check_square(inverse, name)
    if inverse.shape[-1] != u.shape[-2]:
        raise ValueError(
            f"`{name}` must have the order {u.shape[-2]} of `u`'s columns; "
            f"got shape {tuple(inverse.shape)}"
        )
