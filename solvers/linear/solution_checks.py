"""Are the columns solutions, and is what was computed one: ‖x' − A x − b‖ on its own grid."""

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

    def columns(t):
        x = system.columns(t)
        check_independent(system, x, t)
        return x

    panels = _resolve(system, columns, breaks, rtol)
    if panels.unresolved is not None:
        t, entry, size = panels.unresolved
        raise ValueError(
            f"{system.name(entry % system.k)} must be smooth on `t_span`; got a pole, a jump or "
            f"noise above `rtol` near t = {t:.17g} (Chebyshev tail {size:.1e})"
        )
    if system.coefficient is None:
        return panels
    if system.k:
        names = [f"{system.name(j)} must solve x' = A x" for j in range(system.k)]
        _check_residuals(system, system.columns, None, panels, rtol, names)
    if system.origin is not None and system.forcing is not None:
        names = ["`solutions[0]` must solve x' = A x + b"]

        def origin(t):
            return system.origin(t)[..., None]

        own = _interpolated(system, origin, panels.breaks, rtol)
        _check_residuals(system, origin, system.forcing, own, rtol, names)
    return panels


def _resolve(system, columns, breaks, rtol):
    """Panels on which each of the columns is a polynomial up to `rtol` of its size there."""
    xp = system.xp

    def with_tolerance(t):
        x = columns(t)
        size = xp.broadcast_to(xp.max(xp.abs(x), axis=-2, keepdims=True), x.shape)
        return tuple(xp.reshape(part, (*t.shape, -1)) for part in (x, rtol * size))

    return chebyshev_panels.interpolate(with_tolerance, breaks, system.span)


def _interpolated(system, columns, breaks, rtol):
    """The same, but on the panels given where no narrower ones resolve the columns."""
    panels = _resolve(system, columns, breaks, rtol)
    if panels.unresolved is None:
        return panels
    return _resolve(system, columns, breaks, 1 / _arrays.eps(system.span))


def _check_residuals(system, columns, forcing, panels, rtol, names):
    limit = _limit(system.span, rtol)
    t, residuals, *_ = _measures(system, columns, forcing, panels, limit)
    for j, name in enumerate(names):
        i = int(np.argmax(residuals[:, j]))
        if not residuals[i, j] <= limit:
            raise ValueError(
                f"{name}; got a relative residual of {residuals[i, j]:.1e} at t = {t[i]:.17g}"
            )


def check_hamiltonian(system, breaks):
    """Raise unless J A is symmetric and Xᵀ J X = 0, J = [[0, I], [−I, 0]]."""
    xp, half = system.xp, system.n // 2
    if 2 * half != system.n or system.k != half:
        raise ValueError(
            f"`solutions` must be n/2 of them for structure='hamiltonian', n = {system.n} even; "
            f"got {system.k}"
        )
    t = chebyshev_panels.times(list(itertools.pairwise(breaks)), system.span)

    def turned(y):
        return xp.concat([y[..., half:, :], -y[..., :half, :]], axis=-2)

    x, a = system.columns(t), system.coefficient(t)
    ja = turned(a)
    unit = x / xp.max(xp.abs(x), axis=-2, keepdims=True)
    product = xp.matrix_transpose(unit) @ turned(unit)
    size = largest_entry(xp, a)
    defect = largest_entry(xp, ja - xp.matrix_transpose(ja)) / xp.where(size > 0, size, 1.0)
    _check_small(defect, t, "`a` must be Hamiltonian, J A symmetric, for structure='hamiltonian'")
    defect = largest_entry(xp, product)
    _check_small(defect, t, "`solutions` must satisfy X^T J X = 0 for structure='hamiltonian'")


def _check_small(defect, t, what):
    defect, t = _arrays.to_numpy(defect).ravel(), _arrays.to_numpy(t).ravel()
    i = int(np.argmax(defect))
    if not defect[i] <= 1e4 * np.finfo(t.dtype).eps:
        raise ValueError(f"{what}; got a defect of {defect[i]:.1e} at t = {t[i]:.17g}")


