"""Exact optimal transport, with a sparse plan and the potentials that prove it optimal.

Kantorovich's linear program min ⟨P, C⟩ over plans with the given marginals, and its dual max ⟨a, f⟩
+ ⟨b, g⟩ over f_i + g_j ≤ C_ij (Peyré & Cuturi, "Computational Optimal Transport", 2019, sections
2.3–2.5 and 3). It is solved on the host, in double precision, whatever library asks.
"""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_choice, check_number, check_real, check_shape
from mathcore.transport import costs, ground_costs, measures, slopes
from mathcore.transport.minimum_cost import minimum_cost_flow

__all__ = ["ExactTransport", "SparsePlan", "emd", "wasserstein"]


class SparsePlan(NamedTuple):
    """The arcs that carry mass, at most n + m − 1.

    Attributes
    ----------
    rows, columns : array of int (k,)
        Where mass comes from and where it goes, in the order of the rows.
    mass : array (k,)
        How much, positive.
    """

    rows: Any
    columns: Any
    mass: Any


class ExactTransport(NamedTuple):
    """An optimal plan and what certifies it.

    Attributes
    ----------
    value : array ()
        `transport_cost`, or its p-th root for `wasserstein`; differentiable.
    transport_cost : array ()
        ⟨P, C⟩; differentiable.
    plan : SparsePlan
        Rows, columns and mass of P. Its marginals are the weights to rounding.
    potentials : tuple of array (n,), (m,)
        (f, g) with f_i + g_j ≤ C_ij everywhere, to rounding, and ⟨a, f⟩ = ⟨b, g⟩; +inf for a point
        that has neither weight nor arc.
    gap : array ()
        ⟨P, C⟩ − ⟨a, f⟩ − ⟨b, g⟩ of the plan and the potentials returned, evaluated in double
        precision: an upper bound, to rounding, of how far P is from optimal.
    """

    value: Any
    transport_cost: Any
    plan: Any
    potentials: Any
    gap: Any


@_arrays.halves_in_float32
def emd(cost_matrix, a=None, b=None):
    """Exact optimal transport with an explicit cost matrix (earth mover's distance).

    Parameters
    ----------
    cost_matrix : array (n, m)
        Any sign; +inf forbids an arc.
    a : array (n,), optional
        Weights ≥ 0 of the rows, 1/n each when None.
    b : array (m,), optional
        Weights of the columns, of the same sum within 1e-6 relative; scaled to the sum of `a`.

    Returns
    -------
    ExactTransport
        `value` is min ⟨P, C⟩.

    Raises
    ------
    ValueError
        Shapes do not fit, a weight is negative, masses differ, a value is NaN, or the allowed arcs
        cannot carry the weights.
    TypeError
        Complex arrays, arrays of different libraries, or arrays whose values are not known
        (``jax.jit``, ``vmap``).

    Notes
    -----
    Unlike POT's ``ot.emd2`` the answer comes with its proof, forbidden arcs and NaN are seen, and
    tolerances follow the scale of the cost. In torch and JAX `value` has the exact first
    derivatives: P in the cost, f and g in the weights (in directions that keep the masses equal),
    by the envelope theorem; second derivatives are not those of the value. Where the plan or the
    potentials are not unique, that is one of the subgradients.

    References
    ----------
    .. [1] G. Peyré, M. Cuturi, "Computational Optimal Transport", 2019, sections 2.5 and 3.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import emd
    >>> result = emd(np.array([[1.0, 2.0], [3.0, 9.0]]))
    >>> float(result.value), result.plan.columns.tolist()
    (2.5, [1, 0])
    >>> f, g = result.potentials
    >>> bool(abs(result.gap) < 1e-14), (f[:, None] + g).tolist()
    (True, [[1.0, 2.0], [3.0, 4.0]])
    """
    xp, c, a, b = _arrays.asarrays(cost_matrix=cost_matrix, a=a, b=b)
    check_real(c, "cost_matrix")
    check_shape(c, (None, None), "cost_matrix")
    a, b = measures.check_weights(xp, c, c.shape, a, b)
    _check_known(c, a, b)
    measures.check_arcs(xp, costs.Matrix(c), a, b)
    return _certified(xp, ground_costs.Stored(_on_host(c)), (c,), a, b, 1.0)


