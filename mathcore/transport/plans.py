"""The plan behind a `TransportResult`: as an array, or applied without one."""

from mathcore import _arrays
from mathcore._checks import check_matrix, check_number, check_real, check_shape
from mathcore.transport import costs, measures
from mathcore.transport.certificates import gibbs_plan
from mathcore.transport.soft_minima import plan_rows


def transport_plan(
    result, x=None, y=None, a=None, b=None, *, epsilon, cost="sqeuclidean", cost_matrix=None
):
    """Plan of a result as an array.

    Parameters
    ----------
    result : TransportResult
        Of `sinkhorn` or `sinkhorn_cost`.
    x, y, a, b, epsilon, cost
        What `sinkhorn` was given.
    cost_matrix : array (n, m), optional
        What `sinkhorn_cost` was given, in place of `x`, `y` and `cost`.

    Returns
    -------
    array (n, m)
        a_i b_j exp((f_i + g_j − C_ij)/ε). Its rows sum to `a` to rounding, its columns to `b`
        within ``result.marginal_error``.

    Raises
    ------
    ValueError
        Neither points nor a cost matrix, or shapes that do not fit the potentials.
    TypeError
        Arrays of different libraries.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import sinkhorn, transport_plan
    >>> x = np.array([[0.0], [1.0]])
    >>> transport_plan(sinkhorn(x, x, epsilon=0.1), x, x, epsilon=0.1).round(4)
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    xp, solved, f, g, a, b = _problem(result, x, y, a, b, cost_matrix, cost)
    epsilon = check_number(epsilon, "epsilon", above=0)
    c = costs.rows(xp, solved, 0, f.shape[-1])
    return gibbs_plan(xp, c, a, b, f, g, epsilon)


def apply_plan(
    result, v, x=None, y=None, a=None, b=None, *, epsilon, cost="sqeuclidean", cost_matrix=None
):
    """Product of the plan with a vector or a matrix, in O(n + m) memory.

    Parameters
    ----------
    result : TransportResult
        Of `sinkhorn` or `sinkhorn_cost`.
    v : array (m,) or (m, k)
        Columns to multiply.
    x, y, a, b, epsilon, cost, cost_matrix
        As for `transport_plan`.

    Returns
    -------
    array (n,) or (n, k)
        Σ_j P_ij v_j.

    Raises
    ------
    ValueError, TypeError
        As for `transport_plan`.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import apply_plan, sinkhorn
    >>> x = np.array([[0.0], [1.0]])
    >>> result = sinkhorn(x, x, epsilon=0.1)
    >>> apply_plan(result, np.array([2.0, 4.0]), x, x, epsilon=0.1).round(3)
    array([1., 2.])
    """
    xp, solved, f, g, a, b, v = _problem(result, x, y, a, b, cost_matrix, cost, v=v)
    epsilon = check_number(epsilon, "epsilon", above=0)
    vector = v.ndim == g.ndim and v.shape[-1] == g.shape[-1]
    if not vector and (v.ndim != g.ndim + 1 or v.shape[-2] != g.shape[-1]):
        raise ValueError(
            f"`v` must have shape (..., {g.shape[-1]}) or (..., {g.shape[-1]}, any); "
            f"got {tuple(v.shape)}"
        )
    columns = v[..., None] if vector else v
    f, g = xp.where(a > 0, f, 0.0), xp.where(b > 0, g, 0.0)
    product = a[..., None] * plan_rows(xp, solved, f, g, b, columns, epsilon)
    return product[..., 0] if vector else product


def barycentric_map(
    result, x=None, y=None, a=None, b=None, *, epsilon, cost="sqeuclidean", cost_matrix=None
):
    """Mean of y under the plan, conditional on each x: the entropic estimate of the transport map.

    Parameters
    ----------
    result : TransportResult
        Of `sinkhorn` or `sinkhorn_cost`.
    x, y, a, b, epsilon, cost, cost_matrix
        As for `transport_plan`; `y` (m, d) is needed beside a cost matrix too.

    Returns
    -------
    array (n, d)
        Σ_j P_ij y_j / Σ_j P_ij; where `a` is zero, with the density of its soft c-transform. NaN
        for a point without an arc.

    Raises
    ------
    ValueError, TypeError
        As for `transport_plan`.

    References
    ----------
    .. [1] A.-A. Pooladian, J. Niles-Weed, "Entropic estimation of optimal transport maps",
       arXiv:2109.12004, eq. (5).

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import barycentric_map, sinkhorn
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[5.0], [7.0]])
    >>> barycentric_map(sinkhorn(x, y, epsilon=0.1), x, y, epsilon=0.1).round(3)
    array([[5.],
           [7.]])
    """
    if y is None:
        raise ValueError("`y` must be given; got None")
    xp, solved, f, g, a, b, y = _problem(result, x, y, a, b, cost_matrix, cost, v=y)
    epsilon = check_number(epsilon, "epsilon", above=0)
    # The means are differences from the centre, and keep their digits.
    centre = xp.mean(y, axis=-2, keepdims=True)
    columns = xp.concat([y - centre, xp.ones_like(y[..., :1])], axis=-1)
    sums = plan_rows(xp, solved, f, g, b, columns, epsilon)
    mass = sums[..., -1:]
    return xp.where(mass > 0, sums[..., :-1] / xp.where(mass > 0, mass, 1.0), xp.nan) + centre


def _problem(result, x, y, a, b, cost_matrix, cost, v=None):
    f, g = result.potentials
    if cost_matrix is None and (x is None or y is None):
        raise ValueError("`x` and `y` must be given where `cost_matrix` is not; got None")
    xp, f, g, a, b, c, x, y, v = _arrays.asarrays(
        f=f, g=g, a=a, b=b, cost_matrix=cost_matrix, x=x, y=y, v=v
    )
    balanced = False  # the plan of a result with a marginal penalty is one too
    if c is None:
        x, y, a, b = measures.broadcast_measures(xp, x, y, a, b, balanced=balanced)
        solved = costs.as_cost(xp, x, y, cost, "auto")
    else:
        check_real(c, "cost_matrix")
        check_matrix(c, "cost_matrix")
        a, b = measures.check_weights(xp, c, c.shape, a, b, balanced=balanced)
        a, b = measures.broadcast_weights(xp, c.shape[:-2], a, b)
        solved = costs.Matrix(c)
    for name, potential, weights in (("f", f, a), ("g", g, b)):
        check_shape(potential, tuple(weights.shape), f"result.potentials {name}")
    parts = (xp, solved, f, g, a, b)
    return parts if v is None else (*parts, v)
