"""The general solution of x' = A(t) x + b(t) from k of its solutions.

With X = [x_1 … x_k] and Z orthogonal to X, a solution modulo the span of X, the columns of
``Z + X u`` are solutions where ``u' = X⁺ (A + Aᴴ) Z``. Z is in closed form for k = n − 1, from the
generalized cross product (for a scalar equation of second order this is Rofe–Beketov's formula,
valid across the zeros of the known solution, unlike Abel's), and for half of a Hamiltonian
system; elsewhere it takes a reduced system of order n − k.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_choice, check_number, check_shape
from solvers.linear import chebyshev_panels, quadratures, solution_checks
from solvers.linear.functions_of_time import on_span
from solvers.linear.given_systems import linear_system
from solvers.linear.normal_frame import cross_direction, frame_of
from solvers.linear.symbolic_solutions import aligned, fundamental_expression, given_expressions

_TAIL = 1 / 64  # Chebyshev tails relative to `rtol`: errors of panels add up, noise is let pass


class GeneralSolution(NamedTuple):
    """A fundamental matrix of x' = A(t) x, as functions of a scalar or an array of times `t`.

    All of them raise ValueError for a time outside the interval.

    Attributes
    ----------
    fundamental : callable
        ``t (...) -> (..., n, n)``, the first k columns the given ones (with kind="particular" their
        differences from the first).
    particular : callable
        ``t (...) -> (..., n)``, one solution of x' = A x + b: the first of those given with
        kind="particular", 0 without b.
    adjoint : callable
        ``t (...) -> (..., n)``, the solution p of p' = −Aᵀ p with p·x_j = 0 for all columns but the
        last and p·x_n = 1; p·x is constant along every solution x of x' = A x.
    log_wronskian : callable
        ``t (...) -> (...)``, log det of the fundamental matrix (log |det| where it is real), 0 at
        the first time when n − 1 solutions were given.
    fit : callable
        ``(t0, x0 (n,)) -> solution`` through x0 at t0, itself a callable ``t (...) -> (..., n)``.
    residual : float
        Largest ‖x' − A x − b‖ of a column, or of the particular solution, on a grid that nothing
        else used, relative to the size of the terms; NaN with ``verify=False`` or without `a`.
    condition : float
        Largest 2-norm condition number on that grid of the fundamental matrix, its columns scaled
        to largest entry 1: the factor by which `fit` may magnify an error. NaN with
        ``verify=False`` or without `a`.
    expression : sympy.Matrix or None
        The fundamental matrix in symbols where everything given was SymPy's; for k = n − 1 an
        integral that is not elementary is left unevaluated. For fewer solutions None where neither
        the system nor what is left of it is triangular with elementary quadratures, of constant
        coefficients (times one function of t) or of Euler's kind: no formula is known then.
    """

    fundamental: Callable
    particular: Callable
    adjoint: Callable
    log_wronskian: Callable
    fit: Callable
    residual: float
    condition: float
    expression: Any = None


def general_solution(
    a,
    solutions,
    t_span,
    *,
    b=None,
    kind="homogeneous",
    times=None,
    structure=None,
    base="auto",
    rtol=1e-10,
    verify=True,
):
    """General solution of the linear system x' = A(t) x + b(t) from some of its solutions.

    Parameters
    ----------
    a : callable, array (n, n), pair, sympy.Matrix or None
        ``t -> (n, n)``, real or complex, of one time or of a vector of them (then ``(m, n, n)`` or
        ``(n, n, m)``; which, is found out by calling it), or a constant matrix. `companion` makes
        one of a scalar equation. Samples are ``(times (m,), values (m, n, n))``, or an array
        (n_times, n, n) at `times`. None where the solutions say everything: n of them, or n + 1
        with kind="particular".
    solutions : list of callables, array (n_times, n, k), or list of sympy.Matrix
        k = 1 … n callables ``t -> (n,)``, of one time or of a vector of them (then ``(m, n)`` or
        ``(n, m)``). For `companion` ``t -> (y, y', …, y⁽ⁿ⁻¹⁾)``, or y alone. An array holds them at
        `times`. None need be known for n = 1, where `a`, `b` and solutions may be scalars.
    t_span : (t0, t1)
        The interval, t0 < t1. Python numbers mean NumPy; a pair or an array (2,) of another library
        makes that library and dtype the ones `a` and `solutions` are called with and results have.
    b : callable, array (n,), pair or sympy.Matrix, optional
        The inhomogeneous term, ``t -> (n,)``, given like `a`; for y alone also the right-hand side
        of the scalar equation.
    kind : {"homogeneous", "particular"}
        What `solutions` solve: x' = A x, or x' = A x + b. Of the latter, two to n + 1; their
        differences are solutions of x' = A x, and `b` is needed only for those given as y alone.
    times : array (n_times,), optional
        Increasing times of an array of solutions, close enough for polynomials of degree 9 through
        values and slopes (of degree 8 through values for `a` and `b`) to keep `rtol`; `t_span` must
        lie between them.
    structure : {None, "hamiltonian"}
        "hamiltonian": A = J S with S symmetric, J = [[0, I], [−I, 0]], and k = n/2 solutions with
        Xᵀ J X = 0. Quadratures alone then give the other half.
    base : "auto" or float, optional
        Where the integrals u start, that is, which multiples of the given solutions the new ones
        contain: for each the end of the interval at which no digits are lost, or one time for all.
    rtol : float, optional
        Accuracy of the new solutions relative to their size at each time, as long as the given ones
        have it: 64 times the bound on the Chebyshev tails, which is not taken below 8 eps.
    verify : bool, optional
        Check that the given columns are solutions, measure ``residual`` and ``condition``.

    Returns
    -------
    GeneralSolution
        Functions ``fundamental``, ``particular``, ``adjoint``, ``log_wronskian`` and ``fit``, then
        ``residual``, ``condition`` and ``expression``.

    Raises
    ------
    ValueError
        Naming the column, the time and the size of what is wrong: a column is no solution, columns
        are dependent to working precision, `a` or a column is not finite or has a pole or a jump
        inside the interval; shapes and ranges; only the trace of `a` is given.
    TypeError
        `a` or a solution returns arrays of another library than that of `t_span`.

    Notes
    -----
    For k = n − 1 the new column takes n − 1 quadratures and is scaled so that the determinant is 1
    at t0. For fewer, a reduced system of order n − k is solved by Chebyshev collocation; the new
    columns are those that at `base` are orthonormal and orthogonal to the given ones, up to
    multiples of these, or with "auto" combinations that grow and decay apart from each other, so
    that they stay independent over long intervals. The values of `a` and of the solutions decide
    where panels are split, so a call cannot be traced by ``jax.jit``; what it returns can. No other
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
    check_choice(kind, ("homogeneous", "particular"), "kind")
    check_choice(structure, (None, "hamiltonian"), "structure")
    tolerance = check_number(rtol, "rtol", above=0)
    given = given_expressions(a, solutions, b, t_span, kind)
    if given is not None:
        a, solutions, b = given.functions
    system = linear_system(a, solutions, t_span, b, kind, times)
    rtol = max(_TAIL * tolerance, 8 * _arrays.eps(system.span))
    return _assembled(system, given, structure, base, rtol, verify)


def _assembled(system, given, structure, base, rtol, verify):
    lo, *_, hi = system.breaks
    base = _checked_base(base, lo, hi)
    breaks = chebyshev_panels.refine(system.breaks, () if base is None else (base,))
    panels = solution_checks.check_columns(system, breaks, rtol) if verify else None
    if structure is not None:
        solution_checks.check_hamiltonian(system, breaks)
    parts = _parts(system, structure, breaks, rtol, base)
    expression, parts = (None, parts) if given is None else _in_symbols(system, given, parts)
    residual = condition = float("nan")
    if verify and system.coefficient is not None:
        breaks = chebyshev_panels.refine(panels.breaks, parts.breaks)
        residual, condition = solution_checks.measure(system, parts, breaks, rtol)
    phi, particular = (on_span(one, system.span) for one in parts[:2])
    return GeneralSolution(
        phi,
        particular,
        on_span(parts.adjoint, system.span),
        on_span(parts.log_wronskian, system.span),
        functools.partial(_fit, phi, particular, system.n),
        residual,
        condition,
        expression,
    )


def _in_symbols(system, given, parts):
    """The expression, and the parts with its new columns in place of the numbers' own."""
    t_span = _arrays.to_numpy(system.span)
    for elementary in (True, False):
        expression = fundamental_expression(given, t_span, elementary=elementary)
        if expression is None or system.k == system.n:
            return expression, parts
        c = aligned(expression, parts.fundamental, given, system.span)
        if c is not None:
            return expression, _recombined(parts, c)
    return None, parts


def _recombined(parts, c):
    """With Φ c as the last columns of Φ."""
    xp, m = _arrays.result_namespace(c), c.shape[-1]
    new = c[-m:, :]

    def fundamental(t):
        phi = parts.fundamental(t)
        return xp.concat([phi[..., :-m], phi @ c], axis=-1)

    sign, size = xp.linalg.slogdet(new)
    size = size + xp.log(sign) if _arrays.is_complex(c) else size
    one = m == 1
    return parts._replace(
        fundamental=fundamental,
        adjoint=(lambda t: parts.adjoint(t) / new[0, 0]) if one else _last_row(fundamental),
        log_wronskian=lambda t: parts.log_wronskian(t) + size,
    )


def _checked_base(base, lo, hi):
    """The one base of all components, or None."""
    if isinstance(base, str):
        check_choice(base, ("auto",), "base")
        return None
    return check_number(base, "base", at_least=lo, at_most=hi)


# --- the parts ----------------------------------------------------------------------------------


class _Parts(NamedTuple):
    fundamental: Callable
    particular: Callable
    adjoint: Callable
    log_wronskian: Callable
    breaks: tuple


def _parts(system, structure, breaks, rtol, base):
    """What the solution consists of, not yet checked."""
    if system.coefficient is None:
        phi = system.columns
        particular, _ = _particular(system, None, breaks, rtol, base)
        return _Parts(phi, particular, _last_row(phi), _log_determinant(phi), breaks)
    tau = quadratures.integral_of_trace(system, breaks, rtol)
    joint = chebyshev_panels.refine(breaks, tau.breaks)
    fundamental, normal, u_breaks = system.columns, None, breaks
    if system.k < system.n:
        normal, joint = _normal_part(system, structure, tau, breaks, joint, rtol, base)
        u = quadratures.known_parts(system, normal, breaks, rtol, base)
        fundamental, u_breaks = functools.partial(_completed, system, normal, u), u.breaks
    particular, forced_breaks = _particular(system, normal, breaks, rtol, base)
    adjoint, offset = _last_row(fundamental), None
    if system.k == system.n - 1 and structure is None:
        adjoint, offset = functools.partial(_cross_adjoint, system, tau), 0.0
    return _Parts(
        fundamental,
        particular,
        adjoint,
        _log_wronskian(system, tau, fundamental, offset),
        chebyshev_panels.refine(joint, u_breaks, forced_breaks),
    )


def _normal_part(system, structure, tau, breaks, joint, rtol, base):
    """Z as a function of times and frames, and where it may have been pieced together."""
    if structure == "hamiltonian":
        return quadratures.hamiltonian_part(system), joint
    if system.k == system.n - 1:
        return quadratures.cross_product_part(system, tau), joint
    normal, own = quadratures.reduced_part(system, breaks, rtol, base)
    return normal, chebyshev_panels.refine(joint, own)


def _completed(system, normal, u, t):
    """[X, Z + X u]."""
    xp, frame = system.xp, frame_of(system, t)
    weights = chebyshev_panels.evaluate(u, t)
    weights = xp.reshape(weights, (*t.shape, system.k, system.n - system.k))
    return xp.concat([frame.columns, normal(t, frame) + frame.columns @ weights], axis=-1)


def _particular(system, normal, breaks, rtol, base):
    """A solution of the inhomogeneous system, and the panels it took."""
    if system.origin is not None:
        return system.origin, breaks
    if system.forcing is None:
        return functools.partial(_zero, system), breaks
    sigma, u = quadratures.forced_parts(system, normal, breaks, rtol, base)
    own = u.breaks if sigma is None else chebyshev_panels.refine(u.breaks, sigma.breaks)
    return functools.partial(_forced, system, normal, sigma, u), own


def _zero(system, t):
    return system.xp.sum(0 * system.columns(t), axis=-1)


def _forced(system, normal, sigma, u, t):
    """x_p = Z σ + X u."""
    frame = frame_of(system, t)
    value = frame.columns @ chebyshev_panels.evaluate(u, t)[..., None]
    if sigma is not None:
        value = value + normal(t, frame) @ chebyshev_panels.evaluate(sigma, t)[..., None]
    return value[..., 0]


def _cross_adjoint(system, tau, t):
    """p = e^{−τ} c."""
    frame = frame_of(system, t)
    scale = system.xp.exp(frame.log_volume - chebyshev_panels.evaluate(tau, t)[..., 0])
    return scale[..., None] * _arrays.conj(cross_direction(system.xp, frame))


def _last_row(fundamental):
    """The last row of the inverse, an adjoint solution."""

    def row(t):
        return _arrays.result_namespace(t).linalg.inv(fundamental(t))[..., -1, :]

    return row


def _log_wronskian(system, tau, fundamental, offset):
    """τ and the logarithm of the determinant at t0."""
    if offset is None:
        offset = _log_determinant(fundamental)(system.span[0])
    return lambda t: chebyshev_panels.evaluate(tau, t)[..., 0] + offset


def _log_determinant(fundamental):
    """Log det; log |det| where it is real."""

    def log_determinant(t):
        phi = fundamental(t)
        xp = _arrays.result_namespace(phi)
        sign, logabsdet = xp.linalg.slogdet(phi)
        return logabsdet + xp.log(sign) if _arrays.is_complex(phi) else logabsdet

    return log_determinant


def _fit(fundamental, particular, n, t0, x0):
    """The solution through x0 at t0."""
    phi, start = fundamental(t0), particular(t0)
    if phi.ndim != 2:
        raise ValueError(f"`t0` must be one time; got shape {tuple(phi.shape[:-2])}")
    xp, phi, x0 = _arrays.asarrays(phi=phi, x0=x0)
    check_shape(x0, (n,), "x0")
    dtype = xp.result_type(phi, x0)  # x0 may be a complex list
    missing = xp.astype(x0, dtype) - xp.astype(start, dtype)
    coefficients = xp.linalg.solve(xp.astype(phi, dtype), missing[:, None])

    def solution(t):
        homogeneous = (xp.astype(fundamental(t), dtype) @ coefficients)[..., 0]
        return xp.astype(particular(t), dtype) + homogeneous

    return solution
