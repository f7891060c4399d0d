"""The linear program of transport: the network simplex on short lists of arcs, priced on all.

An optimal plan uses at most n + m − 1 of the n·m arcs. Potentials of a coarse entropic problem tell
which arcs can matter; the network simplex solves the problem on those, a dense pass finds arcs of
negative reduced cost, and the simplex goes on from where it was until there are none (delayed
column generation). Masses are whole numbers of 2⁻⁶⁰ of the total, so a plan is never infeasible by
rounding.
"""

from typing import Any, NamedTuple

import numpy as np

from mathcore.transport import ground_costs, short_lists

_UNITS = 2.0**60
_PRICED = 4  # arcs of one row that enter at a time
_ROUNDINGS = 16  # below which a reduced cost counts as zero
_PIVOTS = 2**18  # between two looks at a keyboard interrupt


class Flow(NamedTuple):
    """A plan on some arcs, and potentials with f_i + g_j ≤ c_ij on all."""

    rows: Any
    columns: Any
    mass: Any
    f: Any
    g: Any


class _Arcs(NamedTuple):
    """The arcs the simplex knows, and what an arc to the root costs at each node."""

    rows: Any
    columns: Any
    costs: Any
    artificial: Any


def minimum_cost_flow(cost, a, b):
    """Optimal flow of positive weights `a` (n,), `b` (m,) of one sum; None where there is none."""
    supply, demand = whole_masses(a, b)
    arcs, tree = _start(cost, supply, demand)
    arcs, f, g = _optimise(cost, arcs, tree)
    if _unserved(tree):
        arcs = _serve_all(cost, arcs, tree)
        if _unserved(tree):
            return None
        arcs, f, g = _optimise(cost, arcs, tree)
    arc, carried = _arcs_of(tree)
    used = np.flatnonzero((arc >= 0) & (carried > 0))
    rows, columns = arcs.rows[arc[used]], arcs.columns[arc[used]]
    order = np.lexsort((columns, rows))
    mass = carried[used[order]] * (float(np.sum(a)) / _UNITS)
    return Flow(rows[order], columns[order], mass, f, g)


def whole_masses(a, b):
    """Both weights in whole numbers of one sum, no point without."""
    supply, demand = (
        np.maximum(np.rint(w / (np.sum(w) / _UNITS)), 1.0).astype(np.int64) for w in (a, b)
    )
    rest = int(np.sum(supply)) - int(np.sum(demand))
    fewer = demand if rest > 0 else supply
    fewer += (abs(rest) * (fewer / np.sum(fewer))).astype(np.int64)
    rest = abs(int(np.sum(supply)) - int(np.sum(demand)))
    fewer[np.argsort(-fewer)[:rest]] += 1
    return supply, demand


# --- where to start -------------------------------------------------------------------------------


def _start(cost, supply, demand):
    """Short lists of arcs, and the tree that serves the best of each row first."""
    f, g, rows, columns = short_lists.short_lists(cost, supply, demand)
    values = cost.at(rows, columns)
    order = np.lexsort((values - f[rows] - g[columns], rows))
    rows, columns, values = rows[order], columns[order], values[order]
    # the way over the root is dearer than any arc
    ample = 2 * cost.largest() - np.min(f) - np.min(g) or 1.0
    artificial = np.concatenate([f + ample, g + ample, [0.0]])
    return _Arcs(rows, columns, values, artificial), _tree(rows, columns, supply, demand)


def _tree(rows, columns, supply, demand):
    from mathcore.transport._kernels.network_simplex_cpu import greedy_tree

    n = supply.shape[0]
    nodes = n + demand.shape[0] + 1
    tree = (np.full((6, nodes), -1, np.int32), np.zeros(nodes, np.int64))
    starts = np.searchsorted(rows, np.arange(n + 1))
    greedy_tree(starts, columns, supply.copy(), demand.copy(), tree)
    return tree


# --- from there to the optimum --------------------------------------------------------------------


def _optimise(cost, arcs, tree):
    """Simplex and pricing in turn until no arc of `cost` has a negative reduced cost."""
    n, m = cost.shape
    while True:
        potentials, tolerance = _simplex(arcs, n, tree)
        f, g = potentials[:n], potentials[n : n + m].copy()
        values, columns = ground_costs.least_arcs(cost, g, _PRICED)
        rows, k = np.nonzero(values < (f - 4 * tolerance)[:, None])
        if rows.shape[0] == 0:
            return arcs, values[:, 0].copy(), g
        rows, columns = rows.astype(np.int32), columns[rows, k].astype(np.int32)
        arcs = _Arcs(
            np.concatenate([arcs.rows, rows]),
            np.concatenate([arcs.columns, columns]),
            np.concatenate([arcs.costs, cost.at(rows, columns)]),
            arcs.artificial,
        )


def _simplex(arcs, n, tree):
    """Pivot to the optimum on these arcs; its potentials, and what counts as zero beside them."""
    from mathcore.transport._kernels.network_simplex_cpu import hang_potentials, pivot

    potentials = np.zeros(tree[0].shape[1])
    block = max(16, int(arcs.rows.shape[0] ** 0.5))
    pivots = _PIVOTS
    while pivots > 0:  # again from potentials without the rounding of the pivots
        hang_potentials(arcs.costs, arcs.artificial, tree[0], potentials)
        tolerance = _tolerance(arcs, potentials)
        listed = arcs.rows, arcs.columns, arcs.costs, n
        pivots = pivot(*listed, tree, potentials, tolerance, block, _PIVOTS)
    return potentials, tolerance


def _tolerance(arcs, potentials):
    largest = np.max(np.abs(arcs.costs)) + np.max(np.abs(potentials))
    return _ROUNDINGS * float(np.finfo(np.float64).eps) * float(largest)


def _unserved(tree):
    """Whether an artificial arc carries mass."""
    arc, carried = _arcs_of(tree)
    return bool(np.any(carried[arc < 0]))


def _arcs_of(tree):
    """The arc from each node to its parent, negative where it is artificial, and the mass on it."""
    from mathcore.transport._kernels.network_simplex_cpu import ARC

    return tree[0][ARC], tree[1]


def _serve_all(cost, arcs, tree):
    """Pivot to a tree that leaves least mass to the artificial arcs; the arcs of that tree."""
    free = ground_costs.Stored(np.where(np.isfinite(ground_costs.table(cost)), 0.0, np.inf))
    start = arcs._replace(costs=np.zeros_like(arcs.costs), artificial=np.ones_like(arcs.artificial))
    found, _, _ = _optimise(free, start, tree)
    return found._replace(costs=cost.at(found.rows, found.columns), artificial=arcs.artificial)
