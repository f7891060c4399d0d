"""Known columns at many times: orthonormal basis, pseudo-inverse, volume, and what is normal."""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays

_INDEPENDENCE = 64  # columns closer than this · n · eps to dependence carry no digit


class Frame(NamedTuple):
    """Of X (..., n, k), its columns independent.

    ``columns`` X; ``basis`` Q (..., n, k) and ``triangle`` R of the columns divided by ``scale``
    (..., k); ``log_volume`` (...), half the logarithm of det XᴴX.
    """

    columns: Any
    basis: Any
    triangle: Any
    scale: Any
    log_volume: Any


def frame_of(system, t, x=None):
    """Frame of the known columns of `system` at the times `t` (...); `x` where they are at hand.

    Raises
    ------
    ValueError
        Columns are dependent to working precision; it names one of them and the time.
    """
    xp = system.xp
    x = system.columns(t) if x is None else x
    scale, q, r = _scaled_qr(system, x, t)
    diagonal = xp.abs(xp.linalg.diagonal(r))
    return Frame(x, q, r, scale, xp.sum(xp.log(diagonal) + xp.log(scale), axis=-1))


def pseudo_inverse(xp, frame):
    """(XᴴX)⁻¹ Xᴴ (..., k, n)."""
    return _scaled_inverse(xp, frame) / frame.scale[..., None]


def collinearity(xp, frame):
    """Stewart's index (...) ≥ 1, the largest ‖x_j‖ ‖(X⁺)_j‖ = ‖x_j‖ / dist(x_j, the others)."""
    if frame.scale.shape[-1] == 0:
        return xp.ones_like(frame.log_volume)
    inverse = _scaled_inverse(xp, frame)
    lengths = xp.linalg.vector_norm(frame.triangle, axis=-2)
    return _arrays.detach(xp.max(lengths * xp.linalg.vector_norm(inverse, axis=-1), axis=-1))


def _scaled_inverse(xp, frame):
    return xp.linalg.solve(frame.triangle, _arrays.adjoint(frame.basis))


def check_independent(system, x, t):
    """Raise unless the columns of `x` (..., n, k) are independent at every time of `t` (...)."""
    _scaled_qr(system, x, t)


def cross_direction(xp, frame):
    """c̄ / |c| (..., n) of the generalized cross product c of n − 1 columns: c·y = det[X, y]."""
    normal = _unit_normal(xp, frame.basis)
    square = xp.concat([frame.columns / frame.scale[..., None, :], normal[..., None]], axis=-1)
    phase = xp.linalg.slogdet(square).sign
    return _arrays.conj(phase)[..., None] * normal


def complement(xp, x):
    """An orthonormal basis (..., n, n − k) of what is orthogonal to the columns, a constant."""
    x = _arrays.detach(x)
    scale = xp.max(xp.abs(x), axis=-2, keepdims=True)
    q, _ = xp.linalg.qr(x / xp.where(scale > 0, scale, 1.0), mode="complete")
    return q[..., x.shape[-1] :]


def without_span(frame, y):
    """What remains of the columns of `y` (..., n, m) orthogonal to those known."""
    return y - frame.basis @ (_arrays.adjoint(frame.basis) @ y)


def largest_entry(xp, a):
    """max |a_ij| of matrices (..., m, n): a norm that neither over- nor underflows."""
    return xp.max(xp.abs(a), axis=(-2, -1))


def _scaled_qr(system, x, t):
    """The largest entries (..., k) of the columns, and Q and R of the columns divided by them."""
    xp = system.xp
    scale = _arrays.detach(xp.max(xp.abs(x), axis=-2))
    unit = x / xp.where(scale > 0, scale, 1.0)[..., None, :]
    q, r = xp.linalg.qr(unit, mode="reduced")
    length = xp.linalg.vector_norm(r, axis=-2)
    distance = xp.abs(xp.linalg.diagonal(r)) / xp.where(length > 0, length, 1.0)
    limit = _INDEPENDENCE * x.shape[-2] * _arrays.eps(x)
    if _arrays.concrete(xp.all(distance > limit)) is False:
        at_worst = (_arrays.to_numpy(one) for one in (scale, distance, t))
        _raise_dependent(system, *at_worst)
    return scale, q, r


def _raise_dependent(system, scale, distance, t):
    *i, j = np.unravel_index(np.argmin(distance), distance.shape)
    scale, distance, t = (
        float(x[tuple(at)]) for x, at in ((scale, [*i, j]), (distance, [*i, j]), (t, i))
    )
    what = (
        "vanishes"
        if scale == 0
        else f"lies within {distance:.1e} (relative) of the span of those before it"
    )
    manner, column = ("linearly", f"column {j}")
    if system.origin is not None:
        manner, column = "affinely", f"column {j + 1} minus column 0"
    raise ValueError(
        f"`solutions` must be {manner} independent on `t_span`; got a degenerate Wronskian at "
        f"t = {t:.17g}: {column} {what}"
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
