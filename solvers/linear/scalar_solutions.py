"""Solutions of a scalar equation given as y alone: x = (y, y', …) from the companion system.

On each panel the n solutions of x' = A x that start from the unit vectors are computed by
collocation and combined so that their first components fit y; nothing is differentiated.
"""

import itertools

import numpy as np

from mathcore import _arrays
from solvers.linear import chebyshev_panels
from solvers.linear.functions_of_time import OfTimes, finite
from solvers.linear.reduction import propagators

_ROUNDING = 64  # units of eps


def full_columns(coefficient, forcing, columns, breaks, span, kind):
    """Columns (n,) of a companion system from scalar ones, smooth between `breaks`."""
    if not is_companion(coefficient, span):
        raise ValueError(
            "`solutions` must return shape (n,); got scalars, which need `a` to be a companion "
            "matrix"
        )
    if kind == "particular" and forcing is None:
        raise ValueError(
            "`b` must be given beside scalar solutions of kind='particular'; got None (or let "
            "`solutions` return shape (n,))"
        )
    source = forcing if kind == "particular" else None
    named = [(y, f"solutions[{j}]") for j, y in enumerate(columns)]
    return [_full_column(coefficient, source, y, name, breaks, span) for y, name in named]


def last_component(b, n):
    """(0, …, 0, b)."""

    def call(t):
        last = b.call(t)[:, None]
        xp = _arrays.result_namespace(last)
        return xp.concat([0 * last] * (n - 1) + [last], axis=-1)

    return OfTimes(call, (n,), b.is_complex)


def is_companion(coefficient, span):
    """Whether the coefficient of a system belongs to a scalar equation."""
    if coefficient is None:
        return False
    a = _arrays.to_numpy(coefficient.call(span))
    n, eps = a.shape[-1], _arrays.eps(span)
    return bool(np.all(np.abs(a[:, :-1, :] - np.eye(n, k=1)[:-1]) <= _ROUNDING * eps))


def _full_column(coefficient, forcing, y, name, breaks, span):
    xp, n = _arrays.result_namespace(span), coefficient.shape[0]
    given = [one for one in (coefficient, forcing, y) if one is not None]
    dtype = span.dtype
    if any(one.is_complex for one in given):
        dtype = xp.result_type(dtype, xp.complex64)
    a, known = finite(coefficient.call, dtype, "a"), finite(y.call, dtype, name)
    b = None if forcing is None else finite(forcing.call, dtype, "b")
    eps = _arrays.eps(span)

    def fitted(panels):
        t = chebyshev_panels.times(panels, span)
        s, p = _solutions_on(a, b, t, panels)
        c = _fit(xp, s[:, :, 0, :], known(t) - p[..., 0])
        x = (s @ c[:, None, :, None])[..., 0] + p
        size = xp.max(xp.abs(s), axis=(-3, -2, -1))[:, None, None]
        weight = xp.max(xp.abs(x) + xp.abs(p), axis=(-2, -1))[:, None, None]
        # unit vectors that stay of one size fit well
        grown = xp.where(size < 1e4, xp.ones_like(size), -1.0)
        return x, xp.broadcast_to(grown * _ROUNDING * eps * weight, (*t.shape, n))

    panels = chebyshev_panels.interpolate_panels(fitted, breaks, span)
    if panels.unresolved is not None:
        t, _, tail = panels.unresolved
        raise ValueError(
            f"`{name}` must be smooth on `t_span`; got a pole, a jump or noise near t = {t:.17g} "
            f"(Chebyshev tail {tail:.1e})"
        )
    system = "x' = A x" if b is None else "x' = A x + b"
    call = _checked(panels, known, f"`{name}` must solve {system}", span)
    return OfTimes(call, (n,), _arrays.is_complex(panels.coefficients))


def _solutions_on(a, b, t, panels):
    """The solutions (p, NODES, n, n) from the unit vectors, and that of x' = A x + b from 0."""
    matrix, xp = a(t), _arrays.result_namespace(t)
    n = matrix.shape[-1]
    if b is None:
        s = propagators(xp, matrix, panels)
        return s, 0 * s[..., 0]
    forcing = b(t)
    scale = xp.max(xp.abs(_arrays.detach(forcing)), axis=(-2, -1), keepdims=True)
    scale = xp.where(scale > 0, scale, 1.0)
    right = xp.concat([matrix, (forcing / scale)[..., None]], axis=-1)
    s = propagators(xp, xp.concat([right, 0 * right[..., :1, :]], axis=-2), panels)
    return s[..., :n, :n], scale * s[..., :n, n]


def _fit(xp, rows, y):
    """Least squares coefficients (p, n) of y (p, NODES) in the rows (p, NODES, n)."""
    q, r = xp.linalg.qr(rows, mode="reduced")
    right = _arrays.adjoint(q) @ y[..., None]
    return xp.linalg.solve(r, right)[..., 0]


def _checked(panels, known, what, span):
    """The column, after its first component was compared with what was given."""
    xp = _arrays.result_namespace(span)
    pairs = list(itertools.pairwise(panels.breaks))
    t = chebyshev_panels.times(pairs, span, chebyshev_panels.CHECK_POINTS)
    x = chebyshev_panels.evaluate(panels, t)
    size = xp.max(xp.abs(x), axis=(-2, -1), keepdims=True)[..., 0]
    misfit = _arrays.to_numpy(xp.abs(x[..., 0] - known(t)) / xp.where(size > 0, size, 1.0))
    limit = 1e5 * _arrays.eps(span)
    if not misfit.max() <= limit:
        i = np.unravel_index(np.argmax(misfit), misfit.shape)
        raise ValueError(
            f"{what}; got a relative residual of {misfit[i]:.1e} at t = "
            f"{_arrays.to_numpy(t)[i]:.17g}"
        )
    return lambda t: chebyshev_panels.evaluate(panels, t)
