"""The reduced system in a frame that turns no more than it must: s' = (Vᴴ A V) s."""

from collections.abc import Callable
from typing import NamedTuple

from mathcore import _arrays
from mathcore._checks import check_number
from solvers.linear import chebyshev_panels, quadratures, solution_checks
from solvers.linear.chebyshev_panels import evaluate
from solvers.linear.functions_of_time import finite, on_span, over_times
from solvers.linear.given_systems import linear_system
from solvers.linear.normal_frame import (
    collinearity,
    frame_of,
    largest_entry,
    pseudo_inverse,
    without_span,
)
from solvers.linear.reduction import canonical_complement, propagators

_NOISE = 8  # units of eps
_TAIL = 1 / 64


class ReducedSystem(NamedTuple):
    """The system that is left of x' = A(t) x when k of its solutions are known.

    Attributes
    ----------
    coefficient : callable
        ``t (...) -> (..., n − k, n − k)``, of s' = Vᴴ A V s.
    lift : callable
        ``s -> x``: from a solution ``t -> (n − k,)`` of the reduced system to the solution
        x = X u + V s with u(t0) = 0, a callable ``t (...) -> (..., n)``.
    frame : callable
        ``t (...) -> (..., n, n − k)``, V, orthonormal and orthogonal to the known columns X, with
        Vᴴ V' = 0. A solution x of the given system has s = Vᴴ x.
    """

    coefficient: Callable
    lift: Callable
    frame: Callable


def reduce_order(a, solutions, t_span, *, rtol=1e-10, verify=True):
    """The linear system of order n − k left of x' = A(t) x when k < n solutions are known.

    Parameters
    ----------
    a, solutions, t_span, rtol, verify
        As in `general_solution`, with callables or a constant array `a`.

    Returns
    -------
    ReducedSystem
        Functions ``coefficient``, ``lift`` and ``frame``.

    Raises
    ------
    ValueError, TypeError
        As `general_solution`; n solutions leave nothing.

    Notes
    -----
    d'Alembert's reduction divides by a component of the known solution and fails at its zeros; this
    one does not. The frame solves V' = −(I − V Vᴴ) Aᴴ V, on Chebyshev panels.

    Examples
    --------
    t³y''' − 3t²y'' + 6ty' − 6y = 0 knowing y = t; the solution t² from the reduced system:

    >>> import numpy as np
    >>> from scipy.integrate import solve_ivp
    >>> from solvers import companion, reduce_order
    >>> a = companion([lambda t: -6 / t**3, lambda t: 6 / t**2, lambda t: -3 / t])
    >>> reduced = reduce_order(a, [lambda t: [t, 1 + 0 * t, 0 * t]], (1.0, 2.0))
    >>> s0 = reduced.frame(1.0).T @ [1.0, 2.0, 2.0]
    >>> s = solve_ivp(lambda t, s: reduced.coefficient(t) @ s, (1, 2), s0, dense_output=True,
    ...               rtol=1e-11, atol=1e-12, method="DOP853").sol
    >>> x = reduced.lift(lambda t: s(t).T)
    >>> y = lambda t: x(t)[0] / t  # t + a constant
    >>> bool(abs(y(2.0) - y(1.5) - 0.5) < 1e-8)
    True
    """
    system = linear_system(a, solutions, t_span)
    rtol = max(_TAIL * check_number(rtol, "rtol", above=0), 8 * _arrays.eps(system.span))
    if system.k == system.n:
        raise ValueError(f"`solutions` must be fewer than n = {system.n}; got {system.k}")
    if verify:
        solution_checks.check_columns(system, system.breaks, rtol)
    panels = _turning_frame(system, rtol)

    def frame(t):
        v = system.xp.reshape(evaluate(panels, t), (*t.shape, system.n, -1))
        return without_span(frame_of(system, t), v)

    def coefficient(t):
        v = frame(t)
        return _arrays.adjoint(v) @ system.coefficient(t) @ v

    def lift(s):
        return _lifted(system, frame, panels.breaks, s, rtol)

    return ReducedSystem(on_span(coefficient, system.span), lift, on_span(frame, system.span))


def _turning_frame(system, rtol):
    """Panels of V: on each the propagator of V' = −Q Qᴴ Aᴴ V, then joined."""
    xp, n = system.xp, system.n

    def propagated(panels):
        t = chebyshev_panels.times(panels, system.span)
        q, adjoint = frame_of(system, t).basis, _arrays.adjoint(system.coefficient(t))
        values = propagators(xp, -(q @ (_arrays.adjoint(q) @ adjoint)), panels)
        size = largest_entry(xp, values)
        noise = _NOISE * _arrays.eps(system.span) * xp.max(size, axis=-1, keepdims=True)
        tolerance = xp.where(size < 1e4, xp.maximum(rtol + 0 * size, noise), -1.0)
        flat = xp.reshape(values, (*t.shape, n * n))
        return flat, xp.broadcast_to(tolerance[..., None], flat.shape)

    panels = chebyshev_panels.interpolate_panels(propagated, system.breaks, system.span)
    quadratures.check_resolved(panels, "the frame V (from `a` and `solutions`)")
    count = len(panels.breaks) - 1
    s = xp.reshape(panels.coefficients, (count, -1, n, n))
    v, rows = canonical_complement(system, panels.breaks[0]), []
    for i in range(count):
        rows.append(xp.reshape(s[i, ...] @ v, (s.shape[1], -1)))
        v = xp.sum(rows[-1], axis=0)
        v = _orthonormal(xp, xp.reshape(v, (n, -1)))
    return panels._replace(coefficients=xp.stack(rows))


def _orthonormal(xp, v):
    """One step of Newton's iteration to the nearest orthonormal columns."""
    return 1.5 * v - 0.5 * v @ (_arrays.adjoint(v) @ v)


def _lifted(system, frame, breaks, s, rtol):
    """X u + V s with u' = X⁺ (A + Aᴴ) V s and u(t0) = 0."""
    xp = system.xp
    lo, hi = breaks[0], breaks[-1]
    probe = chebyshev_panels.times([(lo, hi)], system.span)[0, :]
    given = over_times(s, "s", probe)
    if given.shape != (system.n - system.k,):
        raise ValueError(f"`s` must return shape ({system.n - system.k},); got {given.shape}")
    dtype = xp.result_type(system.columns(probe), probe)
    if given.is_complex:
        dtype = xp.result_type(dtype, xp.complex64)
    reduced = finite(given.call, dtype, "s")

    def rate(t):
        known, a = frame_of(system, t), system.coefficient(t)
        z = (frame(t) @ reduced(t)[..., None])[..., 0]
        source = (a + _arrays.adjoint(a)) @ z[..., None]
        value = (pseudo_inverse(xp, known) @ source)[..., 0]
        noise = _NOISE * _arrays.eps(system.span) * collinearity(xp, known)
        size = xp.clip(noise, min=rtol) * largest_entry(xp, a) * xp.max(xp.abs(z), axis=-1)
        allowed = size[..., None] / xp.max(xp.abs(known.columns), axis=-2)
        return value, xp.broadcast_to(xp.max(allowed, axis=-2, keepdims=True), value.shape)

    panels = chebyshev_panels.interpolate(rate, breaks, system.span)
    quadratures.check_resolved(panels, "the integrand u' (from `s`)")
    u = chebyshev_panels.antiderivative(panels, [0] * system.k)

    def x(t):
        known = (system.columns(t) @ evaluate(u, t)[..., None])[..., 0]
        return known + (frame(t) @ reduced(t)[..., None])[..., 0]

    return on_span(x, system.span)