@_arrays.halves_in_float32
def wasserstein(x, y, a=None, b=None, *, p=2, cost=None):
    """Exact Wasserstein distance between two weighted point clouds.

    Parameters
    ----------
    x : array (n, d)
        Points.
    y : array (m, d)
        Points.
    a : array (n,), optional
        Weights ≥ 0 of x, 1/n each when None.
    b : array (m,), optional
        Weights of y, of the same sum within 1e-6 relative; scaled to the sum of `a`.
    p : float, optional
        Exponent ≥ 1.
    cost : str or callable, optional
        C; |x − y|^p when None. "sqeuclidean" and "euclidean" are |x − y|² and |x − y|; a callable
        ``(x, y) -> (n, m)`` is stored, +inf forbids an arc, and where p ≠ 1 it must be ≥ 0.

    Returns
    -------
    ExactTransport
        `value` is (min ⟨P, C⟩)^(1/p); `gap` is in the units of C.

    Raises
    ------
    ValueError, TypeError
        As for `emd`; also where a point is not finite, a cloud is empty, or p < 1.

    Notes
    -----
    Without a callable no n × m array is stored. SciPy's ``wasserstein_distance_nd`` is p = 1 by a
    general linear program; POT's ``emd2`` on ``dist(x, y)`` is `value` squared. First
    derivatives in the points, the weights and what a callable cost closes over as for `emd`; at
    distance zero the gradient is zero.

    References
    ----------
    .. [1] G. Peyré, M. Cuturi, "Computational Optimal Transport", 2019, proposition 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import wasserstein
    >>> x = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> result = wasserstein(x, x[::-1] + [3.0, 4.0])
    >>> float(result.value), result.plan.columns.tolist()
    (5.0, [1, 0])
    """
    xp, x, y, a, b = _arrays.asarrays(x=x, y=y, a=a, b=b)
    p = check_number(p, "p", at_least=1)
    a, b = measures.check_measures(xp, x, y, a, b)
    _check_known(x, y, a, b)
    if callable(cost):
        c = costs.called(xp, cost, x, y)
        _check_known(c)
        measures.check_arcs(xp, costs.Matrix(c), a, b)
        solved = ground_costs.Stored(_on_host(c))
        if p != 1 and np.min(solved.c) < 0:
            raise ValueError(f"`cost` must be >= 0 for p = {p:g}; got {np.min(solved.c):g}")
        return _certified(xp, solved, (c,), a, b, p)
    if cost is not None:
        check_choice(cost, costs.COSTS, "cost")
    exponent = {None: p, "sqeuclidean": 2.0, "euclidean": 1.0}[cost]
    solved = ground_costs.Powers(_on_host(x), _on_host(y), exponent)
    return _certified(xp, solved, (x, y), a, b, p)


def _check_known(*arrays):
    """TypeError where values cannot be read."""
    for v in arrays:
        if _arrays.concrete(_arrays.result_namespace(v).sum(_arrays.detach(v))) is None:
            raise TypeError(
                "exact transport must know the values of its arrays; got one under jit or vmap"
            )


def _on_host(v):
    """The values as the kernels are compiled for; a NumPy array that is so is not copied."""
    v = v if _arrays.is_numpy(v) else _arrays.to_numpy(v)
    return np.require(v, np.float64, ("C", "W"))


def root(xp, squares, q):
    """squares^(1/q) for squares ≥ 0, with gradient 0 at 0."""
    if q == 1:
        return squares
    positive = squares > 0
    return xp.where(positive, xp.where(positive, squares, 1.0) ** (1 / q), 0.0)


def _certified(xp, solved, arguments, a, b, p):
    """Solve on the host, and give the value its derivatives in the arguments of the cost."""
    weights = [_on_host(w) for w in (a, b)]
    flow = _flow_with_all_points(solved, *weights)
    shift = (_dot(weights[0], flow.f) - _dot(weights[1], flow.g)) / (2 * np.sum(weights[0]))
    f, g = flow.f - shift, flow.g + shift
    primal = float(np.sum(flow.mass * solved.at(flow.rows, flow.columns)))
    gap = primal - _dot(weights[0], f) - _dot(weights[1], g)
    by_cost = (
        solved.slopes(flow.rows, flow.columns, flow.mass)
        if any(_arrays.detach(v) is not v for v in arguments)
        else ()
    )
    finite = (np.where(np.isfinite(u), u, 0.0) for u in (f, g))
    pairs = zip((*by_cost, *finite), (*arguments[: len(by_cost)], a, b), strict=True)
    pairs = [(_arrays.from_numpy(slope, v), v) for slope, v in pairs]
    primal, gap, f, g, mass = (
        _arrays.from_numpy(np.asarray(v), a) for v in (primal, gap, f, g, flow.mass)
    )
    moved = slopes.attach(xp, primal, pairs)
    ends = (
        xp.asarray(v.astype(np.int64), device=_arrays.device(a)) for v in (flow.rows, flow.columns)
    )
    return ExactTransport(root(xp, moved, p), moved, SparsePlan(*ends, mass), (f, g), gap)


def _dot(weights, potential):
    used = weights > 0
    return float(weights[used] @ potential[used])


def _flow_with_all_points(solved, a, b):
    """The flow between points with weight, and c-transforms as the potentials of the others."""
    rows, columns = np.flatnonzero(a), np.flatnonzero(b)
    all_used = rows.shape[0] == a.shape[0] and columns.shape[0] == b.shape[0]
    flow = minimum_cost_flow(
        solved if all_used else solved.part(rows, columns), a[rows], b[columns]
    )
    if flow is None:
        raise ValueError("the allowed arcs must be able to carry the weights; got none that can")
    if all_used:
        return flow
    f = np.full(a.shape[0], -np.inf)
    f[rows] = flow.f
    g = ground_costs.least_arcs_of_columns(solved, f, 1)[0][:, 0]
    g[columns] = flow.g
    f_all = ground_costs.least_arcs(solved, np.where(np.isfinite(g), g, -np.inf), 1)[0][:, 0]
    f_all[rows] = flow.f
    return flow._replace(rows=rows[flow.rows], columns=columns[flow.columns], f=f_all, g=g)
