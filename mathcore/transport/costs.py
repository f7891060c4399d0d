"""The two kinds of cost: squared distances that are never stored, and a matrix.

Both are pairs, so that the cost of transport from y to x is the reversed pair.
"""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_choice, check_real

COSTS = ("sqeuclidean", "euclidean")
METHODS = ("auto", "streamed", "stored")

_BLOCK_ENTRIES = 2**22  # of cost computed at a time
_MOST_DIFFERENCES = 8  # up to this dimension (x − y)² is summed; above, one product is cheaper
_STORED_DIMENSION = 8  # from here on a stored cost is read faster than it is computed again
_STORED_BYTES = 2**28


class Points(NamedTuple):
    """Squared Euclidean cost between x (n, d) and y (m, d), computed where it is needed."""

    x: Any
    y: Any


class Matrix(NamedTuple):
    """A stored cost (n, m) and its transpose, both contiguous where a kernel reads them."""

    c: Any
    c_t: Any


def reverse(cost):
    """The cost of the transport back: rows become columns."""
    return type(cost)(cost[1], cost[0])


def stored(xp, c):
    """`Matrix` of a cost (n, m)."""
    c_t = xp.matrix_transpose(c)
    views = _arrays.kernel_views(c, c_t)
    return Matrix(c, c_t) if views is None else Matrix(*(_arrays.from_kernel(v, c) for v in views))


def shape(cost):
    """(n, m)."""
    return cost[0].shape[0], cost[1].shape[0]


def as_cost(xp, x, y, cost, method):
    """`Points` or `Matrix` for the words and callables that `sinkhorn` takes."""
    check_choice(method, METHODS, "method")
    if callable(cost):
        return stored(xp, called(xp, cost, x, y))
    check_choice(cost, COSTS, "cost")
    if cost == "euclidean":
        return stored(xp, distances(xp, x, y))
    n, m, d = x.shape[0], y.shape[0], x.shape[1]
    fits = 2 * n * m * xp.finfo(x.dtype).bits // 8 <= _STORED_BYTES
    if method == "stored" or (method == "auto" and d >= _STORED_DIMENSION and fits):
        return stored(xp, rows(xp, Points(x, y), 0, n))
    return Points(x, y)


def called(xp, cost, x, y):
    """The matrix that the callable `cost` returns, checked."""
    _, c = _arrays.asarrays(c=cost(x, y))
    want = (x.shape[0], y.shape[0])
    if _arrays.result_namespace(c) is not xp or tuple(c.shape) != want:
        raise ValueError(
            f"`cost` must return a {_arrays.library(x)} array of shape {want}; "
            f"got {_arrays.library(c)} {tuple(c.shape)}"
        )
    check_real(c, "cost")
    return xp.astype(c, x.dtype)


def distances(xp, x, y):
    """Euclidean distances (n, m), with gradient 0 where two points coincide."""
    squared = rows(xp, Points(x, y), 0, x.shape[0])
    apart = squared > 0
    return xp.where(apart, xp.sqrt(xp.where(apart, squared, 1.0)), 0.0)


def row_blocks(cost):
    """Ranges of rows (start, stop) of bounded size that cover the cost."""
    n, m = shape(cost)
    step = max(1, _BLOCK_ENTRIES // max(m, 1))
    return [(start, min(start + step, n)) for start in range(0, n, step)]


def rows(xp, cost, start, stop):
    """Rows start … stop − 1 of the cost."""
    if isinstance(cost, Matrix):
        return cost.c[start:stop, :]
    x, y = cost
    x = x[start:stop, :]
    if x.shape[1] <= _MOST_DIFFERENCES:
        total = xp.zeros((x.shape[0], y.shape[0]), dtype=x.dtype, device=_arrays.device(x))
        for k in range(x.shape[1]):
            total = total + (x[:, k][:, None] - y[:, k][None, :]) ** 2
        return total
    centre = _arrays.detach(xp.mean(y, axis=0))
    x, y = x - centre, y - centre
    squares = xp.sum(x * x, axis=1)[:, None] + xp.sum(y * y, axis=1)[None, :]
    c = squares - 2 * (x @ xp.matrix_transpose(y))
    return xp.where(c > 0, c, 0.0)


def spread(xp, cost):
    """An upper bound, up to rounding, of the largest minus the smallest finite cost."""
    if isinstance(cost, Matrix):
        finite = xp.isfinite(cost.c)
        top = xp.max(xp.where(finite, cost.c, -xp.inf))
        bottom = xp.min(xp.where(finite, cost.c, xp.inf))
        return xp.where(top > bottom, top - bottom, xp.zeros_like(top))
    low = xp.minimum(xp.min(cost.x, axis=0), xp.min(cost.y, axis=0))
    high = xp.maximum(xp.max(cost.x, axis=0), xp.max(cost.y, axis=0))
    return xp.sum((high - low) ** 2)
