"""Optimal transport on the line: sort, and match from the left.

W_p^p = ∫₀¹ |F⁻¹ − G⁻¹|^p over the quantile functions (Peyré & Cuturi, "Computational Optimal
Transport", 2019, remark 2.30; Santambrogio, "Optimal Transport for Applied Mathematicians", 2015,
proposition 2.17).
"""

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_finite, check_number, check_real
from mathcore.transport import measures
from mathcore.transport.soft_minima import uniform

_SORT_NS, _ARGSORT_NS, _MATCH_NS = 6, 40, 6  # of one value
_IMPORT_NS = 200_000  # below, importing numba for its threads would not pay


@_arrays.halves_in_float32
def wasserstein_1d(x, y, a=None, b=None, *, p=1, axis=0):
    """Exact Wasserstein distance between weighted samples on the line.

    Parameters
    ----------
    x : array (..., n, ...)
        Values, n of them along `axis`; the other axes are independent problems.
    y : array (..., m, ...)
        Values, of the shape of `x` but along `axis`.
    a : array (n,) or of the shape of `x`, optional
        Weights ≥ 0 of x, 1/n each when None.
    b : array (m,) or of the shape of `y`, optional
        Weights of y, of the same sum within 1e-6 relative; scaled to the sum of `a`.
    p : float, optional
        Exponent ≥ 1.
    axis : int, optional
        Of the samples.

    Returns
    -------
    array (...)
        W_p, for the other axes.

    Raises
    ------
    ValueError
        Shapes do not fit, there is no sample, p < 1, a weight is negative, masses differ; on
        NumPy arrays also where a sample is not finite.
    TypeError
        Complex arrays, or arrays of different libraries.

    Notes
    -----
    On NumPy arrays, and torch CPU tensors without gradient, threaded over the other axes. Elsewhere
    differentiable in torch and JAX in values and weights, also compiled; the order is
    constant almost everywhere. SciPy's ``wasserstein_distance`` is p = 1; POT's ``wasserstein_1d``
    returns W_p^p.

    References
    ----------
    .. [1] G. Peyré, M. Cuturi, "Computational Optimal Transport", 2019, section 2.6.

    Examples
    --------
    >>> from mathcore import wasserstein_1d
    >>> float(wasserstein_1d([0.0, 1.0, 3.0], [5.0, 6.0, 8.0]))
    5.0
    >>> float(wasserstein_1d([0.0, 4.0], [1.0], [0.75, 0.25], p=2))  # √(¾·1² + ¼·3²)
    1.7320508075688772
    """
    xp, x, y, a, b = _arrays.asarrays(x=x, y=y, a=a, b=b)
    p = check_number(p, "p", at_least=1)
    x, y = _samples_last(xp, x, y, axis)
    a, b = _weights_last(xp, (x, y), (a, b), axis)
    return p_th_root(xp, costs_of_rows(xp, x, y, a, b, p), p)


def _samples_last(xp, x, y, axis):
    for name, v in (("x", x), ("y", y)):
        check_real(v, name)
        check_finite(v, name)
        if not (isinstance(axis, int) and -v.ndim <= axis < v.ndim):
            raise ValueError(f"`axis` must be one of {v.ndim} axes of `{name}`; got {axis!r}")
        if v.shape[axis] == 0:
            raise ValueError(f"`{name}` must have at least one sample; got shape {tuple(v.shape)}")
    x, y = (xp.moveaxis(v, axis, -1) for v in (x, y))
    if x.shape[:-1] != y.shape[:-1]:
        raise ValueError(
            "`y` must have the shape of `x` but along `axis`; "
            f"got other axes {tuple(y.shape[:-1])} and {tuple(x.shape[:-1])}"
        )
    return x, y


def _weights_last(xp, samples, weights, axis):
    """Weights like the samples, of one mass; None for both where all samples weigh the same."""
    if weights[0] is None and weights[1] is None:
        return None, None
    pairs = list(zip(samples, weights, strict=True))
    weights = [
        xp.moveaxis(w, axis, -1) if w is not None and w.ndim == v.ndim else w for v, w in pairs
    ]
    sizes = tuple(v.shape[-1] for v in samples)
    weights = measures.check_weights(xp, samples[0], sizes, *weights)
    for name, v, w in zip("ab", samples, weights, strict=True):
        if tuple(w.shape) not in ((v.shape[-1],), tuple(v.shape)):
            raise ValueError(
                f"`{name}` must have shape ({v.shape[-1]},) or that of its samples; "
                f"got {tuple(w.shape)}"
            )
    return tuple(xp.broadcast_to(w, v.shape) for v, w in zip(samples, weights, strict=True))


