"""The least reduced costs of every row, from points or from a stored cost."""

import math

import numpy as np
from numba import prange

from mathcore._compile import kernel

_TILE = 512  # columns that stay in the first-level cache
_STRIP = 32  # columns whose minimum decides whether they are looked at
_ROWS = 16  # rows that share one tile


@kernel()
def _reduced(buffer, x, y_t, c, g, half_power, i, start):
    """buffer_j = c_ij − g_j with c_ij = |x_i − y_j|^p, or stored where `c` is not empty."""
    stop = start + buffer.shape[0]
    g = g[start:stop]
    if c.shape[0] > 0:
        costs = c[i][start:stop]
        for j in range(buffer.shape[0]):
            buffer[j] = costs[j] - g[j]
        return
    buffer[:] = 0
    for k in range(x.shape[1]):
        _add_square(buffer, x[i, k], y_t[k][start:stop])
    if half_power == 0.5:
        for j in range(buffer.shape[0]):
            buffer[j] = math.sqrt(buffer[j])
    elif half_power != 1.0:
        for j in range(buffer.shape[0]):
            buffer[j] = buffer[j] ** half_power
    for j in range(buffer.shape[0]):
        buffer[j] -= g[j]


@kernel()
def _add_square(buffer, x, y):
    for j in range(buffer.shape[0]):
        difference = x - y[j]
        buffer[j] += difference * difference


@kernel()
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


@kernel()
def _lowest(strip):
    low = strip[0]
    for j in range(strip.shape[0]):
        low = min(low, strip[j])
    return low


@kernel()
def _look_through(buffer, start, values, columns, count):
    """Keep the least of a tile, strip by strip: most strips hold nothing low enough."""
    for first in range(0, buffer.shape[0], _STRIP):
        strip = buffer[first : first + _STRIP]
        if count < values.shape[0] or _lowest(strip) < values[-1]:
            count = _keep_least(strip, start + first, values, columns, count)
    return count


@kernel(parallel=True)
def least_costs(x, y_t, c, g, half_power, values, columns):
    """The least c_ij − g_j of each row, in order, and where they are.

    Parameters
    ----------
    x : float64 array (n, d)
    y_t : float64 array (d, m)
    c : float64 array (n, m)
        Stored cost, or (0, 0) for |x_i − y_j|^p.
    g : float64 array (m,)
    half_power : float
        p/2.
    values : float64 array (n, k)
        Filled; k ≤ m.
    columns : int64 array (n, k)
        Filled.
    """
    n, m = values.shape[0], g.shape[0]
    for block in prange(-(-n // _ROWS)):
        tile = np.empty(_TILE)
        for i in range(block * _ROWS, min((block + 1) * _ROWS, n)):
            count = 0
            for start in range(0, m, _TILE):
                buffer = tile[: min(_TILE, m - start)]
                _reduced(buffer, x, y_t, c, g, half_power, i, start)
                count = _look_through(buffer, start, values[i], columns[i], count)
