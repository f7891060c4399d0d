"""The two kinds of cost: squared distances that are never stored, and a matrix.

Leading axes are independent problems of one shape.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_choice, check_real

COSTS = ("sqeuclidean", "euclidean")
METHODS = ("auto", "streamed", "stored")

_BLOCK_ENTRIES = 2**22  # of cost computed at a time
_MOST_DIFFERENCES = 8  # up to this dimension (x − y)² is summed; above, one product is cheaper
_STORED_DIMENSION = 8  # from here on a stored cost is read faster than it is computed again
_STORED_BYTES = 2**31


class Points(NamedTuple):
    """Squared Euclidean cost between x (..., n, d) and y (..., m, d), computed where needed."""

    x: Any
    y: Any


class Matrix(NamedTuple):
    """A stored cost (..., n, m)."""

    c: Any


def reverse(xp, cost):
    """The cost of the transport back: rows become columns."""
    if isinstance(cost, Points):
        return Points(cost.y, cost.x)
    return Matrix(xp.matrix_transpose(cost.c))


def shape(cost):
    """(n, m)."""
    if isinstance(cost, Points):
        return cost.x.shape[-2], cost.y.shape[-2]
    return cost.c.shape[-2], cost.c.shape[-1]


def as_cost(xp, x, y, cost, method):
    """`Points` or `Matrix` for the words and callables that `sinkhorn` takes."""
    check_choice(method, METHODS, "method")
    if callable(cost):
        return Matrix(called(xp, cost, x, y))
    check_choice(cost, COSTS, "cost")
    if cost == "euclidean":
        return Matrix(distances(xp, x, y))
    entries = math.prod(x.shape[:-1]) * y.shape[-2]
    fits = entries * xp.finfo(x.dtype).bits // 8 <= _STORED_BYTES
    if method == "stored" or (method == "auto" and x.shape[-1] >= _STORED_DIMENSION and fits):
        return Matrix(squared_distances(xp, x, y))
    return Points(x, y)


def squared_distances(xp, x, y):
    """The whole matrix, computed in blocks."""
    cost = Points(x, y)
    blocks = row_blocks(cost)
    if not _arrays.is_numpy(x):
        return xp.concat([rows(xp, cost, *block) for block in blocks], axis=-2)
    c = np.empty((*x.shape[:-1], y.shape[-2]), x.dtype)
    for start, stop in blocks:
        c[..., start:stop, :] = rows(xp, cost, start, stop)
    return c


def called(xp, cost, x, y):
    """The matrix that the callable `cost` returns, checked."""
    _, c = _arrays.asarrays(c=cost(x, y))
    want = (*x.shape[:-1], y.shape[-2])
    if _arrays.result_namespace(c) is not xp or tuple(c.shape) != want:
        raise ValueError(
            f"`cost` must return a {_arrays.library(x)} array of shape {want}; "
            f"got {_arrays.library(c)} {tuple(c.shape)}"
        )
    check_real(c, "cost")
    return xp.astype(c, x.dtype)


def distances(xp, x, y):
    """Euclidean distances (..., n, m), with gradient 0 where two points coincide."""
    squared = squared_distances(xp, x, y)
    apart = squared > 0
    return xp.where(apart, xp.sqrt(xp.where(apart, squared, 1.0)), 0.0)


def row_blocks(cost):
    """Ranges of rows (start, stop) of bounded size that cover the cost."""
    n, m = shape(cost)
    members = math.prod(cost[0].shape[:-2])
    step = max(1, _BLOCK_ENTRIES // max(m * members, 1))
    return [(start, min(start + step, n)) for start in range(0, n, step)]


def rows(xp, cost, start, stop):
    """Rows start … stop − 1 of the cost."""
    if isinstance(cost, Matrix):
        return cost.c[..., start:stop, :]
    x, y = cost
    x = x[..., start:stop, :]
    if x.shape[-1] <= _MOST_DIFFERENCES:
        total = 0.0 * xp.sum(x, axis=-1)[..., :, None] * xp.sum(y, axis=-1)[..., None, :]
        for k in range(x.shape[-1]):
            total = total + (x[..., :, k][..., :, None] - y[..., :, k][..., None, :]) ** 2
        return total
    centre = _arrays.detach(xp.mean(y, axis=-2, keepdims=True))
    x, y = x - centre, y - centre
    squares = xp.sum(x * x, axis=-1)[..., :, None] + xp.sum(y * y, axis=-1)[..., None, :]
    c = squares - 2 * (x @ xp.matrix_transpose(y))
    return xp.where(c > 0, c, 0.0)


def centred(xp, cost):
    """The points about the mean of y: what is expanded loses fewer digits."""
    centre = xp.mean(cost.y, axis=-2, keepdims=True)
    return cost.x - centre, cost.y - centre


def spread(xp, cost):
    """An upper bound, up to rounding, of the largest minus the smallest finite cost."""
    if isinstance(cost, Matrix):
        finite = xp.isfinite(cost.c)
        top = xp.max(xp.where(finite, cost.c, -xp.inf), axis=(-2, -1))
        bottom = xp.min(xp.where(finite, cost.c, xp.inf), axis=(-2, -1))
        return xp.where(top > bottom, top - bottom, xp.zeros_like(top))
    low = xp.minimum(xp.min(cost.x, axis=-2), xp.min(cost.y, axis=-2))
    high = xp.maximum(xp.max(cost.x, axis=-2), xp.max(cost.y, axis=-2))
    return xp.sum((high - low) ** 2, axis=-1)
