"""The direction orthogonal to n − 1 columns, their volume and their pseudo-inverse, in batches."""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays

_INDEPENDENCE = 64  # columns closer than this · n · eps to dependence carry no digit


class NormalFrame(NamedTuple):
    """Of X (..., n, n − 1), with c the generalized cross product of its columns.

    ``normal`` (..., n) is c̄ / |c|, ``log_volume`` (...) is log |c|, ``pseudo_inverse``
    (..., n − 1, n) is (XᴴX)⁻¹ Xᴴ; ``collinearity`` (...) ≥ 1 is the largest
    ‖x_j‖ / dist(x_j, the other columns).
    """

    normal: Any
    log_volume: Any
    pseudo_inverse: Any
    collinearity: Any


def normal_frame(xp, x, t):
    """Frame of the columns of `x` (..., n, n − 1) at the times `t` (...).

    Raises
    ------
    ValueError
        Columns are dependent to working precision; it names one of them and the time.
    """
    unit, scale, q, r = _scaled_qr(xp, x, t)
    inverse = xp.linalg.solve(r, _arrays.adjoint(q))
    normal = _unit_normal(xp, q)
    # c·y = det[X, y]: the phase of det[X, normal] turns normal into c̄ / |c|.
    square = xp.concat([unit, normal[..., None]], axis=-1)
    phase = xp.linalg.slogdet(square).sign
    diagonal = xp.abs(xp.linalg.diagonal(r))
    return NormalFrame(
        _arrays.conj(phase)[..., None] * normal,
        xp.sum(xp.log(diagonal) + xp.log(scale), axis=-1),
        inverse / scale[..., None],
        _collinearity(xp, unit, inverse),
    )


def largest_entry(xp, a):
    """max |a_ij| of matrices (..., m, n): a norm that neither over- nor underflows."""
    return xp.max(xp.abs(a), axis=(-2, -1))


def check_independent(xp, x, t):
    """Raise unless the columns of `x` (..., n, k) are independent at every time of `t` (...)."""
    _scaled_qr(xp, x, t)


def _scaled_qr(xp, x, t):
    """Columns scaled to largest entry 1, the scales (..., k), and the factors Q and R."""
    scale = _arrays.detach(xp.max(xp.abs(x), axis=-2))
    unit = x / xp.where(scale > 0, scale, 1.0)[..., None, :]
    q, r = xp.linalg.qr(unit, mode="reduced")
    length = xp.linalg.vector_norm(r, axis=-2)
    distance = xp.abs(xp.linalg.diagonal(r)) / xp.where(length > 0, length, 1.0)
    limit = _INDEPENDENCE * x.shape[-2] * _arrays.eps(x)
    if _arrays.concrete(xp.all(distance > limit)) is False:
        _raise_dependent(_arrays.to_numpy(scale), _arrays.to_numpy(distance), _arrays.to_numpy(t))
    return unit, scale, q, r


def _raise_dependent(scale, distance, t):
    *i, j = np.unravel_index(np.argmin(distance), distance.shape)
    scale, distance, t = (
        float(x[tuple(at)]) for x, at in ((scale, [*i, j]), (distance, [*i, j]), (t, i))
    )
    what = (
        f"column {j} vanishes"
        if scale == 0
        else f"column {j} lies within {distance:.1e} (relative) of the span of those before it"
    )
    raise ValueError(
        f"`solutions` must be linearly independent on `t_span`; got a degenerate Wronskian at "
        f"t = {t:.17g}: {what}"
    )


def _unit_normal(xp, q):
    """A unit vector (..., n) orthogonal to the orthonormal columns of `q` (..., n, n − 1)."""
    n = q.shape[-2]
    axis = xp.argmin(xp.sum(xp.abs(_arrays.detach(q)) ** 2, axis=-1), axis=-1)
    every = xp.arange(n, device=_arrays.device(q))
    w = xp.astype(every == axis[..., None], q.dtype)[..., None]
    for _ in range(2):  # the second pass restores the digits the first one cancels
        w = w - q @ (_arrays.adjoint(q) @ w)
    return w[..., 0] / xp.linalg.vector_norm(w, axis=-2)


def _collinearity(xp, unit, inverse):
    """Stewart's collinearity index, max_j ‖x_j‖ ‖(X⁺)_j‖."""
    lengths = xp.linalg.vector_norm(unit, axis=-2) * xp.linalg.vector_norm(inverse, axis=-1)
    return _arrays.detach(xp.max(lengths, axis=-1))
