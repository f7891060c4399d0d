"""Solutions known on a grid of times, as piecewise polynomials through values and slopes.

x' = A x + b gives the slopes at the nodes for nothing: five nodes make a polynomial of degree 9,
and neighbours share a node, its value and its slope.
"""

import itertools

import numpy as np
from numpy.polynomial import chebyshev

from mathcore import _arrays
from solvers.linear import chebyshev_panels
from solvers.linear.chebyshev_panels import Panels
from solvers.linear.functions_of_time import OfTimes

_CELLS = 4  # of a polynomial


def gridded_columns(coefficient, forcing, solutions, times, span, kind):
    """Columns as functions of time, and the ends of their pieces inside the interval."""
    _, times, values, _ = _arrays.asarrays(times=times, solutions=solutions, t_span=span)
    grid = _checked_times(times, values, span)
    xp = _arrays.result_namespace(values)
    t = _arrays.real_part(times)
    slopes = None
    if coefficient is not None:
        a = coefficient.call(t)
        if a.ndim != 3 or a.shape[-1] != values.shape[1]:
            raise ValueError(
                f"`solutions` must have shape (n_times, {a.shape[-1]}, k); got "
                f"{tuple(values.shape)}"
            )
        slopes = _slopes(xp, a, values, forcing, t, kind)
    pieces = _pieces(grid, values, slopes)
    _, n, k = values.shape
    lo, hi = (_arrays.concrete(span[i]) for i in range(2))
    inside = tuple(t for t in pieces.breaks if lo < t < hi)
    return [_column(pieces, j, n, k, values) for j in range(k)], (lo, *inside, hi)


def _checked_times(times, values, span):
    if tuple(times.shape) != tuple(values.shape[:1]):
        raise ValueError(
            f"`times` must have shape ({values.shape[0]},), one for each row of `solutions`; got "
            f"{tuple(times.shape)}"
        )
    grid = _arrays.to_numpy(_arrays.real_part(times))
    if len(grid) < 2 or not np.all(np.diff(grid) > 0):
        raise ValueError("`times` must be at least two and increase")
    lo, hi = _arrays.to_numpy(span)
    if lo < grid[0] or hi > grid[-1]:
        raise ValueError(f"`t_span` must lie in `times`; got ({lo}, {hi})")
    return grid


def _slopes(xp, a, values, forcing, t, kind):
    """A x, with b where it is known; of differences without it, which is all they need."""
    if kind == "particular" and forcing is None:
        return None
    slopes = a @ values
    return (
        slopes if forcing is None or kind != "particular" else slopes + forcing.call(t)[..., None]
    )


def _pieces(grid, values, slopes):
    """Panels of the interpolants of all components."""
    xp = _arrays.result_namespace(values)
    last = len(grid) - 1
    cells = min(_CELLS if slopes is not None else 2 * _CELLS, last)
    ends = [*range(0, last - cells + 1, cells)]
    ends += [last] if ends[-1] + cells == last else [ends[-1] + cells, last]
    rows = []
    for start, stop in itertools.pairwise(ends):
        first = min(start, last - cells)  # the last piece takes nodes from the one before
        nodes = slice(first, first + cells + 1)
        flat = xp.reshape(values[nodes, ...], (cells + 1, -1))
        if slopes is not None:
            flat = xp.concat([flat, xp.reshape(slopes[nodes, ...], (cells + 1, -1))])
        matrix = _interpolation(grid[nodes], grid[start], grid[stop], slopes is not None)
        rows.append(_arrays.from_numpy(matrix, flat) @ flat)
    return Panels(tuple(float(grid[i]) for i in ends), xp.stack(rows))


def _interpolation(nodes, lo, hi, with_slopes):
    """From values (and slopes) at nodes to Chebyshev coefficients on [lo, hi]."""
    x = (2 * nodes - lo - hi) / (hi - lo)
    degree = (2 if with_slopes else 1) * len(nodes) - 1
    rows = chebyshev.chebvander(x, degree)
    if with_slopes:
        slopes = chebyshev.chebvander(x, degree - 1) @ chebyshev.chebder(np.eye(degree + 1), axis=0)
        rows = np.concatenate([rows, slopes * (2 / (hi - lo))])
    return np.linalg.inv(rows)


def _column(pieces, j, n, k, values):
    def call(t):
        x = chebyshev_panels.evaluate(pieces, t)
        return _arrays.result_namespace(t).reshape(x, (*t.shape, n, k))[..., j]

    return OfTimes(call, (n,), _arrays.is_complex(values))


def derivative_on_grid(grid, values):
    """Derivatives at the nodes of polynomials of degree 8 through them and their neighbours."""
    xp = _arrays.result_namespace(values)
    count = min(2 * _CELLS + 1, len(grid))
    rows = []
    for i in range(len(grid)):
        first = min(max(i - count // 2, 0), len(grid) - count)
        nodes = slice(first, first + count)
        lo, hi = grid[first], grid[first + count - 1]
        slopes = chebyshev.chebder(np.eye(count), axis=0) * (2 / (hi - lo))
        at = chebyshev.chebvander([(2 * grid[i] - lo - hi) / (hi - lo)], count - 2)
        weights = (at @ slopes @ _interpolation(grid[nodes], lo, hi, False))[0]
        near = values[nodes, ...]
        rows.append(xp.sum(_arrays.from_numpy(weights, near)[:, None, None] * near, axis=0))
    return xp.stack(rows)
