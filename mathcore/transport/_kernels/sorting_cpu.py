"""Sorted rows, alone or with their weights, and the cost of the monotone plan between two of them.

The sort distributes a row over 2³³ equal cells between its ends, by radix, and finishes by
insertion: linear time, unless the values crowd in few cells; then the comparison sort takes over.
"""

import numpy as np
from numba import prange

from mathcore._compile import kernel

_BITS = 11  # of a cell number in one pass: 2048 counters, and as many open cache lines
_PASSES = 3
_CELLS = 2.0 ** (_BITS * _PASSES) - 1
_MASK = 2**_BITS - 1
_MOVES = 8  # by insertion, for each value, before the comparison sort takes over
_TERMS = 1024  # of a total that are summed apart: its rounding grows with the square root


@kernel()
def _counts(x, lowest, scale):
    """How many cell numbers have each value of each digit, as the first position of each."""
    counts = np.zeros((_PASSES, _MASK + 1), np.int64)
    for k in range(x.shape[0]):
        cell = np.int64((x[k] - lowest) * scale)
        counts[0, cell & _MASK] += 1
        counts[1, (cell >> _BITS) & _MASK] += 1
        counts[2, cell >> 2 * _BITS] += 1
    for digit in range(_PASSES):
        total = 0
        for value in range(_MASK + 1):
            total, counts[digit, value] = total + counts[digit, value], total
    return counts


@kernel()
def _distribute(x, w, to_x, to_w, positions, lowest, scale, shift):
    weighted = w.shape[0] > 0
    for k in range(x.shape[0]):
        value = (np.int64((x[k] - lowest) * scale) >> shift) & _MASK
        p = positions[value]
        to_x[p] = x[k]
        if weighted:
            to_w[p] = w[k]
        positions[value] = p + 1


@kernel()
def _insert(x, w):
    """Insertion sort of a nearly sorted row, unless it takes too many moves."""
    weighted = w.shape[0] > 0
    moves = 0
    for k in range(1, x.shape[0]):
        value, p = x[k], k
        if x[k - 1] <= value:
            continue
        weight = w[k] if weighted else value
        while p > 0 and x[p - 1] > value:
            x[p] = x[p - 1]
            if weighted:
                w[p] = w[p - 1]
            p -= 1
        x[p] = value
        if weighted:
            w[p] = weight
        moves += k - p
        if moves > _MOVES * x.shape[0]:
            _sort_by_comparison(x, w)
            return


@kernel()
def _sort_by_comparison(x, w):
    if w.shape[0] > 0:
        order = np.argsort(x)
        x[:], w[:] = x[order], w[order]
    else:
        x.sort()


@kernel()
def _sort(x, w, out_x, out_w):
    """Sorted copy of a finite row `x` (n,) and of its weights `w` (n,) or (0,)."""
    lowest, highest = np.float64(x[0]), np.float64(x[0])
    for k in range(x.shape[0]):
        lowest, highest = min(lowest, x[k]), max(highest, x[k])
    if highest - lowest < 1e-300 or highest - lowest > 1e300:  # the scale would leave range
        out_x[:], out_w[:] = x, w
        _sort_by_comparison(out_x, out_w)
        return
    scale = _CELLS / (highest - lowest)
    counts = _counts(x, lowest, scale)
    other_x, other_w = np.empty_like(x), np.empty_like(w)
    _distribute(x, w, out_x, out_w, counts[0], lowest, scale, 0)
    _distribute(out_x, out_w, other_x, other_w, counts[1], lowest, scale, _BITS)
    _distribute(other_x, other_w, out_x, out_w, counts[2], lowest, scale, 2 * _BITS)
    _insert(out_x, out_w)


@kernel(parallel=True)
def sort_rows(x, a, y, b, out_x, out_a, out_y, out_b):
    """Sort rows x (k, n) and y (k, m) into `out_x`, `out_y`, weights with them.

    Finite values; weights a (k, n), b (k, m), or (k, 0) where there are none. Exact, in float32 and
    in float64.
    """
    for k in prange(2 * x.shape[0]):
        row = k // 2
        if k % 2 == 0:
            _sort(x[row], a[row], out_x[row], out_a[row])
        else:
            _sort(y[row], b[row], out_y[row], out_b[row])


@kernel()
def _power(distance, p):
    if p == 1.0:
        return distance
    return distance * distance if p == 2.0 else distance**p


@kernel()
def _monotone_cost(x, a, y, b, p):
    """Σ mass |x − y|^p where the sorted points are matched from the left."""
    n, m = x.shape[0], y.shape[0]
    weighted = a.shape[0] > 0
    i, j, terms, block, total = 0, 0, 0, 0.0, 0.0
    left = np.float64(a[0]) if weighted else np.float64(m)  # uniform: whole numbers of 1/(nm)
    right = np.float64(b[0]) if weighted else np.float64(n)
    while True:
        mass = min(left, right)
        block += mass * _power(abs(np.float64(x[i]) - np.float64(y[j])), p)
        terms += 1
        if terms == _TERMS:
            total, block, terms = total + block, 0.0, 0
        left, right = left - mass, right - mass
        if left <= 0:
            i += 1
            if i == n:
                break
            left = np.float64(a[i]) if weighted else np.float64(m)
        if right <= 0:
            j += 1
            if j == m:
                break
            right = np.float64(b[j]) if weighted else np.float64(n)
    total += block
    return total if weighted else total / (np.float64(n) * np.float64(m))


@kernel(parallel=True)
def monotone_costs(x, a, y, b, p, out):
    """out_k = W_p^p of the sorted rows x_k (n,), y_k (m,) with weights a_k, b_k, or (k, 0)."""
    for k in prange(x.shape[0]):
        out[k] = _monotone_cost(x[k], a[k], y[k], b[k], p)
