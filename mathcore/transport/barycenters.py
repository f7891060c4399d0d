"""Entropic barycenters: weights on a fixed support, or points that move.

Fixed support: H. Janati, M. Cuturi, A. Gramfort, "Debiased Sinkhorn barycenters", ICML 2020,
algorithm 1, in the log domain. Free support: the first variation of Σ_k λ_k S_ε(·, β_k) in the
positions, Feydy et al., AISTATS 2019, section 3.2.
"""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_callable, check_count, check_number, check_real, check_shape
from mathcore.transport import costs
from mathcore.transport.alternation import Options, solve
from mathcore.transport.measures import broadcast_measures
from mathcore.transport.soft_minima import plan_rows, soft_rows, uniform

_SMALLEST_STEP = 1e-3
_TRANSPORT_TOL, _TRANSPORT_PASSES = 1e-7, 300  # of the value and the step: second-order errors
_WEIGHTS_TOL, _POINTS_TOL = 1e-6, 1e-3
_MASS_TOL = 1e-6


class BarycenterResult(NamedTuple):
    """A barycenter and what certifies it.

    Attributes
    ----------
    points : array (n, d)
        Where its mass is.
    weights : array (n,)
        How much.
    value : array ()
        Σ_k λ_k S_ε(barycenter, measure k), up to the terms of the measures with themselves, which
        do not depend on the barycenter.
    error : array ()
        Fixed support: L1 change of the weights in the last iteration. Free support: the largest
        step that the first variation still asks for, over the width of the cloud.
    iterations : int
    converged : bool
        Whether `error` is at most `tol`.
    status : str
        "converged", "max_iterations", "stopped" (by the callback), "not_finite", or "stalled" (no
        step of a free support lowers the value any more).
    """

    points: Any
    weights: Any
    value: Any
    error: Any
    iterations: int
    converged: bool
    status: str


def barycenter(
    measures,
    weights=None,
    *,
    epsilon,
    support=None,
    init=None,
    tol=None,
    max_iterations=1000,
    callback=None,
):
    """Debiased entropic barycenter of weighted point clouds for the cost |x − y|².

    The measure α that minimises Σ_k λ_k S_ε(α, β_k), S_ε the Sinkhorn divergence: unlike that of
    OT_ε it is neither blurred nor shrunk by ε.

    Parameters
    ----------
    measures : sequence of array (m_k, d) or of tuple (array (m_k, d), array (m_k,))
        Points, with their weights where these are not equal; each sums to one.
    weights : sequence of float, optional
        λ_k ≥ 0, scaled to sum to one; equal when None.
    epsilon : float
        Regularisation, positive, in the units of |x − y|².
    support : array (n, d), optional
        Where the mass may be; its weights are found. When None the points themselves move and keep
        equal weights.
    init : array (n, d), optional
        Where the moving points start; those of the first measure when None.
    tol : float, optional
        Of the result's `error`; 1e-6 on a fixed support, 1e-3 for moving points when None.
    max_iterations : int, optional
    callback : callable, optional
        ``callback(iteration, error)`` after every iteration; a true return stops.

    Returns
    -------
    BarycenterResult

    Raises
    ------
    ValueError
        No measures, shapes that do not fit, weights that are negative or not of one mass, or both
        `support` and `init`.
    TypeError
        Complex arrays, or arrays of different libraries.

    Notes
    -----
    With a fixed support the problem is convex and the answer the minimum. With a free one it is a
    stationary point, and with equal weights: POT's ``ot.lp.free_support_barycenter`` is its
    analogue at ε = 0, ``ot.bregman.barycenter_debiased`` that of the fixed support on one common
    grid. The result carries no gradient.

    References
    ----------
    .. [1] H. Janati, M. Cuturi, A. Gramfort, "Debiased Sinkhorn barycenters", ICML 2020.
    .. [2] J. Feydy et al., AISTATS 2019, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import barycenter
    >>> x = np.array([[0.0], [1.0]])
    >>> result = barycenter([x, x + 4.0], [0.75, 0.25], epsilon=0.1)
    >>> result.points.round(3).ravel(), result.status  # a quarter of the way
    (array([1., 2.]), 'converged')
    """
    epsilon = check_number(epsilon, "epsilon", above=0)
    usual = _POINTS_TOL if support is None else _WEIGHTS_TOL
    tol = usual if tol is None else check_number(tol, "tol", at_least=0)
    max_iterations = check_count(max_iterations, "max_iterations")
    if callback is not None:
        check_callable(callback, "callback")
    if support is not None and init is not None:
        raise ValueError("`init` must be None where `support` is given; got both")
    xp, start, clouds, shares = _inputs(measures, weights, support if init is None else init)
    limits = (tol, max_iterations, callback)
    if support is None:
        return _free(xp, start, clouds, shares, epsilon, limits)
    return _fixed(xp, start, clouds, shares, epsilon, limits)


