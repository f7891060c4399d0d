"""Sinkhorn's fixed point: ε-scaling, then Anderson's acceleration with safeguards.

Anderson type II (Walker & Ni, "Anderson acceleration for fixed-point iterations", SIAM J. Numer.
Anal. 49 (2011)) on u = g/ε, in the inner product of the weights. Sinkhorn's own step never
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
    """What the loop carries, for each problem; `g` is where its next pass starts."""

    g: Any
    f: Any
    best: Any  # the plain image of the potential with the smallest error
    best_error: Any
    error: Any
    epsilon: Any
    rounds: Any  # at this epsilon
    stalled: Any  # rounds since the best error fell by a hundredth
    iterations: Any
    age: Any  # differences in the history; −1 where there is not even a last point
    last_g: Any
    last_r: Any
    dr: Any  # (..., memory, m) differences of the residuals of g / epsilon, times √weights
    moves: Any  # differences of the residuals and of g / epsilon
    gram: Any  # (..., memory, memory) dr drᵀ
    running: Any


def solve(xp, step, weights, start, *, epsilon, tol, max_iterations, watch=None):
    """Run ``f, image, error = step(f, g, epsilon, running)`` until every error is at most `tol`.

    Parameters
    ----------
    xp : namespace
        Of the arrays.
    step : callable
        One full pass; `image` (..., m) is the next potential of plain Sinkhorn.
    weights : array (..., m)
        Sum to one; potentials of weight zero are carried along but never extrapolated.
    start : State
        Of `begin`, or where an earlier call ended.
    epsilon : array (...)
        Where ε-scaling ends.
    tol : array (...)
        Of the error.
    max_iterations : int
        Passes allowed in all.
    watch : callable, optional
        ``watch(iterations, error)`` of the slowest problem; a true return stops. Not called where
        values are traced.

    Returns
    -------
    State
        `best` is the potential to go on with.
    """

    def body(state):
        new = _advance(
            xp, state, *step(state.f, state.g, state.epsilon, state.running), weights, epsilon
        )
        reached = (new.epsilon <= epsilon) & (new.best_error <= tol)
        going = xp.isfinite(new.error) & ~reached & (new.iterations < max_iterations)
        going = going & ~at_precision_floor(xp, new, weights)
        new = _where_running(xp, state, new._replace(running=going & state.running))
        if watch is not None:
            live = xp.where(state.running, new.error, 0.0)
            if watch(xp.max(new.iterations), xp.max(live)):
                return new._replace(running=new.running & False)
        return new

    return _arrays.while_loop(lambda state: xp.any(state.running), body, start)


def at_precision_floor(xp, state, weights):
    """Whether the error no longer falls and rounding of the exponents explains it."""
    known = (weights > 0) & xp.isfinite(state.g)
    size = xp.max(xp.where(known, xp.abs(state.g), 0.0), axis=-1)
    floor = 8.0 * _arrays.eps(state.g) * (1.0 + size / state.epsilon)
    return (state.stalled >= _STALLED_ROUNDS) & (state.best_error <= floor)


def begin(xp, f, g, epsilon, iterations):
    """The state before the first pass; `epsilon` (...) is where ε-scaling starts."""
    zero = 0.0 * epsilon
    count = xp.astype(zero, xp.int32)
    memory = xp.zeros((_MEMORY, 1), dtype=g.dtype, device=_arrays.device(g)) * g[..., None, :]
    return State(
        g=g,
        f=f,
        best=g,
        best_error=zero + xp.inf,
        error=zero + xp.inf,
        epsilon=epsilon,
        rounds=count,
        stalled=count,
        iterations=count + iterations,
        age=count - 1,
        last_g=g,
        last_r=0.0 * g,
        dr=memory,
        moves=memory,
        gram=memory @ xp.matrix_transpose(memory),
        running=count == 0,
    )


def _where_running(xp, old, new):
    """Finished problems of a batch stay as they were."""
    if new.error.ndim == 0:
        return new
    kept = []
    for before, after in zip(old, new, strict=True):
        going = xp.reshape(old.running, (*old.running.shape, *(1,) * (after.ndim - new.error.ndim)))
        kept.append(xp.where(going, after, before))
    return State(*kept)


def _advance(xp, state, f, image, error, weights, epsilon):
    active, one = weights > 0, state.epsilon[..., None]
    image = xp.where(~active & xp.isinf(image), 0.0, image)  # no weight, no arc: ∞ − ∞ otherwise
    r = xp.where(active, image - state.g, 0.0) / one
    root, change = xp.sqrt(weights), r - state.last_r
    move = change + xp.where(active, state.g - state.last_g, 0.0) / one
    dr, moves = _pushed(xp, state.dr, root * change), _pushed(xp, state.moves, move)
    gram = _bordered(xp, state.gram, (dr @ dr[..., -1, :, None])[..., 0])
    age = state.age + 1
    better, much_better = error < state.best_error, error < 0.99 * state.best_error
    best = xp.where(better[..., None], image, state.best)
    worse = error > 2 * state.best_error
    final = state.epsilon <= epsilon
    colder = ~final & ((error < _SCALING_TOL) | (state.rounds >= _SCALING_ROUNDS))
    faster = image - one * _beyond(xp, moves, gram, (dr @ (root * r)[..., None]), age)
    g = xp.where(colder[..., None], image, xp.where(worse[..., None], best, faster))
    restart = worse | colder
    return State(
        g=g,
        f=f,
        best=best,
        best_error=xp.where(colder, xp.inf, xp.where(better, error, state.best_error)),
        error=error,
        epsilon=xp.where(
            colder, xp.maximum(state.epsilon / _SCALING_FACTOR, epsilon), state.epsilon
        ),
        rounds=xp.where(colder, 0, state.rounds + 1),
        stalled=xp.where(much_better | colder, 0, state.stalled + 1),
        iterations=state.iterations + 1,
        age=xp.where(restart, -1, age),
        last_g=state.g,
        last_r=r,
        dr=dr,
        moves=moves,
        gram=gram,
        running=state.running,
    )


def _pushed(xp, history, row):
    return xp.concat([history[..., 1:, :], row[..., None, :]], axis=-2)


def _bordered(xp, gram, row):
    """Gram matrix of the pushed history from that before and the products with the new row."""
    upper = xp.concat([gram[..., 1:, 1:], row[..., :-1, None]], axis=-1)
    return xp.concat([upper, row[..., None, :]], axis=-2)


def _beyond(xp, moves, gram, products, age):
    """Anderson's step minus the plain one, Σ γ_k moves_k, γ = argmin |r − Σ γ_k dr_k|.

    `products` (..., memory, 1) are those of dr with r. The last `age` rows of the history count.
    """
    sizes = xp.linalg.diagonal(gram)
    order = xp.arange(_MEMORY, 0, -1, device=_arrays.device(gram))
    used = (sizes > 0) & (order <= age[..., None])
    scale = xp.where(used, 1 / xp.sqrt(xp.where(used, sizes, 1.0)), 0.0)[..., None]
    ridge = _arrays.eps(gram) ** (2 / 3)  # beside a unit diagonal
    gram = scale * gram * xp.matrix_transpose(scale) + ridge * xp.eye(
        _MEMORY, dtype=gram.dtype, device=_arrays.device(gram)
    )
    gamma = scale * xp.linalg.solve(gram, scale * products)
    step = (xp.matrix_transpose(gamma) @ moves)[..., 0, :]
    longest = xp.max(xp.abs(step), axis=-1, keepdims=True)
    return step * (_MOST_STEP / xp.where(longest > _MOST_STEP, longest, _MOST_STEP))
