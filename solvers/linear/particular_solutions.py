"""The general solution of x' = A(t) x from n − 1 (or all n) known solutions, by quadratures.

With X = [x_1 … x_{n−1}], τ = ∫ tr A and c the generalized cross product of X, q = e^τ c̄ / |c|² is
orthogonal to X, and ``x_n = q + X u`` solves the equation where ``u' = X⁺ (A + Aᴴ) q``. For a
scalar equation of second order this is Rofe–Beketov's formula, valid across the zeros of the known
solution, unlike Abel's.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

from mathcore import _arrays
from mathcore._checks import check_choice, check_number, check_shape
from solvers.linear import chebyshev_panels, solution_checks
from solvers.linear.functions_of_time import linear_system
from solvers.linear.normal_frame import largest_entry, normal_frame

_TAIL = 1 / 64  # Chebyshev tails relative to `rtol`: errors of panels add up, noise is let pass
_ROUNDING = 4  # units of eps


class GeneralSolution(NamedTuple):
    """A fundamental matrix of x' = A(t) x, as functions of a scalar or an array of times `t`.

    All of them raise ValueError for a time outside the interval.

    Attributes
    ----------
    fundamental : callable
        ``t (...) -> (..., n, n)``, the first columns the given ones.
    adjoint : callable
        ``t (...) -> (..., n)``, the solution p of p' = −Aᵀ p with p·x_j = 0 for all columns but the
        last and p·x_n = 1; p·x is constant along every solution x.
    log_wronskian : callable
        ``t (...) -> (...)``, log det of the fundamental matrix (log |det| where it is real), 0 at
        the first time when n − 1 solutions were given.
    fit : callable
        ``(t0, x0 (n,)) -> solution`` through x0 at t0, itself a callable ``t (...) -> (..., n)``.
    residual : float
        Largest ‖x' − A x‖ of a column on a grid that nothing else used, relative to the size of the
        terms; NaN with ``verify=False``.
    condition : float
        Largest 2-norm condition number on that grid of the fundamental matrix, its columns scaled
        to largest entry 1: the factor by which `fit` may magnify an error. NaN with
        ``verify=False``.
    """

    fundamental: Callable
    adjoint: Callable
    log_wronskian: Callable
    fit: Callable
    residual: float
    condition: float


def general_solution(a, solutions, t_span, *, base="auto", rtol=1e-10, verify=True):
    """General solution of the linear system x' = A(t) x from n − 1 or n of its solutions.

    Parameters
    ----------
    a : callable or array (n, n)
        ``t -> (n, n)``, real or complex, of one time or of a vector of them (then ``(m, n, n)`` or
        ``(n, n, m)``; which, is found out by calling it), or a constant matrix. `companion` makes
        one of a scalar equation.
    solutions : list of callables
        ``t -> (n,)``, of one time or of a vector of them (then ``(m, n)`` or ``(n, m)``); for
        `companion` ``t -> (y, y', …, y⁽ⁿ⁻¹⁾)``.
    t_span : (t0, t1)
        The interval, t0 < t1. Python numbers mean NumPy; a pair or an array (2,) of another library
        makes that library and dtype the ones `a` and `solutions` are called with and results have.
    base : "auto" or float, optional
        Where the integrals u start, that is, which multiples of the given solutions the new one
        contains: for each the end of the interval at which no digits are lost, or one time for all.
    rtol : float, optional
        Accuracy of the new solution relative to its size at each time, as long as the given ones
        have it: 64 times the bound on the Chebyshev tails, which is not taken below 8 eps.
    verify : bool, optional
        Check that the given columns are solutions, measure ``residual`` and ``condition``.

    Returns
    -------
    GeneralSolution
        Functions ``fundamental``, ``adjoint``, ``log_wronskian`` and ``fit``, then ``residual`` and
        ``condition``.

    Raises
    ------
    ValueError
        Naming the column, the time and the size of what is wrong: a column is no solution, columns
        are dependent to working precision, `a` or a column is not finite or has a pole or a jump
        inside the interval; shapes, ranges, and what is not supported yet.
    TypeError
        `a` or a solution returns arrays of another library than that of `t_span`.

    Notes
    -----
    n − 1 quadratures and no differential equation is solved. For n − 1 given columns the new one is
    scaled so that the determinant is 1 at t0. The values of `a` and of the solutions decide where
    panels are split, so a call cannot be traced by ``jax.jit``; what it returns can. No other
    numerical library has this; SymPy's ``linodesolve`` needs an A that commutes with its integral,
    Maple's ``DEtools[reduce_order]`` a scalar equation.

    References
    ----------
    .. [1] F. S. Rofe-Beketov, A. M. Kholkin, "Spectral Analysis of Differential Operators", World
       Scientific (2005), for n = 2.
    .. [2] P. Hartman, "Ordinary Differential Equations", 2nd ed., SIAM (2002), section IV.

    Examples
    --------
    From e^t and e^{2t} the third solution of y''' − 6y'' + 11y' − 6y = 0:

    >>> import numpy as np
    >>> from solvers import companion, general_solution
    >>> known = [lambda t, r=r: np.exp(r * t) * np.array([1.0, r, r * r]) for r in (1, 2)]
    >>> solution = general_solution(companion([-6.0, 11.0, -6.0]), known, (0.0, 1.0))
    >>> x = solution.fit(0.0, [1.0, 3.0, 9.0])  # y = e^{3t}
    >>> bool(abs(x(1.0)[0] - np.exp(3.0)) < 1e-12)
    True
    """
    system = linear_system(a, solutions, t_span)
    lo, hi = (_arrays.concrete(system.span[i]) for i in range(2))
    base = _checked_base(base, lo, hi)
    breaks = (lo, hi) if base is None else tuple(sorted({lo, base, hi}))
    rtol = max(_TAIL * check_number(rtol, "rtol", above=0), 8 * _arrays.eps(system.span))
    panels = solution_checks.check_columns(system, breaks, rtol) if verify else None
    tau = _integral_of_trace(system, breaks, rtol)
    if system.k == system.n:
        fundamental, adjoint = system.columns, functools.partial(_last_adjoint, system)
        offset = _log_determinant(system)
    else:
        u = _integral_of_rate(system, tau, breaks, rtol, base)
        fundamental = functools.partial(_completed, system, tau, u)
        adjoint = functools.partial(_adjoint, system, tau)
        breaks, offset = chebyshev_panels.refine(breaks, tau.breaks, u.breaks), 0.0
    residual = condition = float("nan")
    if verify:
        breaks = chebyshev_panels.refine(breaks, panels.breaks)
        residual, condition = solution_checks.measure(system, fundamental, breaks, rtol)
    phi = _on_span(fundamental, system.span)
    return GeneralSolution(
        phi,
        _on_span(adjoint, system.span),
        _on_span(lambda t: chebyshev_panels.evaluate(tau, t)[..., 0] + offset, system.span),
        functools.partial(_fit, phi, system.n),
        residual,
        condition,
    )


def _checked_base(base, lo, hi):
    """The one base of all components, or None."""
    if isinstance(base, str):
        check_choice(base, ("auto",), "base")
        return None
    return check_number(base, "base", at_least=lo, at_most=hi)


# --- the formula --------------------------------------------------------------------------------


def _integral_of_trace(system, breaks, rtol):
    """Panels of τ = ∫_{t0} tr A."""
    xp = system.xp
    rounding = _ROUNDING * _arrays.eps(system.span)

    def trace(t):
        diagonal = xp.linalg.diagonal(system.coefficient(t))
        value = xp.sum(diagonal, axis=-1)
        allowed = _largest(xp, rtol * xp.abs(value) + rounding * xp.sum(xp.abs(diagonal), axis=-1))
        return value[..., None], allowed[..., None]

    panels = chebyshev_panels.interpolate(trace, breaks, system.span)
    _check_resolved(panels, "the trace of `a`")
    return chebyshev_panels.antiderivative(panels, [0])


def _integral_of_rate(system, tau, breaks, rtol, base):
    """Panels of u, each component zero at its base."""
    rounding = _ROUNDING * _arrays.eps(system.span)

    def rate(t):
        return _rate(system, t, chebyshev_panels.evaluate(tau, t)[..., 0], rtol, rounding)

    panels = chebyshev_panels.interpolate(rate, breaks, system.span)
    _check_resolved(panels, "the integrand u' (from `a` and `solutions`)")
    if base is None:
        return _best_based(system, tau, panels)
    return chebyshev_panels.antiderivative(panels, [panels.breaks.index(base)] * system.k)


def _rate(system, t, tau, rtol, rounding):
    """u' = X⁺ (A + Aᴴ) q, and the error of u'_j that makes one of rtol ‖A + Aᴴ‖ ‖q‖ in x_j u'_j."""
    xp, a, x = system.xp, system.coefficient(t), system.columns(t)
    frame = normal_frame(xp, x, t)
    q = _normal_part(xp, frame, tau)
    symmetric = a + _arrays.adjoint(a)
    value = (frame.pseudo_inverse @ (symmetric @ q[..., None]))[..., 0]
    tail = xp.clip(rounding * frame.collinearity, min=rtol) * largest_entry(xp, symmetric)
    allowed = _largest(xp, tail + rounding * largest_entry(xp, a))
    return value, (allowed * xp.max(xp.abs(q), axis=-1))[..., None] / xp.max(xp.abs(x), axis=-2)


def _largest(xp, x):
    """The largest entry on each panel, for all of its nodes."""
    return xp.broadcast_to(xp.max(x, axis=-1, keepdims=True), x.shape)


def _normal_part(xp, frame, tau):
    """q = e^τ c̄ / |c|², through the logarithm of e^τ / |c|."""
    log_size = tau - frame.log_volume
    extreme = _arrays.concrete(xp.max(xp.abs(_arrays.real_part(log_size))))
    limit = math.log(xp.finfo(frame.log_volume.dtype).max) / 2  # what can be squared
    if extreme is not None and extreme > limit:
        raise ValueError(
            "`solutions` must leave the new column, of the size of e^∫tr A over the volume of the "
            f"given ones, in the range of their dtype; got e^±{extreme:.0f} (scale them)"
        )
    return xp.exp(log_size)[..., None] * frame.normal


def _best_based(system, tau, panels):
    """Each component based at the end where max ‖x_j‖ |u_j| / ‖q‖ is least: no digits cancel."""
    xp, last = system.xp, len(panels.breaks) - 1
    whole = [(panels.breaks[0], panels.breaks[-1])]
    t = chebyshev_panels.times(whole, system.span, chebyshev_panels.UNIFORM_POINTS)[0, :]
    x = system.columns(t)
    q = _normal_part(xp, normal_frame(xp, x, t), chebyshev_panels.evaluate(tau, t)[..., 0])
    ratio = xp.max(xp.abs(x), axis=-2) / xp.max(xp.abs(q), axis=-1)[:, None]
    losses = []
    for base in (0, last):
        u = chebyshev_panels.antiderivative(panels, [base] * system.k)
        losses.append(xp.max(ratio * xp.abs(chebyshev_panels.evaluate(u, t)), axis=0))
    from_the_end = _arrays.to_numpy(losses[1] < losses[0])
    return chebyshev_panels.antiderivative(panels, [last if end else 0 for end in from_the_end])


def _completed(system, tau, u, t):
    """[X, x_n] with x_n = q + X u."""
    xp, x = system.xp, system.columns(t)
    frame = normal_frame(xp, x, t)
    q = _normal_part(xp, frame, chebyshev_panels.evaluate(tau, t)[..., 0])
    new = q[..., None] + x @ chebyshev_panels.evaluate(u, t)[..., None]
    return xp.concat([x, new], axis=-1)


def _adjoint(system, tau, t):
    """p = e^{−τ} c."""
    frame = normal_frame(system.xp, system.columns(t), t)
    scale = system.xp.exp(frame.log_volume - chebyshev_panels.evaluate(tau, t)[..., 0])
    return scale[..., None] * _arrays.conj(frame.normal)


def _last_adjoint(system, t):
    return system.xp.linalg.inv(system.columns(t))[..., -1, :]


def _log_determinant(system):
    """Log det X(t0); log |det X(t0)| where it is real."""
    x = system.columns(system.span[0])
    sign, logabsdet = system.xp.linalg.slogdet(x)
    return logabsdet + system.xp.log(sign) if _arrays.is_complex(x) else logabsdet


def _check_resolved(panels, what):
    if panels.unresolved is not None:
        t, _, tail = panels.unresolved
        raise ValueError(
            f"{what} must be smooth on `t_span`; got a pole, a jump or noise above `rtol` near "
            f"t = {t:.17g} (Chebyshev tail {tail:.1e})"
        )


# --- what the caller gets -----------------------------------------------------------------------


def _on_span(function, span):
    """The function for times checked to lie in the span, also for no times at all."""
    lo, hi = (_arrays.concrete(span[i]) for i in range(2))
    slack = 4 * _arrays.eps(span) * max(abs(lo), abs(hi))

    def on_span(t):
        xp, times, _ = _arrays.asarrays(t=t, t_span=span)
        if _arrays.is_complex(times):
            raise TypeError(f"`t` must be real; got dtype {times.dtype}")
        times = xp.astype(times, span.dtype)
        inside = xp.all((times >= lo - slack) & (times <= hi + slack))
        if _arrays.concrete(inside) is False:
            raise ValueError(f"`t` must lie in `t_span` = ({lo}, {hi}); got {t}")
        if math.prod(times.shape):
            return function(times)
        one = function(span[:1])
        return xp.reshape(one[:0, ...], (*times.shape, *one.shape[1:]))

    return on_span


def _fit(fundamental, n, t0, x0):
    """The solution through x0 at t0."""
    phi = fundamental(t0)
    if phi.ndim != 2:
        raise ValueError(f"`t0` must be one time; got shape {tuple(phi.shape[:-2])}")
    xp, phi, x0 = _arrays.asarrays(phi=phi, x0=x0)
    check_shape(x0, (n,), "x0")
    dtype = xp.result_type(phi, x0)  # x0 may be a complex list
    coefficients = xp.linalg.solve(xp.astype(phi, dtype), xp.astype(x0, dtype)[:, None])

    def solution(t):
        return (xp.astype(fundamental(t), dtype) @ coefficients)[..., 0]

    return solution