def _inputs(given, weights, start):
    """(xp, start, [(points, weights)], λ), checked and detached."""
    pairs = [v if isinstance(v, tuple) else (v, None) for v in given]
    if not pairs:
        raise ValueError("`measures` must have at least one measure; got none")
    named = {
        f"measures[{k}] {word}": v
        for k, pair in enumerate(pairs)
        for word, v in zip(("points", "weights"), pair, strict=True)
    }
    xp, start, shares, *flat = _arrays.asarrays(start=start, weights=weights, **named)
    points = flat[::2]
    start = points[0] if start is None else start
    check_real(start, "support")
    check_shape(start, (None, None), "support")
    clouds = [
        (_arrays.detach(x), _weights(xp, start, x, a, k))
        for k, (x, a) in enumerate(zip(points, flat[1::2], strict=True))
    ]
    shares = uniform(xp, len(pairs), points[0]) if shares is None else shares
    check_shape(shares, (len(pairs),), "weights")
    shares = _arrays.to_numpy(shares).astype(float)
    if not (shares >= 0).all() or not 0 < shares.sum() < float("inf"):
        raise ValueError(f"`weights` must be >= 0 with a positive sum; got {shares.tolist()}")
    return xp, _arrays.detach(start), clouds, (shares / shares.sum()).tolist()


def _weights(xp, start, x, a, k):
    """Weights of measure k that sum to one."""
    _, _, _, a = broadcast_measures(xp, start, x, None, a, balanced=False)
    check_shape(a, (x.shape[0],), f"measures[{k}] weights")
    total = float(xp.sum(a))
    if not abs(total - 1) <= _MASS_TOL:
        raise ValueError(f"`measures[{k}]` must have weights that sum to one; got {total}")
    return _arrays.detach(a) / total


# --- fixed support --------------------------------------------------------------------------------


def _fixed(xp, support, clouds, shares, epsilon, limits):
    """Algorithm 1: potentials φ_k on the support, ψ_k on measure k, δ for the self-term.

    ψ_k = T(φ_k), p_k = T(ψ_k), ε log α = δ − Σ λ_k p_k, φ_k = ε log α + p_k,
    δ ← (δ + ε log α + T(δ))/2, the transforms over the support with unit weights.
    """
    ones = xp.ones_like(support[:, 0])
    there = [costs.Points(support, y) for y, _ in clouds]
    own = costs.Points(support, support)
    one = uniform(xp, support.shape[0], support)
    phi, delta, alpha = [0.0 * ones for _ in clouds], 0.0 * ones, one

    def iterate(state):
        phi, delta, _ = state
        pulled = []
        for u, cost, (_, a) in zip(phi, there, clouds, strict=True):
            psi = soft_rows(xp, costs.reverse(xp, cost), u, ones, epsilon)
            pulled.append(soft_rows(xp, cost, psi, a, epsilon))
        log_alpha = (delta - sum(s * v for s, v in zip(shares, pulled, strict=True))) / epsilon
        phi = [epsilon * log_alpha + v for v in pulled]
        self_term = soft_rows(xp, own, delta, ones, epsilon)
        delta = (delta + epsilon * log_alpha + self_term) / 2
        return phi, delta, xp.exp(log_alpha)

    def change(old, new):
        return xp.sum(xp.abs(new[2] - old[2])) / xp.sum(new[2])

    state, error, iterations, word = _iterate(xp, iterate, change, (phi, delta, alpha), limits)
    alpha = state[2] / xp.sum(state[2])
    value = _objective(xp, support, alpha, clouds, shares, epsilon)[0]
    return BarycenterResult(support, alpha, value, error, iterations, word == "converged", word)


