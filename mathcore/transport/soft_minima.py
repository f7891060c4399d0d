"""The hot operation of entropic transport: a soft minimum over every row of a cost.

T(g)_i = −ε log Σ_j b_j exp((g_j − C_ij)/ε) is the entropic c-transform (Peyré & Cuturi,
"Computational Optimal Transport", 2019, eq. (4.40)); a Sinkhorn iteration is two of them.
"""

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_number, check_real
from mathcore.transport import costs

_LARGEST_EXPONENT = 80.0  # exp of it is finite in float32


@_arrays.halves_in_float32
def soft_minimum(x, y, potential, b=None, *, epsilon):
    """Soft minimum over y of |x − y|² − potential(y), weighted by `b`.

    Parameters
    ----------
    x : array (..., n, d)
        Points.
    y : array (..., m, d)
        At least one point.
    potential : array (..., m)
        −inf leaves a point out.
    b : array (..., m), optional
        Weights ≥ 0 of y; 1/m each when None. Zero leaves a point out.
    epsilon : float
        Positive, in the units of |x − y|².

    Returns
    -------
    array (..., n)
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
    b = uniform(xp, y.shape[-2], y) if b is None else b
    for name, v in (("potential", potential), ("b", b)):
        check_real(v, name)
        check_vectors(v, y.shape[-2], name)
    batch = common_batch(x=(x, 2), y=(y, 2), potential=(potential, 1), b=(b, 1))
    x, y = (xp.broadcast_to(v, (*batch, *v.shape[-2:])) for v in (x, y))
    potential, b = (xp.broadcast_to(v, (*batch, v.shape[-1])) for v in (potential, b))
    return soft_rows(xp, costs.Points(x, y), potential, b, epsilon)


def check_clouds(x, y):
    """Two real clouds (..., n, d), (..., m, d) of one dimension, the second with points."""
    for name, points in (("x", x), ("y", y)):
        check_real(points, name)
        if points.ndim < 2:
            raise ValueError(f"`{name}` must have shape (..., any, any); got {tuple(points.shape)}")
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"`y` must have points of the dimension of `x`, {x.shape[-1]}; got {y.shape[-1]}"
        )
    if y.shape[-2] == 0:
        raise ValueError("`y` must have at least one point; got an empty cloud")


def check_vectors(v, size, name):
    """Shape (..., size)."""
    if v.ndim < 1 or v.shape[-1] != size:
        raise ValueError(f"`{name}` must have shape (..., {size}); got {tuple(v.shape)}")


def common_batch(**named):
    """Broadcast shape of the leading axes; each value is (array, number of its own last axes)."""
    batch = ()
    for name, (v, own) in named.items():
        lead = tuple(v.shape[: v.ndim - own])
        try:
            batch = np.broadcast_shapes(batch, lead)
        except ValueError as error:
            raise ValueError(
                f"`{name}` must have leading axes that broadcast to {batch}; got {lead}"
            ) from error
    return batch


def uniform(xp, n, like):
    """`n` equal weights that sum to one, in the dtype and on the device of `like`."""
    return xp.full((n,), 1.0 / n, dtype=like.dtype, device=_arrays.device(like))


def soft_rows(xp, cost, g, b, epsilon, guess=None):
    """T(g), (..., n); `guess` (..., n) is a value near it that spares the kernel a pass.

    `epsilon` is a number, or an array of the leading axes.
    """
    views = _arrays.kernel_views(*cost, g, b)
    if views is not None:
        from mathcore.transport.kernel_problems import log_sums

        *pair, g_view, b_view = views
        known = None if guess is None else _arrays.kernel_views(guess)[0]
        return _arrays.from_kernel(log_sums(pair, g_view, b_view, host(epsilon), known), g)
    return soft_rows_by_definition(xp, cost, g, b, epsilon)


def host(epsilon):
    """`epsilon` as the kernels read it."""
    return _arrays.kernel_views(epsilon)[0] if _arrays.is_array(epsilon) else epsilon


def soft_rows_by_definition(xp, cost, g, b, epsilon):
    """T(g) in blocks of rows, in any array library."""
    g = without_absent(xp, g, b)
    blocks = [
        _soft_block(xp, costs.rows(xp, cost, *block), g, b, each_row(epsilon))
        for block in costs.row_blocks(cost)
    ]
    return xp.concat(blocks, axis=-1) if blocks else cost[0][..., 0]


def each_row(epsilon):
    """`epsilon` beside arrays with one more axis."""
    return epsilon[..., None] if _arrays.is_array(epsilon) else epsilon


def without_absent(xp, g, b):
    """A point without weight or arc has g = +inf; −inf leaves it out, also beside C = +inf."""
    return xp.where((b == 0) & (g == xp.inf), -xp.inf, g)


def _soft_block(xp, c, g, b, epsilon):
    z = (g[..., None, :] - c) / each_row(epsilon)
    b = b[..., None, :]
    top = _arrays.detach(xp.max(xp.where(b > 0, z, -xp.inf), axis=-1))
    top = xp.where(top == -xp.inf, 0.0, top)
    # Weights multiply: their gradient is finite at zero, where only the exponent needs a bound.
    exponent = xp.clip(z - top[..., None], max=_LARGEST_EXPONENT)
    total = xp.sum(b * xp.exp(exponent), axis=-1)
    left_out = total == 0
    logs = xp.log(xp.where(left_out, 1.0, total))
    return xp.where(left_out, xp.inf, -epsilon * (top + logs))


def plan_rows(xp, cost, f, g, b, v, epsilon):
    """Σ_j b_j exp((f_i + g_j − C_ij)/ε) v_jr, (..., n, r) for v (..., m, r); 0 where f is inf."""
    finite = xp.isfinite(f)
    f = xp.where(finite, f, 0.0)
    views = _arrays.kernel_views(*cost, f, g, b, v)
    if views is not None:
        from mathcore.transport.kernel_problems import plan_sums

        *pair, f_view, g_view, b_view, v_view = views
        sums = plan_sums(pair, f_view, g_view, b_view, v_view, host(epsilon))
        sums = _arrays.from_kernel(sums, v)
    else:
        g = without_absent(xp, g, b)
        sums = xp.concat(
            [
                _density(xp, costs.rows(xp, cost, i, j), f[..., i:j], g, epsilon)
                * b[..., None, :]
                @ v
                for i, j in costs.row_blocks(cost)
            ],
            axis=-2,
        )
    return xp.where(finite[..., None], sums, 0.0)


def _density(xp, c, f, g, epsilon):
    exponent = (f[..., :, None] + g[..., None, :] - c) / each_row(each_row(epsilon))
    return xp.exp(xp.clip(exponent, max=_LARGEST_EXPONENT))
