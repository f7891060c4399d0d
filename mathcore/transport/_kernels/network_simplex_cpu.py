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

from mathcore._compile import kernel, part

_UNBOUNDED = np.int64(2**62)
_NO_ARC = _NO_NODE = np.int64(-1)
_FIRST_ARC = np.int64(0)
_LOSE, _GAIN = np.bool_(True), np.bool_(False)

# A tree is (links, masses), arrays (6, nodes) and (nodes,): few arguments, since each takes time to
# compile. The rows of `links`:
PARENT, ARC, DEPTH, FIRST, NEXT, PREVIOUS = (np.int64(k) for k in range(6))


@part()
def _attach(tree, node, parent, arc, mass):
    links, masses = tree
    links[PARENT, node], links[ARC, node], masses[node] = parent, arc, mass
    sibling = links[FIRST, parent]
    links[NEXT, node], links[PREVIOUS, node] = sibling, -1
    if sibling >= 0:
        links[PREVIOUS, sibling] = node
    links[FIRST, parent] = node


@part()
def _detach(links, node):
    before, after = links[PREVIOUS, node], links[NEXT, node]
    if before >= 0:
        links[NEXT, before] = after
    else:
        links[FIRST, links[PARENT, node]] = after
    if after >= 0:
        links[PREVIOUS, after] = before


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
    tree : tuple of arrays
        Filled but for the depths; the links hold −1 everywhere.
    """
    n, m = supply.shape[0], demand.shape[0]
    links = tree[0]
    for i in range(n):
        for arc in range(starts[i], starts[i + 1]):
            j = columns[arc]
            if links[PARENT, n + j] >= 0:  # served already
                continue
            if demand[j] > supply[i]:
                _attach(tree, i, n + j, arc, supply[i])
                demand[j] -= supply[i]
                break
            _attach(tree, n + j, i, arc, demand[j])
            supply[i] -= demand[j]
            if supply[i] == 0:
                break
        if links[PARENT, i] < 0:
            _attach(tree, i, n + m, _NO_ARC, supply[i])
    for j in range(m):
        if links[PARENT, n + j] < 0:
            _attach(tree, n + j, n + m, _NO_ARC, demand[j])


@kernel()
def hang_potentials(costs, artificial, links, potentials):
    """Potentials with f_i + g_j = c_ij on every arc of the tree, from the root down; depths."""
    root = potentials.shape[0] - 1
    potentials[root], links[DEPTH, root] = 0.0, 0
    node = links[FIRST, root]
    while node != root:
        parent, arc = links[PARENT, node], links[ARC, node]
        links[DEPTH, node] = links[DEPTH, parent] + 1
        potentials[node] = artificial[node] if arc < 0 else costs[arc] - potentials[parent]
        if links[FIRST, node] >= 0:
            node = links[FIRST, node]
            continue
        while node != root and links[NEXT, node] < 0:
            node = links[PARENT, node]
        if node != root:
            node = links[NEXT, node]


@part()
def _shift(top, change, n, links, potentials):
    """Add ± `change` to the potentials below and at `top`, and renew the depths."""
    rows = top < n
    node = top
    while True:
        links[DEPTH, node] = links[DEPTH, links[PARENT, node]] + 1
        potentials[node] += change if (node < n) == rows else -change
        if links[FIRST, node] >= 0:
            node = links[FIRST, node]
            continue
        while node != top and links[NEXT, node] < 0:
            node = links[PARENT, node]
        if node == top:
            return
        node = links[NEXT, node]


@part()
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


@part()
def _join(i, j, links):
    """Where the paths from two nodes to the root meet."""
    while i != j:
        if links[DEPTH, i] >= links[DEPTH, j]:
            i = np.int64(links[PARENT, i])
        else:
            j = np.int64(links[PARENT, j])
    return i


@part()
def _leaving(i, j, join, n, tree):
    """The node whose arc leaves, and its mass, as `j` receives more from `i`.

    On the cycle from the join down to i, over to j and up again, the last arc that blocks.
    """
    links, masses = tree
    mass, node, out = _UNBOUNDED, i, _NO_NODE
    while node != join:
        if node < n and masses[node] < mass:
            mass, out = masses[node], node
        node = np.int64(links[PARENT, node])
    node = j
    while node != join:
        if node >= n and masses[node] <= mass:
            mass, out = masses[node], node
        node = np.int64(links[PARENT, node])
    return out, mass


@part()
def _push(node, join, rows_lose, mass, n, tree):
    links, masses = tree
    while node != join:
        masses[node] += -mass if (node < n) == rows_lose else mass
        node = np.int64(links[PARENT, node])


@part()
def _rehang(node, parent, out, arc, mass, tree):
    """Turn the path from `node` up to `out` around and hang it below `parent`."""
    links, masses = tree
    while True:
        above, arc_above, mass_above = links[PARENT, node], links[ARC, node], masses[node]
        _detach(links, node)
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
    tree : tuple of arrays
        Strongly feasible; updated.
    potentials : float64 array (n + m + 1,)
        Of that tree; updated, with a rounding that grows as the number of pivots.
    tolerance : float
    block : int
        Arcs that are compared for each pivot.
    at_most : int
        Pivots after which to return.
    """
    links, begin = tree[0], _FIRST_ARC
    for count in range(at_most):
        entering, reduced, begin = _entering(
            rows, columns, costs, n, potentials, tolerance, begin, block
        )
        if entering < 0:
            return count
        i, j = np.int64(rows[entering]), np.int64(n + columns[entering])
        join = _join(i, j, links)
        out, mass = _leaving(i, j, join, n, tree)
        if mass > 0:
            _push(i, join, _LOSE, mass, n, tree)
            _push(j, join, _GAIN, mass, n, tree)
        # the side of the leaving arc is the side of the path it lies on
        node = i
        while node != join and node != out:
            node = np.int64(links[PARENT, node])
        top, parent = (j, i) if node == join else (i, j)
        _rehang(top, parent, out, entering, mass, tree)
        _shift(top, reduced, n, links, potentials)
    return at_most
