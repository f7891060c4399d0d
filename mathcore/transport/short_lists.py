"""The few arcs that an optimal plan is likely to use, by nearly optimal potentials.

Entropic potentials between some of the points first, then on short lists of arcs between all. What
is found here is where the exact solver starts; it bears on its speed alone.
"""

import numpy as np

from mathcore.transport import ground_costs

_LENGTH = 16  # arcs of each row and of each column
_SMALL = 64  # rows and columns up to which all arcs are listed
_SAMPLE = 1000  # points on each side of the coarse problem
_COARSE = ((0.5, 2), (0.125, 3), (0.03, 5), (0.008, 8))  # ε over the mean cost, passes
_FINE = ((0.008, 30), (0.002, 30))
_LEAST_WEIGHT = 1e-6  # over the mean; it bounds the scalings


def short_lists(cost, supply, demand):
    """Feasible potentials f (n,), g (m,), and the rows and columns of the arcs, sorted by row."""
    if max(cost.shape) <= _SMALL:
        return _least_arcs(cost, np.zeros(cost.shape[1]), _SMALL)
    a, b = (np.maximum(w / np.mean(w), _LEAST_WEIGHT) for w in (supply, demand))
    g, scale = _coarse_potential(cost, a, b)
    return _least_arcs(cost, _refined(cost, _least_arcs(cost, g, _LENGTH), a, b, scale), _LENGTH)


def _least_arcs(cost, g, length):
    """Feasible potentials from `g`, and the arcs of least reduced cost of each node."""
    n, m = cost.shape
    in_rows, columns = ground_costs.least_arcs(cost, g, length)
    f = in_rows[:, 0].copy()
    in_columns, rows = ground_costs.least_arcs_of_columns(cost, f, length)
    of_rows = np.arange(n)[:, None] * m + columns
    of_columns = rows * m + np.arange(m)[:, None]
    kept = of_rows[np.isfinite(in_rows)], of_columns[np.isfinite(in_columns)]
    ends = (part.astype(np.int32) for part in np.divmod(np.unique(np.concatenate(kept)), m))
    return f, in_columns[:, 0].copy(), *ends


def _coarse_potential(cost, a, b):
    """g (m,), the c-transform of potentials between some of the points; the mean cost of those."""
    n, m = cost.shape
    of_rows, of_columns = slice(None, None, -(-n // _SAMPLE)), slice(None, None, -(-m // _SAMPLE))
    c = ground_costs.table(cost.part(of_rows, of_columns))
    finite = np.isfinite(c)
    c = np.where(finite, c, 2 * np.max(c, where=finite, initial=0.0) + 1)
    least = np.min(c, axis=1)
    c = c - least[:, None]
    c = c - np.min(c, axis=0)
    scale = float(np.mean(c)) or 1.0
    single = (v.astype(np.float32) for v in (c / scale, a[of_rows], b[of_columns]))
    f = least + scale * _entropic_potential(*single).astype(np.float64)
    g = ground_costs.least_arcs_of_columns(cost.part(of_rows, slice(None)), f, 1)[0][:, 0]
    return np.where(np.isfinite(g), g, 0.0), scale


def _entropic_potential(c, a, b):
    """f (n,) at falling ε.

    Each level starts from c-transforms, which leave a one in every row and column of the kernel:
    nothing underflows.
    """
    f = np.zeros_like(a)
    for epsilon, passes in _COARSE:
        g = np.min(c - f[:, None], axis=0)
        f = np.min(c - g, axis=1)
        kernel = np.exp((f[:, None] + g - c) / c.dtype.type(epsilon))
        u, _ = _scalings(kernel, a, b, passes)
        f = f + c.dtype.type(epsilon) * np.log(u)
    return f


def _refined(cost, listed, a, b, scale):
    """g (m,) at falling ε on the listed arcs alone."""
    from scipy.sparse import csr_array

    f, g, rows, columns = listed
    c = cost.at(rows, columns)
    for epsilon, passes in _FINE:
        f = _least(c - g[columns], rows, cost.shape[0])
        g = _least(c - f[rows], columns, cost.shape[1])
        kernel = np.exp((f[rows] + g[columns] - c) / (epsilon * scale))
        kernel = csr_array((kernel, (rows, columns)), shape=cost.shape)
        _, v = _scalings(kernel, a, b, passes)
        g = g + epsilon * scale * np.log(v)
    return g


def _least(values, nodes, count):
    least = np.full(count, np.inf)
    np.minimum.at(least, nodes, values)
    return least


def _scalings(kernel, a, b, passes):
    """Sinkhorn's u and v, with diag(u) kernel diag(v) of marginals near a and b."""
    back, v = kernel.T, np.ones_like(b)
    for _ in range(passes):
        u = a / (kernel @ v)
        v = b / (back @ u)
    return u, v