def measure(system, parts, breaks, rtol):
    """Largest relative residual, and largest condition number of the scaled fundamental matrix.

    Raises
    ------
    ValueError
        Its determinant does not follow ∫ tr A.
    """
    limit = _limit(system.span, rtol)
    panels = _interpolated(system, parts.fundamental, breaks, rtol)
    t, residuals, conditions, volumes = _measures(system, parts.fundamental, None, panels, limit)
    _check_liouville(system, parts, t, volumes, limit * conditions)
    residual = float(residuals.max())
    if system.forcing is not None:

        def column(t):
            return parts.particular(t)[..., None]

        panels = _interpolated(system, column, breaks, rtol)
        _, residuals, *_ = _measures(system, column, system.forcing, panels, limit)
        residual = max(residual, float(residuals.max()))
    return residual, float(conditions.max())


def _check_liouville(system, parts, t, volumes, allowed):
    """The logarithm of |det Φ| against τ."""
    rows, size = t.reshape(-1, NODES), chebyshev_panels.batch_size(system.span)
    tau = [
        _arrays.to_numpy(
            parts.log_wronskian(_arrays.from_numpy(rows[start : start + size], system.span))
        )
        for start in range(0, len(rows), size)
    ]
    defect = np.abs(volumes - np.concatenate(tau).ravel().real)
    i = int(np.argmax(defect - allowed))
    if not defect[i] <= allowed[i]:
        raise ValueError(
            f"`a` and `solutions` must agree; got a log |det| that differs from ∫ tr A by "
            f"{defect[i]:.1e} at t = {t[i]:.17g}"
        )


def _limit(span, rtol):
    """Residual that makes a column no solution: differentiating magnifies `rtol` and rounding."""
    return max(1e3 * rtol, 1e5 * _arrays.eps(span))


def _measures(system, fundamental, forcing, panels, limit):
    """Times (m,), residuals (m, columns), condition numbers and log volumes (m,), on the host.

    `panels` interpolate `fundamental`; the times lie between their nodes.
    """
    pairs, size = list(itertools.pairwise(panels.breaks)), chebyshev_panels.batch_size(system.span)
    parts = []
    for start in range(0, len(pairs), size):
        some = slice(start, min(start + size, len(pairs)))
        t = chebyshev_panels.times(pairs[some], system.span, chebyshev_panels.CHECK_POINTS)
        x = fundamental(t)
        slopes = chebyshev_panels.derivative_at_check_points(panels, some)
        slopes = system.xp.reshape(slopes, x.shape)
        residuals = _residuals(system, slopes, t, x, forcing, pairs[some], limit)
        measured = t, residuals, *_shape_of(system.xp, x)
        parts.append(
            [_arrays.to_numpy(one).reshape(len(pairs[some]) * NODES, -1) for one in measured]
        )
    t, residuals, *others = (np.concatenate(one) for one in zip(*parts, strict=True))
    return t[:, 0], residuals, *(one[:, 0] for one in others)


def _residuals(system, derivative, t, x, forcing, batch, limit):
    """‖x' − A x − b‖ / (‖x'‖ + ‖A‖ ‖x‖ + rounding of x' / limit).

    Norms are largest entries: columns may be of any scale.
    """
    xp = system.xp
    a = system.coefficient(t)
    change = derivative if forcing is None else derivative - forcing(t)[..., None]
    rounding = NODES**2 * _arrays.eps(t)
    widths = _arrays.from_numpy([[hi - lo] for lo, hi in batch], t)
    rates = system.n * largest_entry(xp, a) + 2 * rounding / limit / widths
    defect, slope, length = (
        xp.max(xp.abs(one), axis=-2) for one in (change - a @ x, derivative, x)
    )
    size = slope + rates[..., None] * length
    return defect / xp.where(size > 0, size, 1.0)


def _shape_of(xp, phi):
    """Condition number of the columns scaled to largest entry 1, and the log of their volume."""
    scale = xp.max(xp.abs(phi), axis=-2, keepdims=True)
    scale = xp.where(scale > 0, scale, 1.0)
    values = xp.linalg.svdvals(phi / scale)
    log_scales = xp.sum(xp.log(scale[..., 0, :]), axis=-1)
    least = xp.where(values > 0, values, xp.finfo(values.dtype).smallest_normal)
    return values[..., 0] / least[..., -1], xp.sum(xp.log(least), axis=-1) + log_scales
