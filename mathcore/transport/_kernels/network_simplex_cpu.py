"""The network simplex on the arcs of a bipartite graph, masses in whole numbers.

Nodes 0 … n − 1 are rows, n … n + m − 1 columns, the last is the root. A spanning tree hangs from
the root; each node keeps its parent, the arc to it (−1: an artificial arc to the root), the mass
on that arc, its depth, and its children as a doubly linked list. Mass moves from rows to columns,
so that a row's arc leads up and a column's arc leads down.

Pivots keep the tree strongly feasible, every arc without mass leading up, which excludes cycling
(Cunningham, "A network simplex method", Math. Programming 11, 1976; Ahuja, Magnanti & Orlin,
"Network Flows", 1993, section 11.6).
"""

import numpy as np

from mathcore._compile import kernel

_UNBOUNDED = np.int64(2**62)

# A tree is (parent, arc, mass, depth, first, next_, previous), arrays over the nodes.


@kernel()
def _attach(tree, node, parent, arc, mass):
    parents, arcs, masses, _, first, next_, previous = tree
    parents[node], arcs[node], masses[node] = parent, arc, mass
    sibling = first[parent]
    next_[node], previous[node] = sibling, -1
    if sibling >= 0:
        previous[sibling] = node
    first[parent] = node


@kernel()
def _detach(tree, node):
    parents, _, _, _, first, next_, previous = tree
    before, after = previous[node], next_[node]
    if before >= 0:
        next_[before] = after
    else:
        first[parents[node]] = after
    if after >= 0:
        previous[after] = before


@kernel()
def greedy_tree(starts, columns, supply, demand, tree):
    """Fill a strongly feasible tree: rows in order serve the columns of their arcs in order.

    Parameters
    ----------
    starts : int array (n + 1,)
        Arcs of row i are starts[i] … starts[i + 1] − 1.
    columns : int array (arcs,)
    supply, demand : int64 array (n,), (m,)
        Of one sum, positive; overwritten by what the root has to carry.
    tree : tuple of arrays (n + m + 1,)
        Filled but for the depths; ``parent`` and ``first`` hold −1 everywhere.
    """
    n, m = supply.shape[0], demand.shape[0]
    parents = tree[0]
    for i in range(n):
        for arc in range(starts[i], starts[i + 1]):
            j = columns[arc]
            if parents[n + j] >= 0:  # served already
                continue
            if demand[j] > supply[i]:
                _attach(tree, i, n + j, arc, supply[i])
                demand[j] -= supply[i]
                break
            _attach(tree, n + j, i, arc, demand[j])
            supply[i] -= demand[j]
            if supply[i] == 0:
                break
        if parents[i] < 0:
            _attach(tree, i, n + m, -1, supply[i])
    for j in range(m):
        if parents[n + j] < 0:
            _attach(tree, n + j, n + m, -1, demand[j])


@kernel()
def hang_potentials(costs, artificial, tree, potentials):
    """Potentials with f_i + g_j = c_ij on every arc of the tree, from the root down; depths."""
    parents, arcs, _, depth, first, next_, _ = tree
    root = parents.shape[0] - 1
    potentials[root], depth[root] = 0.0, 0
    node = first[root]
    while node != root:
        parent = parents[node]
        depth[node] = depth[parent] + 1
        arc = arcs[node]
        potentials[node] = artificial[node] if arc < 0 else costs[arc] - potentials[parent]
        if first[node] >= 0:
            node = first[node]
            continue
        while node != root and next_[node] < 0:
            node = parents[node]
        if node != root:
            node = next_[node]


@kernel()
def _shift(top, change, n, tree, potentials):
    """Add ± `change` to the potentials below and at `top`, and renew the depths."""
    parents, _, _, depth, first, next_, _ = tree
    rows = top < n
    node = top
    while True:
        depth[node] = depth[parents[node]] + 1
        potentials[node] += change if (node < n) == rows else -change
        if first[node] >= 0:
            node = first[node]
            continue
        while node != top and next_[node] < 0:
            node = parents[node]
        if node == top:
            return
        node = next_[node]


