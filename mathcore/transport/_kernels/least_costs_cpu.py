"""The least reduced costs of every row, from points or from a stored cost."""

import math

import numpy as np

from mathcore._compile import kernel, part
from mathcore._vectors import aligned_zeros

_TILE = 512  # columns that stay in the first-level cache
_STRIP = 32  # columns whose minimum decides whether they are looked at
ROWS = 16  # rows that share one tile
_NONE_YET = np.int64(0)


@part()
def _from_points(buffer, cost, g, i, start):
    """buffer_j = |x_i − y_j|^p − g_j for the columns from `start` on; cost = x, y_t, p/2."""
    x, y_t, half_power = cost
    stop = start + buffer.shape[0]
    buffer[:] = 0
    for k in range(x.shape[1]):
        _add_square(buffer, x[i, k], y_t[k][start:stop])
    if half_power == 0.5:
        for j in range(buffer.shape[0]):
            buffer[j] = math.sqrt(buffer[j])
    elif half_power != 1.0:
        for j in range(buffer.shape[0]):
            buffer[j] = buffer[j] ** half_power
    _subtract(buffer, buffer, g[start:stop])


@part()
def _add_square(buffer, x, y):
    for j in range(buffer.shape[0]):
        difference = x - y[j]
        buffer[j] += difference * difference


@part()
def _from_table(buffer, c, g, i, start):
    """buffer_j = c_ij − g_j."""
    stop = start + buffer.shape[0]
    _subtract(buffer, c[i][start:stop], g[start:stop])


@part()
def _subtract(buffer, costs, g):
    for j in range(buffer.shape[0]):
        buffer[j] = costs[j] - g[j]


@part()
def _keep_least(strip, first, values, columns, count):
    """Insert what is below the largest of the values kept, in order; the new count."""
    room = values.shape[0]
    for j in range(strip.shape[0]):
        value = strip[j]
        if count == room and not value < values[room - 1]:
            continue
        p = min(count, room - 1)
        while p > 0 and values[p - 1] > value:
            values[p], columns[p] = values[p - 1], columns[p - 1]
            p -= 1
        values[p], columns[p] = value, first + j
        count = min(count + 1, room)
    return count


@part()
def _lowest(strip):
    low = strip[0]
    for j in range(strip.shape[0]):
        low = min(low, strip[j])
    return low


@part()
def _look_through(buffer, start, values, columns, count):
    """Keep the least of a tile, strip by strip: most strips hold nothing low enough."""
    for first in range(0, buffer.shape[0], _STRIP):
        strip = buffer[first : first + _STRIP]
        if count < values.shape[0] or _lowest(strip) < values[-1]:
            count = _keep_least(strip, start + first, values, columns, count)
    return count


@part(inlined=True)
def _least(low, high, fill, cost, g, values, columns):
    """Shares of `ROWS` rows."""
    n, m = values.shape[0], g.shape[0]
    tile = aligned_zeros(1, _TILE, g)[0]
    for i in range(low * ROWS, min(high * ROWS, n)):
        count = _NONE_YET
        for start in range(0, m, _TILE):
            buffer = tile[: min(_TILE, m - start)]
            fill(buffer, cost, g, i, start)
            count = _look_through(buffer, start, values[i], columns[i], count)


@kernel()
def least_of_points(low, high, x, y_t, half_power, g, values, columns):
    """The least |x_i − y_j|^p − g_j of each row, in order, and where they are.

    Parameters
    ----------
    low, high : int
        Shares of `ROWS` rows.
    x : float64 array (n, d)
    y_t : float64 array (d, m)
    half_power : float
        p/2.
    g : float64 array (m,)
    values : float64 array (n, k)
        Filled; k ≤ m.
    columns : int64 array (n, k)
        Filled.
    """
    _least(low, high, _from_points, (x, y_t, half_power), g, values, columns)


@kernel()
def least_of_table(low, high, c, g, values, columns):
    """The same from a stored cost c (n, m)."""
    _least(low, high, _from_table, c, g, values, columns)
