"""A transport problem from start to certificate, on inputs that carry no gradient."""

import contextlib
from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_callable, check_count, check_number, check_real
from mathcore.transport import costs, fixed_points, passes
from mathcore.transport.certificates import certify, transport_cost
from mathcore.transport.soft_minima import check_vectors

_TIGHTER = 8.0  # tolerance of the next attempt where the gap is still too wide


class TransportResult(NamedTuple):
    """Entropic transport and what certifies it; every field has the leading axes of a batch.

    Attributes
    ----------
    value : array ()
        ⟨P, C⟩ + ε KL(P ‖ a⊗b), with a marginal penalty ρ also ρ KL(P1 ‖ a) + ρ KL(Pᵀ1 ‖ b), of the
        optimal plan, estimated by the dual; differentiable.
    transport_cost : array ()
        ⟨P, C⟩ of the plan of `potentials`.
    lower_bound, upper_bound, gap : array ()
        Proven bounds of the value, rounding included, and their difference.
    potentials : tuple of array (n,), (m,)
        (f, g) with P_ij = a_i b_j exp((f_i + g_j − C_ij)/ε), balanced also with ⟨a, f⟩ = ⟨b, g⟩;
        where a weight is zero, the soft c-transform. Double precision where single could not hold
        `tol`.
    marginal_error : array ()
        L1 error of the marginals of P, as a fraction of the mass; with a marginal penalty, of the
        conditions P1 = a exp(−f/ρ), Pᵀ1 = b exp(−g/ρ) of the optimum.
    iterations : int
        Full passes over the cost, those of ε-scaling included.
    converged : bool
        Whether the marginal error is at most `tol`, and the gap at most `gap_tol` where given.
    status : str
        "converged", "max_iterations", "precision_floor" (rounding keeps the error or the gap above
        its tolerance), "stopped" (by the callback) or "not_finite"; None under ``jax.jit``; for a
        batch a list of words in the order of its members.
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
    gap_tol: Any = None
    max_iterations: int = 10_000
    init: Any = None
    penalty: Any = None
    keep: bool = True  # whether an n × m array of exponentials is welcome
    progress: bool = False
    callback: Any = None


def options_of(epsilon, tol, max_iterations, *, gap_tol=None, marginal_penalty=None, **others):
    """`Options`, or the error that says which is wrong."""
    if others.get("callback") is not None:
        check_callable(others["callback"], "callback")
    return Options(
        check_number(epsilon, "epsilon", above=0),
        check_number(tol, "tol", at_least=0),
        None if gap_tol is None else check_number(gap_tol, "gap_tol", at_least=0),
        check_count(max_iterations, "max_iterations"),
        penalty=None
        if marginal_penalty is None
        else check_number(marginal_penalty, "marginal_penalty", above=0),
        **others,
    )


def solve(xp, cost, a, b, options, *, symmetric=False, iterations=0):
    """`TransportResult` of the transport from a to b, whose `value` has no gradient yet.

    With `symmetric` the problem is that of one measure with itself, f = g. `iterations` were made
    before.
    """
    a, b = _arrays.detach(a), _arrays.detach(b)
    zero = 0.0 * xp.sum(a, axis=-1)  # traced where the data are
    epsilon, tol = zero + options.epsilon, zero + options.tol
    pair = passes.pairs(xp, cost, a, b, keep=options.keep)
    state = _first(xp, cost, a, b, epsilon, options, iterations)
    weights = b / xp.sum(b, axis=-1)[..., None]
    with _watching(options) as (watch, stopped):
        while True:
            state = fixed_points.solve(
                xp,
                _one_pass(xp, pair, a, b, options, symmetric),
                weights,
                state,
                epsilon=epsilon,
                tol=tol,
                max_iterations=options.max_iterations,
                watch=watch,
            )
            certificate = certify(xp, cost, pair, a, b, state.best, epsilon, options.penalty)
            wide = _gap_too_wide(xp, certificate, options.gap_tol)
            again = wide & (state.best_error <= tol) & (state.iterations < options.max_iterations)
            if options.gap_tol is None or stopped or not _arrays.concrete(xp.any(again)):
                break
            tol = xp.where(again, tol / _TIGHTER, tol)
            state = state._replace(g=state.best, age=0 * state.age - 1, running=again)
    return _result(xp, cost, a, b, certificate, state, options, wide, stopped)


def _one_pass(xp, pair, a, b, options, symmetric):
    if symmetric:
        return passes.symmetric(xp, pair, a)
    if options.penalty is None:
        return passes.balanced(xp, pair, a, b)
    return passes.unbalanced(xp, pair, a, b, options.penalty)


def _gap_too_wide(xp, certificate, gap_tol):
    gap = certificate.upper_bound - certificate.lower_bound
    if gap_tol is None:
        return gap != gap
    if _arrays.concrete(xp.any(gap > 0)) is None:
        raise ValueError("`gap_tol` must be None under jax.jit; got a number")
    return ~(gap <= gap_tol)


def _first(xp, cost, a, b, epsilon, options, iterations):
    """Potentials to start from and the ε of the first stage."""
    f = xp.full_like(a, xp.nan)
    if options.init is None:
        scaling = xp.maximum(_arrays.detach(costs.spread(xp, cost)), epsilon)
        return fixed_points.begin(xp, f, 0.0 * b, scaling, iterations)
    _, f_init, g, _ = _arrays.asarrays(f=options.init[0], g=options.init[1], a=a)
    for name, potential, weights in (("f", f_init, a), ("g", g, b)):
        check_real(potential, f"init {name}")
        check_vectors(potential, weights.shape[-1], f"init {name}")
    g = xp.astype(_arrays.detach(g), b.dtype) + 0.0 * b
    g = xp.where(xp.isfinite(g), g, 0.0)
    return fixed_points.begin(xp, f, g, epsilon, iterations)


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
    converged = (certificate.marginal_error <= options.tol) & ~wide
    known = _arrays.concrete(xp.any(converged)) is not None
    status, iterations = None, state.iterations
    if known:
        status = _words(xp, certificate, state, options, converged, stopped)
        if converged.ndim == 0:
            iterations, converged, status = int(iterations), bool(converged), status[0]
    return TransportResult(
        value=certificate.value,
        transport_cost=transport_cost(xp, cost, a, b, certificate, options.epsilon),
        lower_bound=certificate.lower_bound,
        upper_bound=certificate.upper_bound,
        gap=certificate.upper_bound - certificate.lower_bound,
        potentials=(certificate.f, certificate.g),
        marginal_error=certificate.marginal_error,
        iterations=iterations,
        converged=converged,
        status=status,
    )


def _words(xp, certificate, state, options, converged, stopped):
    """The status of every member."""
    finite = xp.isfinite(certificate.value)
    spent = state.iterations >= options.max_iterations
    known = (converged, finite, spent)
    if converged.ndim == 0:  # torch.func's tensors give numbers but no arrays
        members = ([_arrays.concrete(v)] for v in known)
    else:
        members = (_arrays.to_numpy(v).reshape(-1) for v in known)
    return [_word(*member, bool(stopped)) for member in zip(*members, strict=True)]


def _word(converged, finite, spent, stopped):
    if converged:
        return "converged"
    if not finite:
        return "not_finite"
    if stopped:
        return "stopped"
    return "max_iterations" if spent else "precision_floor"


def in_double(xp, result, again, options):
    """`result`, finished by ``again(dtype, options, iterations)`` in double precision.

    Where single precision ended at its floor: value and bounds are rounded back, outwards; the
    potentials stay double, since their rounding alone would break `tol`.
    """
    single = result.potentials[0].dtype
    words = [result.status] if isinstance(result.status, str) else result.status or ()
    if "precision_floor" not in words or xp.finfo(single).bits != 32 or not _has_double(xp):
        return result
    init = tuple(xp.astype(u, xp.float64) for u in result.potentials)
    finished = again(xp.float64, options._replace(init=init), result.iterations)
    near = _arrays.eps(result.value)
    value, cost, error = (
        xp.astype(v, single)
        for v in (finished.value, finished.transport_cost, finished.marginal_error)
    )
    low = finished.lower_bound - near * xp.abs(finished.lower_bound)
    high = finished.upper_bound + near * xp.abs(finished.upper_bound)
    low, high = xp.astype(low, single), xp.astype(high, single)
    return finished._replace(
        value=value,
        transport_cost=cost,
        lower_bound=low,
        upper_bound=high,
        gap=high - low,
        marginal_error=error,
    )


def _has_double(xp):
    return not _arrays.is_jax_namespace(xp) or _arrays.default_float(xp) == xp.float64
