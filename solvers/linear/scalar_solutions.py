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


def full_columns(coefficient, columns, span, kind):
    """Columns (n,) of a companion system from scalar ones."""
    if coefficient is None or not _is_companion(coefficient, span):
        raise ValueError(
            "`solutions` must return shape (n,); got scalars, which need `a` to be a companion "
            "matrix"
        )
    if kind != "homogeneous":
        raise ValueError(f"`solutions` must return shape (n,) for kind='{kind}'; got scalars")
    return [_full_column(coefficient, y, f"solutions[{j}]", span) for j, y in enumerate(columns)]


def _is_companion(coefficient, span):
    a = _arrays.to_numpy(coefficient.call(span))
    n = a.shape[-1]
    return bool(np.all(a[:, :-1, :] == np.eye(n, k=1)[:-1]))


def _full_column(coefficient, y, name, span):
    xp, n = _arrays.result_namespace(span), coefficient.shape[0]
    dtype = xp.result_type(span.dtype, xp.complex64) if y.is_complex else span.dtype
    if coefficient.is_complex:
        dtype = xp.result_type(dtype, xp.complex64)
    a, known = finite(coefficient.call, dtype, "a"), finite(y.call, dtype, name)
    eps = _arrays.eps(span)

    def fitted(panels):
        t = chebyshev_panels.times(panels, span)
        s = propagators(xp, a(t), panels)
        x = s @ _fit(xp, s[:, :, 0, :], known(t))[:, None, :, None]
        size = xp.max(xp.abs(s), axis=(-3, -2, -1))[:, None, None]
        weight = xp.max(xp.abs(x), axis=(-3, -2, -1))[:, None, None]
        # unit vectors that stay of one size fit well
        grown = xp.where(size < 1e4, xp.ones_like(size), -1.0)
        return x[..., 0], xp.broadcast_to(grown * 64 * eps * weight, (*t.shape, n))

    lo, hi = (_arrays.concrete(span[i]) for i in range(2))
    panels = chebyshev_panels.interpolate_panels(fitted, (lo, hi), span)
    if panels.unresolved is not None:
        t, _, tail = panels.unresolved
        raise ValueError(
            f"`{name}` must be smooth on `t_span`; got a pole, a jump or noise near t = {t:.17g} "
            f"(Chebyshev tail {tail:.1e})"
        )
    call = _checked(panels, known, name, span)
    return OfTimes(call, (n,), _arrays.is_complex(panels.coefficients))


def _fit(xp, rows, y):
    """Least squares coefficients (p, n) of y (p, NODES) in the rows (p, NODES, n)."""
    q, r = xp.linalg.qr(rows, mode="reduced")
    right = _arrays.adjoint(q) @ y[..., None]
    return xp.linalg.solve(r, right)[..., 0]


def _checked(panels, known, name, span):
    """The column, after its first component was compared with what was given."""
    xp = _arrays.result_namespace(span)
    pairs = list(itertools.pairwise(panels.breaks))
    t = chebyshev_panels.times(pairs, span, chebyshev_panels.CHECK_POINTS)
    x = chebyshev_panels.evaluate(panels, t)
    size = xp.max(xp.abs(x), axis=(-2, -1), keepdims=True)[..., 0]
    misfit = _arrays.to_numpy(xp.abs(x[..., 0] - known(t)) / size)
    limit = 1e5 * _arrays.eps(span)
    if not misfit.max() <= limit:
        i = np.unravel_index(np.argmax(misfit), misfit.shape)
        raise ValueError(
            f"`{name}` must solve x' = A x; got a relative residual of {misfit[i]:.1e} at t = "
            f"{_arrays.to_numpy(t)[i]:.17g}"
        )
    return lambda t: chebyshev_panels.evaluate(panels, t)
