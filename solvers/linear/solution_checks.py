"""Are the columns solutions, and is what was computed one: ‖x' − A x‖ on a grid of its own."""

import itertools

import numpy as np

from mathcore import _arrays
from solvers.linear import chebyshev_panels
from solvers.linear.chebyshev_panels import NODES
from solvers.linear.normal_frame import check_independent, largest_entry


def check_columns(system, breaks, rtol):
    """Panels on which the given columns are resolved.

    Raises
    ------
    ValueError
        A column cannot be resolved, columns are dependent, or a column is no solution.
    """
    xp = system.xp

    def columns(t):
        x = system.columns(t)
        check_independent(xp, x, t)
        size = xp.broadcast_to(xp.max(xp.abs(x), axis=-2, keepdims=True), x.shape)
        return tuple(xp.reshape(part, (*t.shape, -1)) for part in (x, rtol * size))

    panels = chebyshev_panels.interpolate(columns, breaks, system.span)
    if panels.unresolved is not None:
        t, entry, size = panels.unresolved
        raise ValueError(
            f"`solutions[{entry % system.k}]` must be smooth on `t_span`; got a pole, a jump or "
            f"noise above `rtol` near t = {t:.17g} (Chebyshev tail {size:.1e})"
        )
    limit = _limit(system.span, rtol)
    t, residuals, _ = _measures(system, system.columns, panels.breaks, limit)
    for j in range(system.k):
        i = int(np.argmax(residuals[:, j]))
        if not residuals[i, j] <= limit:
            raise ValueError(
                f"`solutions[{j}]` must solve x' = A x; got a relative residual of "
                f"{residuals[i, j]:.1e} at t = {t[i]:.17g}"
            )
    return panels


def measure(system, fundamental, breaks, rtol):
    """Largest relative residual, and largest condition number of the scaled fundamental matrix."""
    _, residuals, conditions = _measures(system, fundamental, breaks, _limit(system.span, rtol))
    return float(residuals.max()), float(conditions.max())


def _limit(span, rtol):
    """Residual that makes a column no solution: differentiating magnifies `rtol` and rounding."""
    return max(1e3 * rtol, 1e5 * _arrays.eps(span))


def _measures(system, fundamental, breaks, limit):
    """Times (m,), residuals (m, columns) and condition numbers (m,), on the host."""
    panels, size = list(itertools.pairwise(breaks)), chebyshev_panels.batch_size(system.span)
    parts = []
    for start in range(0, len(panels), size):
        batch = panels[start : start + size]
        t = chebyshev_panels.times(batch, system.span, chebyshev_panels.CHECK_POINTS)
        x = fundamental(t)
        at_nodes = fundamental(chebyshev_panels.times(batch, system.span))
        residuals = _residuals(system, at_nodes, t, x, batch, limit)
        measured = t, residuals, _conditions(system.xp, x)
        parts.append([_arrays.to_numpy(one).reshape(len(batch) * NODES, -1) for one in measured])
    t, residuals, conditions = (np.concatenate(one) for one in zip(*parts, strict=True))
    return t[:, 0], residuals, conditions


def _residuals(system, at_nodes, t, x, batch, limit):
    """‖x' − A x‖ / (‖x'‖ + ‖A‖ ‖x‖ + rounding of x' / limit), x' from the interpolant.

    Norms are largest entries: columns may be of any scale.
    """
    xp = system.xp
    flat = xp.reshape(at_nodes, (*t.shape, -1))
    derivative = chebyshev_panels.derivative_at_check_points(flat, batch)
    derivative = xp.reshape(derivative, x.shape)
    a = system.coefficient(t)
    rounding = NODES**2 * _arrays.eps(t)
    widths = _arrays.from_numpy([[hi - lo] for lo, hi in batch], t)
    rates = system.n * largest_entry(xp, a) + 2 * rounding / limit / widths
    defect, slope, length = (
        xp.max(xp.abs(one), axis=-2) for one in (derivative - a @ x, derivative, x)
    )
    return defect / (slope + rates[..., None] * length)


def _conditions(xp, phi):
    values = xp.linalg.svdvals(phi / xp.max(xp.abs(phi), axis=-2, keepdims=True))
    return values[..., 0] / values[..., -1]
