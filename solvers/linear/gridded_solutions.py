"""Solutions and coefficients known on a grid of times, as piecewise polynomials.

x' = A x + b gives the slopes of solutions at the nodes for nothing: five nodes make a polynomial of
degree 9, and neighbours share a node, its value and its slope. Without slopes it is one of degree 8
through nine nodes, of which the outer ones belong to its neighbours.
"""

import functools
import itertools

import numpy as np
from numpy.polynomial import chebyshev

from mathcore import _arrays
from solvers.linear import chebyshev_panels
from solvers.linear.chebyshev_panels import Panels
from solvers.linear.functions_of_time import OfTimes

_CELLS = 4  # of a polynomial
_BESIDE = 2  # cells to its left and right whose nodes it meets too, where slopes are not known


def gridded_function(times, values, name, span):
    """Samples (n_times, ...) as a function of time, and its pieces' ends inside the interval."""
    grid, pieces = _pieces_through(times, values, None, name, span)
    shape = tuple(values.shape[1:])

    def call(t):
        _check_inside(t, grid, name)
        x = chebyshev_panels.evaluate(pieces, t)
        return _arrays.result_namespace(t).reshape(x, (*t.shape, *shape))

    return OfTimes(call, shape, _arrays.is_complex(values)), _inside(pieces.breaks, span)


def gridded_columns(coefficient, forcing, solutions, times, span, kind):
    """Columns as functions of time, and their pieces' ends inside the interval."""
    _, values, _ = _arrays.asarrays(solutions=solutions, t_span=span)
    slopes = None
    if coefficient is not None and (kind == "homogeneous" or forcing is not None):
        slopes = functools.partial(_slopes, coefficient, forcing, values, kind)
    _, pieces = _pieces_through(times, values, slopes, "solutions", span)
    _, n, k = values.shape
    return [_column(pieces, j, n, k, values) for j in range(k)], _inside(pieces.breaks, span)


def _pieces_through(times, values, slopes, name, span):
    """The times on the host, and panels of the interpolants through values (and slopes) there."""
    _, times, values, _ = _arrays.asarrays(times=times, **{name: values}, t_span=span)
    times = _arrays.real_part(times)
    grid = _checked_times(times, values, name, span)
    return grid, _pieces(grid, values, None if slopes is None else slopes(times))


def _inside(breaks, span):
    lo, hi = (_arrays.concrete(span[i]) for i in range(2))
    return (lo, *(t for t in breaks if lo < t < hi), hi)


def _check_inside(t, grid, name):
    xp, slack = _arrays.result_namespace(t), 4 * _arrays.eps(t) * np.abs(grid).max()
    if _arrays.concrete(xp.all((t >= grid[0] - slack) & (t <= grid[-1] + slack))) is False:
        raise ValueError(
            f"`times` of `solutions` must lie between those of `{name}`, {grid[0]} and {grid[-1]}"
        )


def _checked_times(times, values, name, span):
    if tuple(times.shape) != tuple(values.shape[:1]):
        raise ValueError(
            f"`times` must have shape ({values.shape[0]},), one for each row of `{name}`; got "
            f"{tuple(times.shape)}"
        )
    grid = _arrays.to_numpy(times)
    if len(grid) < 2 or not np.all(np.diff(grid) > 0):
        raise ValueError("`times` must be at least two and increase")
    lo, hi = _arrays.to_numpy(span)
    if lo < grid[0] or hi > grid[-1]:
        raise ValueError(f"`t_span` must lie in `times`; got ({lo}, {hi})")
    return grid


def _slopes(coefficient, forcing, values, kind, t):
    """A x, with b for solutions of the inhomogeneous system."""
    a = coefficient.call(t)
    if a.ndim != 3 or a.shape[-1] != values.shape[1]:
        raise ValueError(
            f"`solutions` must have shape (n_times, {a.shape[-1]}, k); got {tuple(values.shape)}"
        )
    slopes = a @ values
    return slopes + forcing.call(t)[..., None] if kind == "particular" else slopes


def _pieces(grid, values, slopes):
    """Panels of the interpolants of all components."""
    xp = _arrays.result_namespace(values)
    last = len(grid) - 1
    cells, beside = min(_CELLS, last), 0 if slopes is not None else _BESIDE
    width = min(cells + 2 * beside, last)
    ends = [*range(0, last - cells + 1, cells)]
    ends += [last] if ends[-1] + cells == last else [ends[-1] + cells, last]
    rows = []
    for start, stop in itertools.pairwise(ends):
        first = min(max(start - beside, 0), last - width)  # the last piece goes further back
        nodes = slice(first, first + width + 1)
        flat = xp.reshape(values[nodes, ...], (width + 1, -1))
        if slopes is not None:
            flat = xp.concat([flat, xp.reshape(slopes[nodes, ...], (width + 1, -1))])
        matrix = _interpolation(grid[nodes], grid[start], grid[stop], slopes is not None)
        rows.append(_arrays.from_numpy(matrix, flat) @ flat)
    return Panels(tuple(float(grid[i]) for i in ends), xp.stack(rows))


def _interpolation(nodes, lo, hi, with_slopes):
    """From values (and slopes) at nodes to Chebyshev coefficients on [lo, hi] between them."""
    first, last = nodes[0], nodes[-1]
    degree = (2 if with_slopes else 1) * len(nodes) - 1
    x = (2 * nodes - first - last) / (last - first)
    rows = chebyshev.chebvander(x, degree)
    if with_slopes:
        slopes = chebyshev.chebvander(x, degree - 1) @ chebyshev.chebder(np.eye(degree + 1), axis=0)
        rows = np.concatenate([rows, slopes * (2 / (last - first))])
    points = chebyshev.chebpts1(degree + 1)
    inside = (lo + hi - first - last + (hi - lo) * points) / (last - first)
    values = chebyshev.chebvander(inside, degree) @ np.linalg.inv(rows)
    return np.linalg.solve(chebyshev.chebvander(points, degree), values)


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
