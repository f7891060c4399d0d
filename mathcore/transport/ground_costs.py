"""Transport costs in double precision on the host, the form the exact solver reads them in.

Either |x − y|^p between two clouds, never stored as a matrix, or a matrix, +inf where an arc is
forbidden.
"""

from typing import Any, NamedTuple

import numpy as np

_COLUMNS = 256  # of a stored cost that are transposed at a time


class Powers(NamedTuple):
    """|x_i − y_j|^p between x (n, d) and y (m, d)."""

    x: Any
    y: Any
    p: float

    @property
    def shape(self):
        """(n, m)."""
        return self.x.shape[0], self.y.shape[0]

    def at(self, rows, columns):
        """Costs of single arcs; slices and broadcastable indices too."""
        return np.sum((self.x[rows] - self.y[columns]) ** 2, axis=-1) ** (self.p / 2)

    def part(self, rows, columns):
        """The cost between fewer points."""
        return Powers(self.x[rows], self.y[columns], self.p)

    def slopes(self, rows, columns, mass):
        """Derivatives of Σ mass·cost in x and y, 0 where two points coincide."""
        difference = self.x[rows] - self.y[columns]
        squares = np.sum(difference**2, axis=1)
        powers = np.where(squares > 0, squares, 1.0) ** (self.p / 2 - 1)
        pull = (self.p * mass * powers)[:, None] * difference
        dx, dy = np.zeros_like(self.x), np.zeros_like(self.y)
        np.add.at(dx, rows, pull)
        np.add.at(dy, columns, -pull)
        return dx, dy

    def largest(self):
        """A bound of all costs."""
        low = np.minimum(np.min(self.x, axis=0), np.min(self.y, axis=0))
        high = np.maximum(np.max(self.x, axis=0), np.max(self.y, axis=0))
        return float(np.sum((high - low) ** 2) ** (self.p / 2))


class Stored(NamedTuple):
    """A cost matrix (n, m)."""

    c: Any

    @property
    def shape(self):
        """(n, m)."""
        return self.c.shape

    def at(self, rows, columns):
        """Costs of single arcs."""
        return self.c[rows, columns]

    def part(self, rows, columns):
        """The cost between fewer points."""
        return Stored(self.c[rows][:, columns])

    def slopes(self, rows, columns, mass):
        """Derivative of Σ mass·cost in the matrix: the plan."""
        plan = np.zeros_like(self.c)
        plan[rows, columns] = mass
        return (plan,)

    def largest(self):
        """The largest finite cost in absolute value."""
        return float(np.max(np.abs(self.c), where=np.isfinite(self.c), initial=0.0))


def table(cost):
    """The cost as a matrix."""
    if isinstance(cost, Stored):
        return cost.c
    n, m = cost.shape
    return cost.at(np.arange(n)[:, None], np.arange(m)[None, :])


def least_arcs(cost, g, count):
    """The `count` least c_ij − g_j of each row, in order, and their columns: (n, k), (n, k)."""
    if isinstance(cost, Stored):
        return _least_of_table(cost.c, g, count)
    return _least_of_points(cost.x, cost.y, cost.p, g, count)


def least_arcs_of_columns(cost, f, count):
    """The `count` least c_ij − f_i of each column, in order, and their rows: (m, k), (m, k)."""
    if isinstance(cost, Powers):
        return _least_of_points(cost.y, cost.x, cost.p, f, count)
    found = [
        _least_of_table(block.T, f, count)
        for block in np.split(cost.c, range(_COLUMNS, cost.shape[1], _COLUMNS), axis=1)
    ]
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _least_of_points(x, y, p, g, count):
    from mathcore.transport._kernels.least_costs_cpu import least_of_points

    arguments = (x, np.ascontiguousarray(y.T), p / 2)
    nanoseconds = x.shape[0] * y.shape[0] * (1 + x.shape[1] // 4)
    return _least(least_of_points, arguments, nanoseconds, g, x.shape[0], count)


def _least_of_table(c, g, count):
    from mathcore.transport._kernels.least_costs_cpu import least_of_table

    return _least(least_of_table, (np.ascontiguousarray(c),), c.size, g, c.shape[0], count)


def _least(kernel, arguments, nanoseconds, g, n, count):
    from mathcore._compile import launch
    from mathcore.transport._kernels.least_costs_cpu import ROWS

    count = min(count, g.shape[0])
    values, columns = np.empty((n, count)), np.empty((n, count), np.int64)
    launch(kernel, -(-n // ROWS), nanoseconds, *arguments, g, values, columns)
    return values, columns
