"""Entropic optimal transport: Sinkhorn's algorithm with certificates and exact derivatives.

Cuturi, "Sinkhorn distances", NeurIPS 2013; the log domain, ε-scaling and stopping rule as in Peyré
& Cuturi, "Computational Optimal Transport", 2019, section 4.4.
"""

import warnings

from mathcore import _arrays
from mathcore._checks import check_matrix, check_real
from mathcore.transport import costs, measures, slopes
from mathcore.transport.alternation import TransportResult, in_double, options_of, solve
from mathcore.transport.soft_minima import common_batch

__all__ = ["TransportResult", "sinkhorn", "sinkhorn_cost", "sinkhorn_divergence"]


@_arrays.halves_in_float32
def sinkhorn(
    x,
    y,
    a=None,
    b=None,
    *,
    epsilon,
    cost="sqeuclidean",
    tol=1e-6,
    gap_tol=None,
    max_iterations=10_000,
    method="auto",
    init=None,
    marginal_penalty=None,
    progress=False,
    callback=None,
):
    """Entropic optimal transport between two weighted point clouds, or a batch of such pairs.

    Parameters
    ----------
    x : array (..., n, d)
        Points. Leading axes are independent problems, solved together.
    y : array (..., m, d)
        Points.
    a : array (..., n), optional
        Weights ≥ 0 of x, 1/n each when None. A point of weight zero is as good as absent.
    b : array (..., m), optional
        Weights of y, of the same sum within 1e-6 relative; of any sum with a marginal penalty.
    epsilon : float
        Regularisation, positive, in the units of the cost.
    cost : str or callable, optional
        "sqeuclidean" |x − y|², "euclidean", or a callable ``(x, y) -> (..., n, m)``, +inf where an
        arc is forbidden. The last two are stored.
    tol : float, optional
        Largest L1 error of the marginals, as a fraction of the mass. What single precision cannot
        reach is finished in double.
    gap_tol : float, optional
        Largest gap between the bounds, in the units of the cost.
    max_iterations : int, optional
        Full passes, those of ε-scaling included.
    method : str, optional
        "streamed" computes |x − y|² where it is used, in O(n + m) memory; "stored" keeps the
        matrix; "auto" stores it from dimension 8 on, up to 2 GB. The last two keep the exponentials
        between passes while they take no more than 128 MB.
    init : tuple of array (..., n), (..., m), optional
        Potentials to start from, for instance those of a nearby problem.
    marginal_penalty : float, optional
        ρ: the marginals need not be met, they cost ρ KL(P1 ‖ a) + ρ KL(Pᵀ1 ‖ b).
    progress : bool, optional
        Show a progress bar.
    callback : callable, optional
        ``callback(iteration, marginal_error)`` after every pass; a true return stops.

    Returns
    -------
    TransportResult

    Raises
    ------
    ValueError
        Shapes do not fit, a cloud is empty, a weight is negative, masses differ, a value is NaN,
        `epsilon` is not positive, or a word is unknown.
    TypeError
        Complex arrays, or arrays of different libraries.

    Notes
    -----
    Value, bounds and potentials are those of the problem with KL(P ‖ a⊗b) = Σ P log(P/(a⊗b)) − ΣP +
    Σa Σb. OTT keeps the weights inside its potentials; POT's ``sinkhorn2`` returns ⟨P, C⟩ alone;
    GeomLoss with p = 2 halves the cost. None of them proves how far its value is off.

    Log-domain Sinkhorn with ε-scaling and safeguarded Anderson acceleration (`fixed_points`). The
    lower bound is the dual value, the upper bound the objective of a rounded, feasible plan. POT's
    ``ot.unbalanced.sinkhorn_unbalanced`` returns the plan of the same penalised problem with
    ``reg_type="kl"`` and no bounds.

    In torch and JAX, `value` has the exact first derivatives in x, y, a, b (and in what a callable
    cost closes over), at the accuracy of the potentials, and the exact second ones: a product with
    the Hessian is a linear system, solved by conjugate gradients. Third derivatives raise in torch
    and are wrong in JAX. Weights move along with the mass of the other side; the constant in (f, g)
    is arbitrary. The loop is never differentiated, so memory does not grow with the iterations;
    first derivatives take O(n + m), in torch the second too. Under ``jax.jit`` values are not
    checked, and the callback, the bar and `gap_tol` are not available.

    References
    ----------
    .. [1] M. Cuturi, "Sinkhorn distances", NeurIPS 2013.
    .. [2] G. Peyré, M. Cuturi, "Computational Optimal Transport", 2019, section 4.
    .. [3] J. Altschuler, J. Weed, P. Rigollet, NeurIPS 2017, algorithm 2.
    .. [4] T. Séjourné, F.-X. Vialard, G. Peyré, AISTATS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import sinkhorn
    >>> x = np.array([[0.0], [1.0]])
    >>> result = sinkhorn(x, x, epsilon=1.0)
    >>> bool(result.lower_bound <= result.value <= result.upper_bound), result.status
    (True, 'converged')
    >>> round(float(result.value), 6)  # log 2 − log(1 + 1/e)
    0.379885
    """
    xp, x, y, a, b = _arrays.asarrays(x=x, y=y, a=a, b=b)
    options = options_of(
        epsilon,
        tol,
        max_iterations,
        gap_tol=gap_tol,
        init=init,
        marginal_penalty=marginal_penalty,
        keep=method != "streamed",
        progress=progress,
        callback=callback,
    )
    balanced = marginal_penalty is None
    x, y, a, b = measures.broadcast_measures(xp, x, y, a, b, balanced=balanced)
    return _between_clouds(xp, (x, y), (a, b), cost, method, options)


