"""The hot operation of entropic transport: a soft minimum over every row of a cost.

T(g)_i = −ε log Σ_j b_j exp((g_j − C_ij)/ε) is the entropic c-transform (Peyré & Cuturi,
"Computational Optimal Transport", 2019, eq. (4.40)); a Sinkhorn iteration is two of them.
"""

import math

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_number, check_real, check_shape
from mathcore.transport import costs

_LOG2_E = math.log2(math.e)
_LARGEST_EXPONENT = 80.0  # exp of it is finite in float32


@_arrays.halves_in_float32
def soft_minimum(x, y, potential, b=None, *, epsilon):
    """Soft minimum over y of |x − y|² − potential(y), weighted by `b`.

    Parameters
    ----------
    x : array (n, d)
        Points.
    y : array (m, d)
        At least one point.
    potential : array (m,)
        −inf leaves a point out.
    b : array (m,), optional
        Weights ≥ 0 of y; 1/m each when None. Zero leaves a point out.
    epsilon : float
        Positive, in the units of |x − y|².

    Returns
    -------
    array (n,)
        −ε log Σ_j b_j exp((potential_j − |x_i − y_j|²)/ε): between the smallest
        |x_i − y_j|² − potential_j − ε log b_j and that minus ε log m; +inf where every point is
        left out. NaN propagates.

    Raises
    ------
    ValueError
        Shapes do not fit, `y` is empty, or `epsilon` is not positive.
    TypeError
        Complex arrays, or arrays of different libraries.

    Notes
    -----
    On NumPy arrays, and torch CPU tensors without gradient, a threaded kernel takes O(n + m)
    memory. Elsewhere blocks of rows bound the memory; differentiable in torch and JAX to every
    order, and then the blocks are kept for the backward pass. The reduction KeOps and GeomLoss call
    ``softmin`` takes the weights inside the potential, and the cost |x − y|²/2.

    References
    ----------
    .. [1] G. Peyré, M. Cuturi, "Computational Optimal Transport", 2019, section 4.4.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import soft_minimum
    >>> x, y = np.array([[0.0], [3.0]]), np.array([[0.0], [1.0]])
    >>> soft_minimum(x, y, np.zeros(2), epsilon=0.1).round(2)  # to the nearest y, + ε log 2
    array([0.07, 4.07])
    """
    xp, x, y, potential, b = _arrays.asarrays(x=x, y=y, potential=potential, b=b)
    epsilon = check_number(epsilon, "epsilon", above=0)
    check_clouds(x, y)
    check_real(potential, "potential")
    check_shape(potential, (y.shape[0],), "potential")
    if b is None:
        b = uniform(xp, y.shape[0], y)
    check_shape(b, (y.shape[0],), "b")
    return soft_rows(xp, costs.Points(x, y), potential, b, epsilon)


def check_clouds(x, y):
    """Two real clouds (n, d), (m, d) of one dimension, the second with points."""
    for name, points in (("x", x), ("y", y)):
        check_real(points, name)
        check_shape(points, (None, None), name)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"`y` must have points of the dimension of `x`, {x.shape[1]}; got {y.shape[1]}"
        )
    if y.shape[0] == 0:
        raise ValueError("`y` must have at least one point; got an empty cloud")


def uniform(xp, n, like):
    """`n` equal weights that sum to one, in the dtype and on the device of `like`."""
    return xp.full((n,), 1.0 / n, dtype=like.dtype, device=_arrays.device(like))


def soft_rows(xp, cost, g, b, epsilon, guess=None):
    """T(g), (n,); `guess` (n,) is a value near it that spares the kernel a pass."""
    views = _arrays.kernel_views(*cost, g, b)
    if views is not None:
        return _arrays.from_kernel(_fused_soft_rows(type(cost), views, epsilon, guess), g)
    return soft_rows_by_definition(xp, cost, g, b, epsilon)


