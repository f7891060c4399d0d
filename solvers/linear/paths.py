"""The ways to solve x' = A x + b, each giving states at nodes and, exactly, at any time between."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays, expm, phi
from mathcore.matrices.linear_operators import is_scipy, operator_and_vectors
from solvers.linear import magnus
from solvers.linear.exponential_powers import ExponentialPowers
from solvers.linear.krylov_paths import KrylovPath, from_pieces
from solvers.linear.linear_problems import augmented, bordered, norm_at, with_last
from solvers.linear.meshes import Mesh, adaptive_mesh, in_rounds, power_of_two_steps
from solvers.linear.polynomial_forcing import forcing_mesh, taylor_coefficients
from solvers.linear.step_products import StepSequence, aligned

_MOST_ENTRIES = 2**27  # of the propagators of all steps
_ENTRIES_AT_ONCE = 2**16  # so that what one round works on stays in the cache
_COMPILED_FOR = 64  # steps
_LEAST_RTOL = 16  # units of eps
_DIRECT_UP_TO = 64  # order to which an exponential for each time is the cheapest


class Path(NamedTuple):
    """``nodes`` (steps + 1,) and ``sol(t) -> (m, ..., n)`` for host times (m,) between them.

    ``states`` (steps + 1, ..., n); the sum of estimated relative errors; evaluations of A or
    products with it; steps rejected; a message where t1 was not reached.
    """

    nodes: Any
    states: Any
    sol: Callable
    error: float
    evaluations: int
    rejected: int = 0
    message: str = ""


def least_rtol(rtol, like):
    """`rtol`, or what rounding allows."""
    return max(rtol, _LEAST_RTOL * _arrays.eps(like))


# --- dense propagators ----------------------------------------------------------------------------


def magnus_steps(at, shape, method, span, rtol, breaks, like):
    """The `StepSequence` of a Magnus method and the `Mesh` it stands on."""
    compiled = _arrays.is_jax_namespace(_arrays.result_namespace(like))
    size = _COMPILED_FOR if compiled else max(64, _ENTRIES_AT_ONCE // max(1, math.prod(shape)))
    errors, step = (
        in_rounds(functools.partial(function, at, method), size, padded=compiled)
        for function in (magnus.local_errors, magnus.propagators)
    )
    most = max(64, _MOST_ENTRIES // max(1, math.prod(shape)))
    if _arrays.concrete(norm_at(at, span)) is None:  # traced: one step in each given interval
        nodes = np.unique([*span, *breaks]) if breaks else np.linspace(*span, 65)
        mesh = Mesh(nodes if span[1] > span[0] else np.sort(nodes)[::-1], math.nan, 0, "")
    else:
        mesh = adaptive_mesh(
            errors,
            span,
            rtol=least_rtol(rtol, like),
            order=magnus.ORDER[method],
            breaks=breaks,
            most_steps=most,
        )
        mesh = mesh._replace(nodes=power_of_two_steps(mesh.nodes)) if compiled else mesh
    return StepSequence(mesh.nodes, step), mesh


def magnus_path(problem, method, rtol):
    """Magnus steps, of the augmented system where there is a forcing."""
    at, start = augmented(problem)
    shape = (*problem.x0.shape, start.shape[-1])
    breaks = (*problem.a.breaks, *(() if problem.b is None else problem.b.breaks))
    steps, mesh = magnus_steps(at, shape, method, problem.span, rtol, breaks, start)
    return _dense_path(steps, mesh, start, problem, evaluations=5)


def exponential_path(problem, method, rtol):
    """Constant A: one exponential for each time, or one in all and its powers for large ones."""
    at, start = augmented(problem)
    if problem.b is not None and problem.b.value is None:
        return _quadrature_path(problem, rtol)
    t0, t1 = problem.span
    matrix = at(np.zeros(1))[0, ...]
    real = functools.partial(_arrays.from_numpy, like=_arrays.real_part(matrix))

    def step(begin, end):
        h = real(end - begin)
        return expm(h[(..., *(None,) * matrix.ndim)] * matrix)

    steps = StepSequence(np.asarray(problem.span), step)
    mesh = Mesh(steps.nodes, 0.0, 0, "")
    known = _arrays.concrete(norm_at(at, problem.span)) is not None
    if matrix.ndim > 2 or problem.x0.ndim > 1 or matrix.shape[-1] <= _DIRECT_UP_TO or not known:
        return _dense_path(steps, mesh, start, problem, evaluations=1)
    powers = ExponentialPowers(matrix, t1 - t0)
    n = problem.x0.shape[-1]

    def sol(t):
        return powers.at(t - t0, start)[:, :n]

    return Path(steps.nodes, sol(steps.nodes), sol, 0.0, 1)


def _quadrature_path(problem, rtol):
    """Constant A and b(t): b as a polynomial on each step, the rest exact by φ-functions.

    Hochbruck & Ostermann, "Exponential integrators", Acta Numerica 19 (2010), section 2.1.
    """
    a, b, size = problem.a.value, problem.b, problem.size
    mesh = forcing_mesh(b, problem.span, size, least_rtol(rtol, problem.x0))

    def step(begin, end):
        terms = taylor_coefficients(b, begin, end)  # b(t0 + θh) = Σ u_k θ^{k−1} / (k − 1)!
        real = _arrays.real_part(terms[0])
        h = _arrays.from_numpy(end - begin, real)
        functions = phi(h[(..., *(None,) * a.ndim)] * a, len(terms))
        moved = sum(
            aligned(f, u[..., None]) @ u[..., None]
            for f, u in zip(functions[1:], terms, strict=True)
        )
        h = h[(..., *(None,) * (moved.ndim - 1))]
        return bordered(functions[0], h * moved / size, 1.0)

    steps = StepSequence(mesh.nodes, step)
    return _dense_path(steps, mesh, with_last(problem.x0, size), problem, evaluations=0)


def _dense_path(steps, mesh, start, problem, *, evaluations):
    n = problem.x0.shape[-1]
    states = steps.states(start)

    def sol(t):
        index = steps.index(t)
        xp = _arrays.result_namespace(states)
        x = xp.take(states, xp.asarray(index, device=_arrays.device(states)), axis=0)
        begin = steps.nodes[index]
        if np.any(begin != t):
            x = x[..., None]
            x = (aligned(steps.step(begin, t), x) @ x)[..., 0]
        return x[..., :n]

    tried = mesh.nodes.size - 1 + mesh.rejected
    return Path(
        mesh.nodes,
        states[..., :n],
        sol,
        mesh.error,
        evaluations * tried,
        mesh.rejected,
        mesh.message,
    )


# --- products with A alone ------------------------------------------------------------------------


def krylov_path(problem, method, rtol):
    """Constant A known by its products; a forcing makes a polynomial piece of each of its steps."""
    a, x0 = problem.operator, problem.x0
    if not _arrays.is_numpy(x0) or x0.ndim > 1 or (not is_scipy(a) and a.ndim > 2):
        raise ValueError('`method` must not be "krylov" for batches or arrays other than NumPy\'s')
    _, operator, x0 = operator_and_vectors(a, x0)
    rtol = least_rtol(rtol, x0)
    mesh, systems = _pieces(problem, operator.apply, rtol)
    pieces, state = [], x0
    for system, begin, end in zip(systems, mesh.nodes[:-1], mesh.nodes[1:], strict=True):
        share = rtol * abs((end - begin) / (problem.span[1] - problem.span[0]))
        apply, extra = system
        span = (float(begin), float(end))  # NumPy's numbers would make float64 of float32
        pieces.append(
            KrylovPath(apply, np.concatenate([state, extra]), span, float(share), x0.size)
        )
        if not pieces[-1].solve():
            break
        state = pieces[-1].states[-1][: x0.size]
    return _joined(pieces, x0.size, mesh)


def _pieces(problem, apply, rtol):
    b, size = problem.b, problem.size
    if b is None:
        return Mesh(np.asarray(problem.span), 0.0, 0, ""), [(apply, problem.x0[:0])]
    if b.value is not None:
        mesh = Mesh(np.asarray(problem.span), 0.0, 0, "")
        terms, h = [b.value[None, :]], np.diff(problem.span)
    else:
        mesh = forcing_mesh(b, problem.span, size, rtol)
        h = np.diff(mesh.nodes)
        terms = taylor_coefficients(b, mesh.nodes[:-1], mesh.nodes[1:])
    columns = np.stack(terms, axis=1) / size  # (steps, terms, n)
    extra = np.zeros(len(terms), dtype=columns.dtype)
    extra[0] = size
    steps = zip(columns, h, strict=True)
    return mesh, [(functools.partial(_forced, apply, u, float(1 / hi)), extra) for u, hi in steps]


def _forced(apply, columns, rate, z):
    """[[A, U], [0, J/h]] z: the last components are 1, θ, θ²/2, … times the size, θ = t/h."""
    n = z.size - len(columns)
    x, powers = z[:n], z[n:]
    return np.concatenate([apply(x) + powers @ columns, [0.0], rate * powers[:-1]])


def _joined(pieces, n, mesh):
    nodes = np.concatenate([pieces[0].nodes[:1], *(p.nodes[1:] for p in pieces)])
    first = pieces[0].states[0][None, :n]
    states = np.concatenate([first, *(np.stack(p.states)[1:, :n] for p in pieces)])
    ends = np.asarray([p.nodes[-1] for p in pieces])
    sign = 1.0 if mesh.nodes[-1] > mesh.nodes[0] else -1.0

    def sol(t):
        index = np.searchsorted(sign * ends[:-1], sign * t, side="left")
        out = np.empty((t.size, n), dtype=states.dtype)
        return from_pieces(lambda k, t: pieces[k].at(t)[:, :n], index, t, out)

    reached = nodes[-1] == mesh.nodes[-1]
    message = "" if reached else f"the Krylov space reaches no further than t = {nodes[-1]:.17g}"
    error = sum(p.error for p in pieces) + mesh.error
    products = sum(p.products for p in pieces)
    return Path(nodes, states, sol, error, products, 0, mesh.message or message)
