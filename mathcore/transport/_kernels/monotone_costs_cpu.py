"""The cost of the monotone plan between two sorted rows."""

import numpy as np

from mathcore._compile import kernel, part

_TERMS = 1024  # of a total that are summed apart: its rounding grows with the square root
_START = np.int64(0)


@part()
def _power(distance, p):
    if p == 1.0:
        return distance
    return distance * distance if p == 2.0 else distance**p


@part()
def _monotone_cost(x, a, y, b, p):
    """Σ mass |x − y|^p where the sorted points are matched from the left."""
    n, m = x.shape[0], y.shape[0]
    weighted = a.shape[0] > 0
    i, j, terms, block, total = _START, _START, _START, 0.0, 0.0
    left = np.float64(a[0]) if weighted else np.float64(m)  # uniform: whole numbers of 1/(nm)
    right = np.float64(b[0]) if weighted else np.float64(n)
    while True:
        mass = min(left, right)
        block += mass * _power(abs(np.float64(x[i]) - np.float64(y[j])), p)
        terms += 1
        if terms == _TERMS:
            total, block, terms = total + block, 0.0, _START
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


@kernel()
def monotone_costs(low, high, x, a, y, b, p, out):
    """out_k = W_p^p of the sorted rows x_k (n,), y_k (m,) with weights a_k, b_k, or (k, 0)."""
    for k in range(low, high):
        out[k] = _monotone_cost(x[k], a[k], y[k], b[k], p)
