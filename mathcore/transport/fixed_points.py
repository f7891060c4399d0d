"""Sinkhorn's fixed point: ε-scaling, then Anderson's acceleration with safeguards.

Anderson type II (Walker & Ni, "Anderson acceleration for fixed-point iterations", SIAM J. Numer.
Anal. 49 (2011)) on u = f/ε, in the inner product of the weights. Sinkhorn's own step never
increases the marginal error, so a step that doubles the best error is undone and replaced by it.
"""

from typing import Any, NamedTuple

from mathcore import _arrays

_MEMORY = 15
_SCALING_FACTOR = 4.0
_SCALING_TOL = 1e-3
_SCALING_ROUNDS = 50
_STALLED_ROUNDS = 30
_MOST_STEP = 10.0  # of the accelerated beyond the plain step, in units of ε


class State(NamedTuple):
    """What the loop carries; `f` is the potential at which the next pass starts."""

    f: Any
    g: Any
    best: Any  # the plain image of the potential with the smallest error
    best_error: Any
    error: Any
    epsilon: Any
    rounds: Any  # at this epsilon
    stalled: Any  # rounds since the best error fell by a hundredth
    iterations: Any
    have_last: Any
    last_f: Any
    last_r: Any
    df: Any  # (memory, n) differences of f / epsilon
    dr: Any  # and of the residuals
    running: Any


def solve(
    xp, step, weights, f, g, *, epsilon, first_epsilon, tol, iterations, max_iterations, watch=None
):
    """Run ``(g, image, error) = step(f, g, epsilon)`` until that error is at most `tol`.

    Parameters
    ----------
    xp : namespace
        Of the arrays.
    step : callable
        One full pass; `image` (n,) is the next potential of plain Sinkhorn.
    weights : array (n,)
        Sum to one; potentials of weight zero are carried along but never extrapolated.
    f, g : array (n,), (m,)
        Where to start; `g` may be NaN.
    epsilon : float
        Where it ends.
    first_epsilon : 0-d array
        Where ε-scaling starts.
    tol : float
        Of the error.
    iterations, max_iterations : int
        Passes already made, and allowed in all.
    watch : callable, optional
        ``watch(iterations, error)``; a true return stops. Not called where values are traced.

    Returns
    -------
    State
        `best` is the potential to go on with.
    """
    state = _start(xp, f, g, first_epsilon, epsilon, iterations)

    def body(state):
        g, image, error = step(state.f, state.g, state.epsilon)
        state = _advance(xp, state, g, image, error, weights, epsilon)
        reached = (state.epsilon <= epsilon) & (state.best_error <= tol)
        going = xp.isfinite(error) & ~reached & (state.iterations < max_iterations)
        going = going & ~at_precision_floor(xp, state, weights)
        if watch is not None and watch(state.iterations, error):
            going = going & False
        return state._replace(running=going)

    return _arrays.while_loop(lambda state: state.running, body, state)


def at_precision_floor(xp, state, weights):
    """Whether the error no longer falls and rounding of the exponents explains it."""
    size = xp.max(xp.where((weights > 0) & xp.isfinite(state.f), xp.abs(state.f), 0.0))
    floor = 8.0 * _arrays.eps(state.f) * (1.0 + size / state.epsilon)
    return (state.stalled >= _STALLED_ROUNDS) & (state.best_error <= floor)


def _start(xp, f, g, first_epsilon, epsilon, iterations):
    zero = 0.0 * xp.sum(f)
    count = xp.astype(zero, xp.int32)
    memory = xp.zeros((_MEMORY, 1), dtype=f.dtype, device=_arrays.device(f)) * f[None, :]
    return State(
        f=f,
        g=g,
        best=f,
        best_error=zero + xp.inf,
        error=zero + xp.inf,
        epsilon=xp.maximum(first_epsilon, zero + epsilon),
        rounds=count,
        stalled=count,
        iterations=count + iterations,
        have_last=count > 0,
        last_f=f,
        last_r=0.0 * f,
        df=memory,
        dr=memory,
        running=count == 0,
    )


def _advance(xp, state, g, image, error, weights, epsilon):
    active = weights > 0
    image = xp.where(~active & xp.isinf(image), 0.0, image)  # no weight, no arc: ∞ − ∞ otherwise
    r = xp.where(active, image - state.f, 0.0) / state.epsilon
    df = xp.where(active, state.f - state.last_f, 0.0) / state.epsilon
    df = xp.where(state.have_last, _pushed(xp, state.df, df), state.df)
    dr = xp.where(state.have_last, _pushed(xp, state.dr, r - state.last_r), state.dr)
    better, much_better = error < state.best_error, error < 0.99 * state.best_error
    best = xp.where(better, image, state.best)
    worse = error > 2 * state.best_error
    final = state.epsilon <= epsilon
    colder = ~final & ((error < _SCALING_TOL) | (state.rounds >= _SCALING_ROUNDS))
    step = _beyond(xp, df, dr, r, weights)
    f = xp.where(colder, image, xp.where(worse, best, image - state.epsilon * step))
    restart = worse | colder
    target = xp.zeros_like(error) + epsilon
    return State(
        f=f,
        g=g,
        best=best,
        best_error=xp.where(colder, xp.inf, xp.where(better, error, state.best_error)),
        error=error,
        epsilon=xp.where(
            colder, xp.maximum(state.epsilon / _SCALING_FACTOR, target), state.epsilon
        ),
        rounds=xp.where(colder, 0, state.rounds + 1),
        stalled=xp.where(much_better | colder, 0, state.stalled + 1),
        iterations=state.iterations + 1,
        have_last=~restart,
        last_f=state.f,
        last_r=r,
        df=xp.where(restart, 0.0, df),
        dr=xp.where(restart, 0.0, dr),
        running=state.running,
    )


def _pushed(xp, history, row):
    return xp.concat([history[1:, :], row[None, :]])


def _beyond(xp, df, dr, r, weights):
    """Anderson's step minus the plain one, Σ γ_k (df_k + dr_k), γ = argmin |r − Σ γ_k dr_k|."""
    weighted = dr * weights
    gram = weighted @ xp.matrix_transpose(dr)
    sizes = xp.linalg.diagonal(gram)
    scale = xp.where(sizes > 0, 1 / xp.sqrt(xp.where(sizes > 0, sizes, 1.0)), 0.0)[:, None]
    ridge = _arrays.eps(r) ** (2 / 3)  # beside a unit diagonal
    gram = scale * gram * scale[:, 0] + ridge * xp.eye(
        _MEMORY, dtype=r.dtype, device=_arrays.device(r)
    )
    gamma = scale * xp.linalg.solve(gram, scale * (weighted @ r)[:, None])
    step = xp.sum(gamma * (df + dr), axis=0)
    longest = xp.max(xp.abs(step))
    return step * (_MOST_STEP / xp.where(longest > _MOST_STEP, longest, _MOST_STEP))