def _iterate(xp, step, change, state, limits):
    tol, max_iterations, callback = limits
    for iteration in range(1, max_iterations + 1):
        new = step(state)
        error = change(state, new)
        state = new
        word = _word(float(error), tol, callback, iteration)
        if word:
            return state, error, iteration, word
    return state, error, iteration, "max_iterations"


def _word(error, tol, callback, iteration):
    if callback is not None and callback(iteration, error):
        return "stopped"
    if error != error:
        return "not_finite"
    return "converged" if error <= tol else None


# --- free support ---------------------------------------------------------------------------------


def _free(xp, points, clouds, shares, epsilon, limits):
    """x_i ← x_i + θ (Σ_k λ_k T_k(x_i) − T_self(x_i)), T barycentric maps; θ halves on a rise."""
    tol, max_iterations, callback = limits
    weights = uniform(xp, points.shape[0], points)
    width = _width(xp, [points, *(y for y, _ in clouds)])
    value, move, known = _objective(xp, points, weights, clouds, shares, epsilon)
    step, word, error = 1.0, None, xp.max(xp.abs(move)) / width
    for iteration in range(1, max_iterations + 1):
        word = _word(float(error), tol, callback, iteration)
        if word:
            break
        while True:
            tried = points + step * move
            new = _objective(xp, tried, weights, clouds, shares, epsilon, known)
            if float(new[0]) <= float(value) or step < _SMALLEST_STEP:
                break
            step /= 2
        if float(new[0]) > float(value):
            word = "stalled"
            break
        points, (value, move, known), step = tried, new, min(1.0, 2 * step)
        error = xp.max(xp.abs(move)) / width
    word = word or "max_iterations"
    converged = word == "converged"
    return BarycenterResult(points, weights, value, error, iteration, converged, word)


def _width(xp, clouds):
    both = xp.concat(clouds)
    return xp.max(xp.max(both, axis=0) - xp.min(both, axis=0))


def _objective(xp, points, weights, clouds, shares, epsilon, known=None):
    """Σ_k λ_k OT_ε(α, β_k) − OT_ε(α, α)/2, the step its gradient asks for, and the potentials."""
    options = Options(epsilon, _TRANSPORT_TOL, max_iterations=_TRANSPORT_PASSES)
    known = [None] * (len(clouds) + 1) if known is None else known
    problems = [(s, y, b, False) for s, (y, b) in zip(shares, clouds, strict=True)]
    problems.append((-0.5, points, weights, True))
    value, move, potentials = 0.0 * xp.sum(points), 0.0 * points, []
    for (share, y, b, own), init in zip(problems, known, strict=True):
        cost = costs.as_cost(xp, points, y, "sqeuclidean", "auto")
        result = solve(xp, cost, weights, b, options._replace(init=init), symmetric=own)
        f, g = result.potentials
        centre = xp.mean(y, axis=0)
        means = plan_rows(xp, costs.Points(points, y), f, g, b, y - centre, epsilon) + centre
        value = value + share * result.value
        move = move + (2 * share if own else share) * (means - points)
        potentials.append(result.potentials)
    return value, move, potentials