@kernel()
def _entering(rows, columns, costs, n, potentials, tolerance, begin, block):
    """The arc of most negative reduced cost in the first block that has one, or −1; where to go on.

    Blocks as in Király & Kovács, "Efficient implementations of minimum-cost flow algorithms", 2012.
    """
    best, entering, arcs = -tolerance, -1, rows.shape[0]
    arc, left = begin, block
    for _ in range(arcs):
        reduced = costs[arc] - potentials[rows[arc]] - potentials[n + columns[arc]]
        if reduced < best:
            best, entering = reduced, arc
        arc += 1
        if arc == arcs:
            arc = 0
        left -= 1
        if left == 0:
            if entering >= 0:
                break
            left = block
    return entering, best, arc


@kernel()
def _join(i, j, tree):
    """Where the paths from two nodes to the root meet."""
    parents, depth = tree[0], tree[3]
    while i != j:
        if depth[i] >= depth[j]:
            i = parents[i]
        else:
            j = parents[j]
    return i


@kernel()
def _leaving(i, j, join, n, tree):
    """The node whose arc leaves, and its mass, as `j` receives more from `i`.

    On the cycle from the join down to i, over to j and up again, the last arc that blocks.
    """
    parents, masses = tree[0], tree[2]
    mass, node, out = _UNBOUNDED, i, -1
    while node != join:
        if node < n and masses[node] < mass:
            mass, out = masses[node], node
        node = parents[node]
    node = j
    while node != join:
        if node >= n and masses[node] <= mass:
            mass, out = masses[node], node
        node = parents[node]
    return out, mass


@kernel()
def _push(node, join, rows_lose, mass, n, tree):
    parents, masses = tree[0], tree[2]
    while node != join:
        masses[node] += -mass if (node < n) == rows_lose else mass
        node = parents[node]


@kernel()
def _rehang(node, parent, out, arc, mass, tree):
    """Turn the path from `node` up to `out` around and hang it below `parent`."""
    parents, arcs, masses = tree[0], tree[1], tree[2]
    while True:
        above, arc_above, mass_above = parents[node], arcs[node], masses[node]
        _detach(tree, node)
        _attach(tree, node, parent, arc, mass)
        if node == out:
            return
        parent, node, arc, mass = node, above, arc_above, mass_above


@kernel()
def pivot(rows, columns, costs, n, tree, potentials, tolerance, block, at_most):
    """Pivot until no arc has a reduced cost below −tolerance; the number of pivots.

    Parameters
    ----------
    rows, columns : int array (arcs,)
    costs : float64 array (arcs,)
        Finite.
    n : int
        Number of rows.
    tree : tuple of arrays (n + m + 1,)
        Strongly feasible; updated.
    potentials : float64 array (n + m + 1,)
        Of that tree; updated, with a rounding that grows as the number of pivots.
    tolerance : float
    block : int
        Arcs that are compared for each pivot.
    at_most : int
        Pivots after which to return.
    """
    begin = 0
    for count in range(at_most):
        entering, reduced, begin = _entering(
            rows, columns, costs, n, potentials, tolerance, begin, block
        )
        if entering < 0:
            return count
        i, j = np.int64(rows[entering]), np.int64(n + columns[entering])
        join = _join(i, j, tree)
        out, mass = _leaving(i, j, join, n, tree)
        if mass > 0:
            _push(i, join, True, mass, n, tree)
            _push(j, join, False, mass, n, tree)
        # the side of the leaving arc is the side of the path it lies on
        node = i
        while node != join and node != out:
            node = tree[0][node]
        top, parent = (j, i) if node == join else (i, j)
        _rehang(top, parent, out, entering, mass, tree)
        _shift(top, reduced, n, tree, potentials)
    return at_most