def soft_rows_by_definition(xp, cost, g, b, epsilon):
    """T(g) in blocks of rows, in any array library."""
    g = _without_absent(xp, g, b)
    blocks = [
        _soft_block(xp, costs.rows(xp, cost, *block), g, b, epsilon)
        for block in costs.row_blocks(cost)
    ]
    return xp.concat(blocks) if blocks else cost[0][:, 0]


def _without_absent(xp, g, b):
    """A point without weight or arc has g = +inf; −inf leaves it out, also beside C = +inf."""
    return xp.where((b == 0) & (g == xp.inf), -xp.inf, g)


def _soft_block(xp, c, g, b, epsilon):
    z = (g - c) / epsilon
    top = _arrays.detach(xp.max(xp.where(b > 0, z, -xp.inf), axis=1))
    top = xp.where(top == -xp.inf, 0.0, top)
    # Weights multiply: their gradient is finite at zero, where only the exponent needs a bound.
    total = xp.sum(b * xp.exp(xp.clip(z - top[:, None], max=_LARGEST_EXPONENT)), axis=1)
    left_out = total == 0
    logs = xp.log(xp.where(left_out, 1.0, total))
    return xp.where(left_out, xp.inf, -epsilon * (top + logs))


def _fused_soft_rows(kind, views, epsilon, guess):
    from mathcore.transport._kernels.soft_minimum_cpu import launch, log_sum

    *pair, g, b = views
    bits = _LOG2_E / float(epsilon)
    out = np.empty(pair[0].shape[0], g.dtype)
    start = np.full_like(out, np.nan) if guess is None else -bits * _arrays.kernel_views(guess)[0]
    h = _log_weights(g, b, bits)
    return launch(log_sum, out, h, (*_scores(kind, pair, bits), h, start)) / -bits


def plan_rows(xp, cost, f, g, b, v, epsilon):
    """Σ_j b_j exp((f_i + g_j − C_ij)/ε) v_jk, (n, k) for v (m, k); 0 where f_i is infinite."""
    finite = xp.isfinite(f)
    f = xp.where(finite, f, 0.0)
    views = _arrays.kernel_views(*cost, f, g, b, v)
    if views is not None:
        sums = _arrays.from_kernel(_fused_plan_rows(type(cost), views, epsilon), v)
    else:
        g = _without_absent(xp, g, b)
        blocks = [
            _density(xp, costs.rows(xp, cost, *block), f[slice(*block)], g, epsilon) * b @ v
            for block in costs.row_blocks(cost)
        ]
        sums = xp.concat(blocks)
    return xp.where(finite[:, None], sums, 0.0)


def _density(xp, c, f, g, epsilon):
    return xp.exp(xp.clip((f[:, None] + g - c) / epsilon, max=_LARGEST_EXPONENT))


def _fused_plan_rows(kind, views, epsilon):
    from mathcore.transport._kernels.soft_minimum_cpu import launch, sum_products

    *pair, f, g, b, v = views
    bits = _LOG2_E / float(epsilon)
    out = np.empty((f.shape[0], v.shape[1]), v.dtype)
    v_t, h = np.ascontiguousarray(v.T), _log_weights(g, b, bits)
    return launch(sum_products, out, h, (*_scores(kind, pair, bits), h, -bits * f, v_t))


def _scores(kind, pair, bits):
    """The kernels' description of a cost: (x, y_t, c, scale)."""
    dtype = pair[0].dtype
    if kind is costs.Matrix:
        nothing = np.empty((0, 0), dtype)
        return nothing, nothing, pair[0], np.array([bits], dtype)
    x, y = pair
    centre = np.mean(y, axis=0)
    scale = math.sqrt(bits)
    y_t = np.ascontiguousarray(((y - centre) * scale).T)
    return (x - centre) * scale, y_t, np.empty((0, 0), dtype), np.ones(1, dtype)


def _log_weights(g, b, bits):
    used = b != 0
    h = np.full_like(b, -np.inf)
    h[used] = bits * g[used] + np.log2(np.where(b[used] > 0, b[used], np.nan))
    return h
