"""Solve x' = A x + b: the method chosen by what A is, the answer exact at every time."""

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_choice, check_number
from mathcore.matrices.linear_operators import is_scipy
from solvers.linear.linear_problems import checked_times, norm_at, read_problem
from solvers.linear.magnus import METHODS as _MAGNUS
from solvers.linear.paths import exponential_path, krylov_path, magnus_path
from solvers.linear.runge_kutta_paths import runge_kutta_path

METHODS = ("auto", "expm", "krylov", *_MAGNUS, "rk")
_PATHS = {
    "expm": exponential_path,
    "krylov": krylov_path,
    "rk": runge_kutta_path,
    **dict.fromkeys(_MAGNUS, magnus_path),
}
_KRYLOV_FROM = 65  # order from which one vector is cheaper than the exponential
_RUNGE_KUTTA_FROM = 40  # order from which exponentials of every step cost more than stages
_MOST_ROTATION = 1000.0  # ‖A‖ T up to which that was measured


@_arrays.halves_in_float32
def solve_linear(a, t_span, x0, *, b=None, t_eval=None, method="auto", rtol=1e-8, atol=1e-10):
    """Solve the linear system x' = A(t) x + b(t), x(t0) = x0, or a batch of systems.

    Parameters
    ----------
    a : array (..., n, n), callable, pair, SciPy sparse array or LinearOperator
        A constant matrix; ``t -> (..., n, n)``, of one time or of a vector of them (then
        ``(m, ..., n, n)``; which, is found out by calling it); samples on a grid as
        ``(times (m,), values (m, ..., n, n))``, joined by cubics through the four nearest; or a
        constant operator of SciPy. Leading axes are a batch that shares its steps.
    t_span : (t0, t1)
        Floats; t1 < t0 solves backwards.
    x0 : array (..., n)
        Its library is the one `a` and `b` are called with. Leading axes broadcast with those of
        `a` and `b`.
    b : array (..., n), callable or pair, optional
        The forcing, given like `a`.
    t_eval : sequence (times,), optional
        Times of the result within `t_span`, in any order; the ends of the steps unless given.
    method : str, optional
        "expm": constant A; an exponential for each time, or one and its powers. "krylov": constant
        A, one vector, NumPy; products with A alone. "magnus4", "magnus6", "cf4": exponentials of
        commutator series, of order 4, 6, and 4 without commutators. "rk": `solve_ivp`. "auto":
        "krylov" for SciPy's objects and one vector with n > 64, "expm" for other constants, and
        for A(t) "magnus6", or "rk" for one vector with n >= 40 and ‖A‖ (t1 − t0) <= 1000.
    rtol : float, optional
        Bound on the sum of the estimated errors of all steps, relative to the size of the solution
        (not taken below 16 eps). An exponential alone has rounding errors only.
    atol : float, optional
        For "rk": absolute tolerance. The other methods are never less accurate than `rtol`.

    Returns
    -------
    OdeResult
        ``t`` (times,); ``y`` (..., n, times); ``sol``, a callable ``t -> (..., n)`` for one time
        and (..., n, times) for a vector: a step of the method itself from the last node, never an
        interpolant; ``nfev``, evaluations of A or products with it; ``status``, 0, or −1 with a
        ``message`` where no step was short enough (``t`` then ends before t1) or the solution (of a
        batch: any) is not finite; ``n_accepted``, ``n_rejected``.

    Raises
    ------
    ValueError
        A shape does not fit, a time is out of range, or `method` does not fit `a`.
    TypeError
        Arrays of different libraries.

    Notes
    -----
    Unlike ``scipy.integrate.solve_ivp``, whose steps follow the solution, Magnus steps follow the
    change of A: their number does not grow with ‖A‖ where A is constant. All steps of a method are
    chosen and exponentiated in batches, so a vectorised `a` is called a few times only. Forcing:
    for constant A its polynomials are integrated exactly by φ-functions; for A(t) it joins A in an
    augmented matrix.

    Differentiable in torch and JAX with respect to x0, `b` and constant or sampled A. Under
    ``jax.jit`` steps cannot adapt: one in each interval of the grid.

    References
    ----------
    .. [1] S. Blanes, F. Casas, J. A. Oteo, J. Ros, Phys. Rep. 470 (2009) 151–238.
    .. [2] M. Hochbruck, A. Ostermann, Acta Numerica 19 (2010) 209–286.
    .. [3] Y. Saad, SIAM J. Numer. Anal. 29 (1992) 209–228.

    Examples
    --------
    Airy's equation y'' = t y backwards from t = 0, where y = Ai:

    >>> import numpy as np
    >>> from solvers import solve_linear
    >>> airy = lambda t: np.array([[0.0, 1.0], [t, 0.0]])
    >>> start = [0.355028053887817, -0.258819403792807]
    >>> found = solve_linear(airy, (0.0, -5.0), start, rtol=1e-12)
    >>> found.sol(-5.0).round(8)  # Ai(−5), Ai'(−5)
    array([0.35076101, 0.32719282])
    """
    check_choice(method, METHODS, "method")
    rtol = check_number(rtol, "rtol", above=0)
    atol = check_number(atol, "atol", at_least=0)
    problem = read_problem(a, t_span, x0, b)
    times = None if t_eval is None else checked_times(t_eval, problem.span, "t_eval")
    method = _choice(problem) if method == "auto" else method
    if method in ("expm", "krylov") and not problem.is_constant:
        raise ValueError(f'`method` must not be "{method}" where `a` depends on time')
    if problem.a is None and method not in ("krylov", "rk"):
        raise ValueError(f'`method` must be "krylov" or "rk" for an operator; got "{method}"')
    if method == "rk":
        return runge_kutta_path(problem, times, rtol, atol)
    with np.errstate(over="ignore", invalid="ignore"):  # the message tells of it
        return _result(problem, _PATHS[method](problem, method, rtol), times)


