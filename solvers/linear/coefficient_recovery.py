"""The coefficients of a linear system from enough of its solutions: A = X' X⁻¹, b = z' − A z."""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_choice, check_shape
from solvers.linear import chebyshev_panels
from solvers.linear.functions_of_time import over_times
from solvers.linear.gridded_solutions import derivative_on_grid

_WINDOW = 2.0**-5  # half the width of the interval around one time
_TOLERANCE = 16  # units of eps


class RecoveredCoefficients(NamedTuple):
    """``a`` (..., n, n), ``b`` (..., n) and ``condition`` (...), the factor that amplifies errors.

    ``condition`` is the 2-norm condition number of the solutions (their differences for
    kind="particular"), each scaled to largest entry 1.
    """

    a: Any
    b: Any
    condition: Any


def recover_coefficients(solutions, t, *, kind="homogeneous"):
    """A(t), and b(t), of a linear system x' = A x + b from n or more (n + 1 or more) solutions.

    Parameters
    ----------
    solutions : list of callables or array (n_times, n, k)
        k ≥ n independent solutions of x' = A x, or with kind="particular" k ≥ n + 1 affinely
        independent ones of x' = A x + b. Callables ``t -> (n,)`` as in `general_solution`, smooth
        between the first and the last of the times (1/32 around a single one). An array holds them
        at the times `t`.
    t : float or array (n_times,)
        Increasing times.
    kind : {"homogeneous", "particular"}
        What they solve.

    Returns
    -------
    RecoveredCoefficients
        ``(a, b, condition)`` at the times `t`; b = 0 for kind="homogeneous". An error in the
        derivatives reaches `a` multiplied by `condition`.

    Raises
    ------
    ValueError
        Too few solutions; dependent ones, naming the time; times that do not increase.

    Notes
    -----
    Derivatives come from Chebyshev interpolants of callables, and from polynomials of degree 8
    through neighbouring samples: an error of order h⁸. More solutions than needed are fitted by
    least squares.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import recover_coefficients
    >>> cosine = lambda t: np.array([np.cos(t), -np.sin(t)])
    >>> known = [cosine, lambda t: cosine(t - np.pi / 2)]
    >>> a, b, condition = recover_coefficients(known, 0.3)
    >>> bool(np.abs(a - [[0, 1], [-1, 0]]).max() < 1e-11)
    True
    """
    check_choice(kind, ("homogeneous", "particular"), "kind")
    xp, times = _arrays.asarrays(t=t)
    flat = xp.reshape(times, (-1,))
    host = _arrays.to_numpy(flat)
    if times.ndim > 1 or host.size == 0 or not np.all(np.diff(host) > 0):
        raise ValueError("`t` must be a time or an array of increasing times")
    if isinstance(solutions, list | tuple):
        values, slopes = _from_callables(solutions, flat, host)
    else:
        _, values, _ = _arrays.asarrays(solutions=solutions, t=flat)
        check_shape(values, (flat.shape[0], None, None), "solutions")
        slopes = derivative_on_grid(host, values)
    found = _solve(xp, values, slopes, kind, host)
    return RecoveredCoefficients(
        *(xp.reshape(one, (*times.shape, *one.shape[1:])) for one in found)
    )


def _from_callables(solutions, flat, host):
    """Values and derivatives (m, n, k)."""
    xp = _arrays.result_namespace(flat)
    lo, hi = (host[0], host[-1]) if len(host) > 1 else (host[0] - _WINDOW, host[0] + _WINDOW)
    probe = chebyshev_panels.times([(lo, hi)], flat)[0, :]
    columns = [over_times(x, f"solutions[{j}]", probe) for j, x in enumerate(solutions)]
    n, k = columns[0].shape[0], len(columns)
    dtype = flat.dtype
    if any(x.is_complex for x in columns):
        dtype = xp.result_type(dtype, xp.complex64)

    def stacked(t):
        x = [xp.astype(one.call(xp.reshape(t, (-1,))), dtype) for one in columns]
        return xp.reshape(xp.stack(x, axis=-1), (*t.shape, n * k))

    def with_tolerance(t):
        values = stacked(t)
        size = xp.max(xp.abs(values), axis=-2, keepdims=True)
        return values, xp.broadcast_to(_TOLERANCE * _arrays.eps(flat) * size, values.shape)

    panels = chebyshev_panels.interpolate(with_tolerance, (float(lo), float(hi)), flat)
    if panels.unresolved is not None:
        time, entry, tail = panels.unresolved
        raise ValueError(
            f"`solutions[{entry % k}]` must be smooth between the times; got a pole, a jump or "
            f"noise near t = {time:.17g} (Chebyshev tail {tail:.1e})"
        )
    slopes = chebyshev_panels.evaluate(chebyshev_panels.derivative(panels), flat)
    shape = (flat.shape[0], n, k)
    return xp.reshape(stacked(flat), shape), xp.reshape(slopes, shape)


def _solve(xp, values, slopes, kind, host):
    """A, b and the condition numbers: A X = X' by least squares."""
    x, dx = values, slopes
    if kind == "particular":
        x, dx = (one[..., 1:] - one[..., :1] for one in (values, slopes))
    n, k = x.shape[-2:]
    if k < n:
        extra = "n + 1" if kind == "particular" else "n"
        raise ValueError(f"`solutions` must hold {extra} or more, n = {n}; got {values.shape[-1]}")
    scale = xp.max(xp.abs(x), axis=-2, keepdims=True)
    x, dx = (one / xp.where(scale > 0, scale, 1.0) for one in (x, dx))
    singular = xp.linalg.svdvals(x)
    ratio = _arrays.to_numpy(singular[..., -1] / singular[..., 0])
    worst = int(np.argmin(ratio))
    if not ratio[worst] > 64 * n * _arrays.eps(x):
        manner = "affinely" if kind == "particular" else "linearly"
        raise ValueError(
            f"`solutions` must be {manner} independent; got a singular value of "
            f"{ratio[worst]:.1e} (relative) at t = {host[worst]:.17g}"
        )
    q, r = xp.linalg.qr(_arrays.adjoint(x), mode="reduced")  # X = Rᴴ Qᴴ
    a = _arrays.adjoint(xp.linalg.solve(r, _arrays.adjoint(dx @ q)))
    b = 0 * values[..., 0]
    if kind == "particular":
        b = slopes[..., 0] - (a @ values[..., :1])[..., 0]
    return a, b, singular[..., 0] / singular[..., -1]