def _between_clouds(xp, points, weights, cost, method, options, *, symmetric=False):
    at = [_arrays.detach(v) for v in (*points, *weights)]

    def solved(dtype, options, iterations):
        x, y, a, b = (xp.astype(v, dtype, copy=False) for v in at)
        chosen = costs.as_cost(xp, x, y, cost, method)
        if callable(cost):
            measures.check_arcs(xp, chosen, a, b)
        if options.penalty is None:
            b = b * (xp.sum(a, axis=-1) / xp.sum(b, axis=-1))[..., None]
        return solve(xp, chosen, a, b, options, symmetric=symmetric, iterations=iterations)

    result = in_double(xp, solved(at[0].dtype, options, 0), solved, options)
    if callable(cost) or cost != "sqeuclidean":
        matrix = costs.as_cost(xp, *points, cost, "stored").c
        solved_cost, arguments = costs.Matrix(_arrays.detach(matrix)), (matrix, *weights)
    else:
        solved_cost, arguments = costs.Points(*at[:2]), (*points, *weights)
    return result._replace(value=slopes.entropic_value(xp, result, solved_cost, arguments, options))


@_arrays.halves_in_float32
def sinkhorn_cost(
    cost_matrix,
    a=None,
    b=None,
    *,
    epsilon,
    tol=1e-6,
    gap_tol=None,
    max_iterations=10_000,
    init=None,
    marginal_penalty=None,
    progress=False,
    callback=None,
):
    """Entropic optimal transport with an explicit cost matrix.

    Parameters
    ----------
    cost_matrix : array (..., n, m)
        Any sign; +inf forbids an arc. Every point with weight must keep an arc to one with weight.
    a, b, epsilon, tol, gap_tol, max_iterations, init, marginal_penalty, progress, callback
        As for `sinkhorn`.

    Returns
    -------
    TransportResult
        With forbidden arcs the upper bound is finite only if the rounded plan avoids them.

    Raises
    ------
    ValueError, TypeError
        As for `sinkhorn`; also where a row or column with weight has no arc.

    Notes
    -----
    `value` has exact derivatives in `cost_matrix` (the plan), `a` and `b`, as in `sinkhorn`. Unlike
    POT's ``ot.sinkhorn`` the kernel exp(−C/ε) is never formed: no ε underflows.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import sinkhorn_cost
    >>> result = sinkhorn_cost(np.array([[0.0, np.inf], [np.inf, 0.0]]), epsilon=0.1)
    >>> result.converged, round(float(result.value), 6)  # everything stays: ε log 2
    (True, 0.069315)
    """
    xp, c, a, b = _arrays.asarrays(cost_matrix=cost_matrix, a=a, b=b)
    options = options_of(
        epsilon,
        tol,
        max_iterations,
        gap_tol=gap_tol,
        init=init,
        marginal_penalty=marginal_penalty,
        progress=progress,
        callback=callback,
    )
    check_real(c, "cost_matrix")
    check_matrix(c, "cost_matrix")
    a, b = measures.check_weights(xp, c, c.shape, a, b, balanced=marginal_penalty is None)
    batch = common_batch(cost_matrix=(c, 2), a=(a, 1), b=(b, 1))
    c = xp.broadcast_to(c, (*batch, *c.shape[-2:]))
    a, b = measures.broadcast_weights(xp, batch, a, b)
    at = [_arrays.detach(v) for v in (c, a, b)]
    measures.check_arcs(xp, costs.Matrix(at[0]), *at[1:])

    def solved(dtype, options, iterations):
        c, a, b = (xp.astype(v, dtype, copy=False) for v in at)
        return solve(xp, costs.Matrix(c), a, b, options, iterations=iterations)

    result = in_double(xp, solved(c.dtype, options, 0), solved, options)
    value = slopes.entropic_value(xp, result, costs.Matrix(at[0]), (c, a, b), options)
    return result._replace(value=value)