def p_th_root(xp, values, p):
    """values^(1/p) for values ≥ 0, with gradient 0 at 0."""
    if p == 1:
        return values
    positive = values > 0
    return xp.where(positive, xp.where(positive, values, 1.0) ** (1 / p), values)


def costs_of_rows(xp, x, y, a, b, p):
    """W_p^p (...) between samples x (..., n), y (..., m) with weights like them, or None."""
    given = (x, y) if a is None else (x, y, a, b)
    views = _arrays.kernel_views(*given)
    if views is not None and x.ndim > 0 and 0 not in x.shape:
        return _arrays.from_kernel(_costs_by_kernel(views, p), x)
    return costs_by_definition(xp, x, y, a, b, p)


def costs_by_definition(xp, x, y, a, b, p):
    """W_p^p (...) in any array library."""
    n, m = x.shape[-1], y.shape[-1]
    if a is None and n == m:
        return xp.mean(_power(xp, xp.sort(x, axis=-1) - xp.sort(y, axis=-1), p), axis=-1)
    if a is None:
        a, b = (xp.broadcast_to(uniform(xp, v.shape[-1], v), v.shape) for v in (x, y))
    x, to_a = _sorted_levels(xp, x, a)
    y, to_b = _sorted_levels(xp, y, b)
    levels = xp.concat([to_a, to_b], axis=-1)
    order = xp.argsort(_arrays.detach(levels), axis=-1, stable=True)
    levels = xp.take_along_axis(levels, order, axis=-1)
    passed = xp.astype(order < n, order.dtype)  # levels of a, before which its quantile is constant
    i = xp.cumulative_sum(passed, axis=-1) - passed
    j = xp.cumulative_sum(1 - passed, axis=-1) - (1 - passed)
    moved = xp.take_along_axis(x, xp.clip(i, max=n - 1), axis=-1) - xp.take_along_axis(
        y, xp.clip(j, max=m - 1), axis=-1
    )
    before = xp.concat([xp.zeros_like(levels[..., :1]), levels[..., :-1]], axis=-1)
    return xp.sum((levels - before) * _power(xp, moved, p), axis=-1)


def _sorted_levels(xp, x, a):
    order = xp.argsort(_arrays.detach(x), axis=-1)
    return (
        xp.take_along_axis(x, order, axis=-1),
        xp.cumulative_sum(xp.take_along_axis(a, order, axis=-1), axis=-1),
    )


def _power(xp, difference, p):
    """|difference|^p, with gradient 0 at 0."""
    if p == 2:
        return difference * difference
    size = xp.abs(difference)
    return size if p == 1 else xp.where(size > 0, xp.where(size > 0, size, 1.0) ** p, 0.0)


def _costs_by_kernel(views, p):
    batch = views[0].shape[:-1]
    x, y, *weights = (v.reshape(-1, v.shape[-1]) for v in views)
    a, b = weights or (np.empty((len(v), 0), v.dtype) for v in (x, y))
    x, a, y, b = _sorted_rows(x, a, y, b)
    if not weights and x.shape[1] == y.shape[1]:
        out = np.mean(_power(np, np.subtract(x, y, out=x), p), axis=-1)
    else:
        from mathcore._compile import launch
        from mathcore.transport._kernels.monotone_costs_cpu import monotone_costs

        out = np.empty(len(x))
        launch(monotone_costs, len(x), _MATCH_NS * (x.size + y.size), x, a, y, b, p, out)
    return out.astype(x.dtype, copy=False).reshape(batch)


def _sorted_rows(x, a, y, b):
    """Rows x (k, n) and y (k, m) in order, each with its weights like it, or (k, 0) for none."""
    sorted_ = x.copy(), np.empty_like(a), y.copy(), np.empty_like(b)
    arrays = (x, a, *sorted_[:2]), (y, b, *sorted_[2:])
    nanoseconds = (x.size + y.size) * (_ARGSORT_NS if a.size else _SORT_NS)
    if nanoseconds < _IMPORT_NS:
        _sort_shares(0, 2 * len(x), *arrays)
    else:
        from mathcore._compile import launch

        launch(_sort_shares, 2 * len(x), nanoseconds, *arrays)
    return sorted_


def _sort_shares(low, high, *sides):
    """Sort the rows low … high − 1 of both sides; NumPy's sort releases Python's lock."""
    for side in sides:
        rows = slice(max(low, 0), max(high, 0))
        x, w, sorted_x, sorted_w = (v[rows] for v in side)
        if w.size:
            order = np.argsort(x, axis=-1)
            order += x.shape[1] * np.arange(len(x))[:, None]
            np.take(w.reshape(-1), order, out=sorted_w, mode="clip")
        sorted_x.sort(axis=-1)
        low, high = low - len(side[0]), high - len(side[0])
