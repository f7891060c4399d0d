"""Chebyshev recurrence on a CSR matrix: product, update and sum in one pass for each degree.

Every entry of the result is summed in a fixed order in the dtype of the vectors; float32, float64,
complex64 and complex128 keep what the definition keeps.
"""

import numpy as np

from mathcore._compile import kernel


@kernel()
def chebyshev_sums(
    indptr, indices, data, scale, shift, sign, coefficients, degrees, before, now, out
):
    """Add Σ_{k ≥ 2} coefficients[i, k] T_k to out[i], where T_0 = `before`, T_1 = `now`.

    T_{k+1} = 2 scale (A T_k − shift T_k) + sign T_{k−1}. `before` and `now` (n, m) are used up; the
    last two of them are returned, older first. `degrees` ascends: row i of the coefficients ends at
    degrees[i].
    """
    last = out.shape[0] - 1
    double = scale + scale
    first = 0
    for k in range(2, degrees[last] + 1):
        while degrees[first] < k:
            first += 1
        weight = coefficients[last, k]
        if now.shape[1] == 1:
            _advance_vector(
                indptr, indices, data, double, shift, sign, before.reshape(-1), now.reshape(-1),
                weight, out[last].reshape(-1),
            )  # fmt: skip
        else:
            _advance_block(
                indptr, indices, data, double, shift, sign, before, now, weight, out[last]
            )
        before, now = now, before
        for time in range(first, last):
            _add(coefficients[time, k], now, out[time])
    return before, now


@kernel()
def _advance_vector(indptr, indices, data, scale, shift, sign, before, now, weight, total):
    end = np.uint64(indptr[0])
    for i in range(now.shape[0]):
        start, end = end, np.uint64(indptr[i + 1])
        product = 0 * now[i]
        for p in range(start, end):  # unsigned: no test for indices that count backwards
            product += data[p] * now[np.uint64(indices[p])]
        term = scale * (product - shift * now[i]) + sign * before[i]
        before[i] = term
        total[i] += weight * term


@kernel()
def _advance_block(indptr, indices, data, scale, shift, sign, before, now, weight, total):
    columns = now.shape[1]
    products = np.empty(columns, dtype=now.dtype)
    end = np.uint64(indptr[0])
    for i in range(now.shape[0]):
        for j in range(columns):
            products[j] = -shift * now[i, j]
        start, end = end, np.uint64(indptr[i + 1])
        for p in range(start, end):
            entry, row = data[p], now[np.uint64(indices[p])]
            for j in range(columns):
                products[j] += entry * row[j]
        for j in range(columns):
            before[i, j] = scale * products[j] + sign * before[i, j]
            total[i, j] += weight * before[i, j]


@kernel()
def _add(weight, term, total):
    for i in range(term.shape[0]):
        for j in range(term.shape[1]):
            total[i, j] += weight * term[i, j]