@_arrays.halves_in_float32
def sinkhorn_divergence(
    x,
    y,
    a=None,
    b=None,
    *,
    epsilon,
    cost="sqeuclidean",
    tol=1e-6,
    max_iterations=10_000,
    method="auto",
):
    """Debiased entropic transport: OT(a, b) − ½ OT(a, a) − ½ OT(b, b).

    Parameters
    ----------
    x, y, a, b, epsilon, cost, tol, max_iterations, method
        As for `sinkhorn`; the cost must be symmetric and zero on the diagonal.

    Returns
    -------
    array (...)
        ≥ 0 for the two named costs, 0 on equal measures, twice differentiable as `sinkhorn` is.

    Raises
    ------
    ValueError, TypeError
        As for `sinkhorn`.

    Warns
    -----
    RuntimeWarning
        One of the three problems took `max_iterations`: a single number cannot say it otherwise.

    Notes
    -----
    The self-terms are solved by the symmetric iteration f ← (f + T f)/2 to the same tolerance;
    terms solved to different ones make published implementations return negative values.

    References
    ----------
    .. [1] J. Feydy et al., "Interpolating between optimal transport and MMD using Sinkhorn
       divergences", AISTATS 2019, eq. (3) and section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import sinkhorn_divergence
    >>> x = np.array([[0.0], [1.0]])
    >>> round(float(sinkhorn_divergence(x, x + 2.0, epsilon=0.1)), 4)  # a translation: |2|²
    4.0
    """
    xp, x, y, a, b = _arrays.asarrays(x=x, y=y, a=a, b=b)
    options = options_of(epsilon, tol, max_iterations, keep=method != "streamed")
    x, y, a, b = measures.broadcast_measures(xp, x, y, a, b)
    value = (
        _term(xp, (x, y), (a, b), cost, method, options, symmetric=False)
        - 0.5 * _term(xp, (x, x), (a, a), cost, method, options, symmetric=True)
        - 0.5 * _term(xp, (y, y), (b, b), cost, method, options, symmetric=True)
    )
    at = _arrays.detach(value)
    return value + (xp.where(at < 0, 0.0, at) - at)  # rounding only; the gradient stays


def _term(xp, points, weights, cost, method, options, *, symmetric):
    result = _between_clouds(xp, points, weights, cost, method, options, symmetric=symmetric)
    if "max_iterations" in (result.status or ()):
        error = float(xp.max(result.marginal_error))
        warnings.warn(
            f"sinkhorn_divergence: marginal error {error:.2g} after "
            f"{options.max_iterations} iterations, above tol = {options.tol:g}",
            RuntimeWarning,
            stacklevel=4,
        )
    return result.value