def _choice(problem):
    """By what was measured: docs/theory/magnus.md."""
    n, vectors = problem.x0.shape[-1], problem.x0.ndim
    if is_scipy(problem.operator):
        return "krylov"
    if problem.is_constant:
        one = vectors == 1 and problem.operator.ndim == 2 and _arrays.is_numpy(problem.x0)
        return "krylov" if one and n >= _KRYLOV_FROM else "expm"
    if vectors == 1 and n >= _RUNGE_KUTTA_FROM and _arrays.is_numpy(problem.x0):
        rotation = norm_at(problem.a.at, problem.span) * abs(problem.span[1] - problem.span[0])
        if rotation <= _MOST_ROTATION:
            return "rk"
    return "magnus6"


def _result(problem, path, times):
    from solvers.ode.results import OdeResult

    xp, span = _arrays.result_namespace(problem.x0), (problem.span[0], float(path.nodes[-1]))
    message = path.message or _not_finite(path)
    if times is None:
        times, y = path.nodes, path.states
    else:
        low, high = min(span), max(span)
        times = times[(times >= low) & (times <= high)]
        y = path.sol(times)

    def sol(t):
        host = _arrays.to_numpy(t) if _arrays.is_array(t) else np.asarray(t)
        inside = checked_times(host[None] if host.ndim == 0 else host, span, "t")
        with np.errstate(over="ignore", invalid="ignore"):
            values = xp.moveaxis(path.sol(inside), 0, -1)
        return values[..., 0] if host.ndim == 0 else values

    return OdeResult(
        t=_arrays.from_numpy(times, _arrays.real_part(problem.x0)),
        y=xp.moveaxis(y, 0, -1),
        sol=sol,
        t_events=None,
        y_events=None,
        nfev=path.evaluations,
        njev=0,
        nlu=0,
        status=-1 if message else 0,
        message=message or f"reached the end; estimated relative error {path.error:.1e}",
        success=not message,
        n_accepted=path.nodes.size - 1,
        n_rejected=path.rejected,
    )


def _not_finite(path):
    """The first node where a solution is infinite or NaN, of NumPy arrays."""
    if not _arrays.is_numpy(path.states):
        return ""
    bad = ~np.isfinite(path.states).reshape(path.nodes.size, -1).all(axis=1)
    return f"not finite at t = {path.nodes[np.argmax(bad)]:.17g}" if bad.any() else ""
