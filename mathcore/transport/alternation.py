"""The balanced problem from start to certificate, on inputs that carry no gradient."""

import contextlib
from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_callable, check_count, check_number, check_real, check_shape
from mathcore.transport import costs, fixed_points
from mathcore.transport.certificates import certify, dot, excess_mass, transport_cost
from mathcore.transport.soft_minima import soft_rows

_TIGHTER = 8.0  # tolerance of the next attempt where the gap is still too wide


class TransportResult(NamedTuple):
    """Entropic transport and what certifies it.

    Attributes
    ----------
    value : array ()
        ⟨P, C⟩ + ε KL(P ‖ a⊗b) of the optimal plan, estimated by the dual; differentiable.
    transport_cost : array ()
        ⟨P, C⟩ of the plan of `potentials`.
    lower_bound, upper_bound, gap : array ()
        Proven bounds of the value, rounding included, and their difference.
    potentials : tuple of array (n,), (m,)
        (f, g) with P_ij = a_i b_j exp((f_i + g_j − C_ij)/ε) and ⟨a, f⟩ = ⟨b, g⟩; where a weight is
        zero, the soft c-transform.
    marginal_error : array ()
        L1 error of the marginals of P, as a fraction of the mass.
    iterations : int
        Full passes over the cost, those of ε-scaling included.
    converged : bool
        Whether the marginal error is at most `tol`, and the gap at most `gap_tol` where given.
    status : str
        "converged", "max_iterations", "precision_floor" (rounding in this dtype keeps the error or
        the gap above its tolerance), "stopped" (by the callback) or "not_finite"; None under
        ``jax.jit``.
    """

    value: Any
    transport_cost: Any
    lower_bound: Any
    upper_bound: Any
    gap: Any
    potentials: Any
    marginal_error: Any
    iterations: Any
    converged: Any
    status: Any


class Options(NamedTuple):
    """The checked keyword arguments of `sinkhorn`."""

    epsilon: float
    tol: float
    gap_tol: Any
    max_iterations: int
    init: Any
    progress: bool
    callback: Any


def options_of(epsilon, tol, gap_tol, max_iterations, init, progress, callback):
    """`Options`, or the error that says which is wrong."""
    if callback is not None:
        check_callable(callback, "callback")
    return Options(
        check_number(epsilon, "epsilon", above=0),
        check_number(tol, "tol", at_least=0),
        None if gap_tol is None else check_number(gap_tol, "gap_tol", at_least=0),
        check_count(max_iterations, "max_iterations"),
        init,
        progress,
        callback,
    )


def solve(xp, cost, a, b, options, *, symmetric=False):
    """`TransportResult` of the transport from a to b, whose `value` has no gradient yet.

    With `symmetric` the problem is that of one measure with itself, f = g.
    """
    a, b = _arrays.detach(a), _arrays.detach(b)
    one_pass = _symmetric_pass(xp, cost, a) if symmetric else _full_pass(xp, cost, a, b)
    f, g, first_epsilon = _first(xp, cost, a, options)
    tol, iterations = options.tol, 0
    with _watching(options) as (watch, stopped):
        while True:
            state = fixed_points.solve(
                xp,
                one_pass,
                a / xp.sum(a),
                f,
                g,
                epsilon=options.epsilon,
                first_epsilon=first_epsilon,
                tol=tol,
                iterations=iterations,
                max_iterations=options.max_iterations,
                watch=watch,
            )
            certificate = certify(xp, cost, a, b, state.best, options.epsilon)
            wide = _gap_too_wide(certificate, options.gap_tol)
            spent = stopped or not state.best_error <= tol if wide else True
            if spent or state.iterations >= options.max_iterations:
                return _result(xp, cost, a, b, certificate, state, options, wide, stopped)
            f, g, first_epsilon = state.best, state.g, state.epsilon
            tol, iterations = tol / _TIGHTER, state.iterations


def _gap_too_wide(certificate, gap_tol):
    if gap_tol is None:
        return False
    gap = _arrays.concrete(certificate.upper_bound - certificate.lower_bound)
    if gap is None:
        raise ValueError("`gap_tol` must be None under jax.jit; got a number")
    return not gap <= gap_tol


def _full_pass(xp, cost, a, b):
    """g = T(f), then the image T(g): the plan of (f, g) has exact columns, its rows err."""
    back, mass = costs.reverse(cost), xp.sum(a)

    def one_pass(f, g, epsilon):
        g = soft_rows(xp, back, f, a, epsilon, guess=g)
        image = soft_rows(xp, cost, g, b, epsilon, guess=f)
        return g, image, dot(xp, a, xp.abs(excess_mass(xp, f, image, epsilon))) / mass

    return one_pass


def _symmetric_pass(xp, cost, a):
    mass = xp.sum(a)

    def one_pass(f, g, epsilon):
        g = soft_rows(xp, cost, f, a, epsilon, guess=g)
        error = dot(xp, a, xp.abs(excess_mass(xp, f, g, epsilon))) / mass
        return g, (f + g) / 2, error

    return one_pass


def _first(xp, cost, a, options):
    """Potentials to start from and the ε of the first stage."""
    n, m = costs.shape(cost)
    like = {"dtype": a.dtype, "device": _arrays.device(a)}
    zero = 0.0 * xp.sum(a)  # traced where the data are
    if options.init is None:
        f = xp.zeros((n,), **like) + zero
        return f, xp.full((m,), xp.nan, **like) + zero, costs.spread(xp, cost)
    _, f, g, _ = _arrays.asarrays(f=options.init[0], g=options.init[1], a=a)
    for name, potential, size in (("f", f, n), ("g", g, m)):
        check_real(potential, f"init {name}")
        check_shape(potential, (size,), f"init {name}")
    f = xp.where(xp.isfinite(f), _arrays.detach(f), 0.0)
    return xp.astype(f, a.dtype) + zero, xp.astype(_arrays.detach(g), a.dtype), zero


@contextlib.contextmanager
def _watching(options):
    """(watch, stopped): what to call after each pass; a list, no longer empty once it stopped."""
    stopped = []
    if not options.progress and options.callback is None:
        yield None, stopped
        return
    from tqdm import tqdm

    with tqdm(total=options.max_iterations, disable=not options.progress, desc="sinkhorn") as bar:

        def watch(iterations, error):
            if _arrays.concrete(error) is None:
                return False
            bar.update(1)
            bar.set_postfix(marginal_error=f"{float(error):.2g}", refresh=False)
            if options.callback is not None and options.callback(int(iterations), float(error)):
                stopped.append(True)
            return bool(stopped)

        yield watch, stopped


def _result(xp, cost, a, b, certificate, state, options, wide, stopped):
    within = certificate.marginal_error <= options.tol
    known = _arrays.concrete(within)
    converged = within if known is None else bool(known) and not wide
    status = None if known is None else _status(xp, certificate, state, options, converged, stopped)
    return TransportResult(
        value=certificate.value,
        transport_cost=transport_cost(xp, cost, a, b, certificate, options.epsilon),
        lower_bound=certificate.lower_bound,
        upper_bound=certificate.upper_bound,
        gap=certificate.upper_bound - certificate.lower_bound,
        potentials=(certificate.f, certificate.g),
        marginal_error=certificate.marginal_error,
        iterations=state.iterations if known is None else int(state.iterations),
        converged=converged,
        status=status,
    )


def _status(xp, certificate, state, options, converged, stopped):
    if converged:
        return "converged"
    if not xp.isfinite(certificate.value):
        return "not_finite"
    if stopped:
        return "stopped"
    if state.iterations >= options.max_iterations:
        return "max_iterations"
    return "precision_floor"
