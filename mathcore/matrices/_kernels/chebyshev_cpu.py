"""Chebyshev recurrence on a CSR matrix: product, update and sum in one pass for each degree.

Every entry of the result is summed in a fixed order in the dtype of the vectors; float32, float64,
complex64 and complex128 keep what the definition keeps.
"""

import numpy as np

from mathcore._compile import kernel, part
from mathcore._vectors import aligned_zeros


@kernel()
def chebyshev_sums(
    indptr, indices, data, scale, shift, sign, coefficients, degrees, columns, before, now, out
):
    """Add Σ_{k ≥ 2} coefficients[i, k] T_k to out[i], where T_0 = `before`, T_1 = `now`.

    T_{k+1} = 2 scale (A T_k − shift T_k) + sign T_{k−1}. `before`, `now` and the rows of `out` are
    flat (n · m); the first two are used up, and the last two T are returned, older first. `degrees`
    ascends: row i of the coefficients ends at degrees[i].
    """
    last = out.shape[0] - 1
    double = scale + scale
    first = 0
    products = aligned_zeros(1, columns, now)[0]
    for k in range(2, degrees[last] + 1):
        while degrees[first] < k:
            first += 1
        weight, total = coefficients[last, k], out[last]
        if columns == 1:
            _advance_vector(indptr, indices, data, double, shift, sign, before, now, weight, total)
        else:
            _advance_block(
                indptr, indices, data, double, shift, sign, before, now, weight, total, products
            )
        before, now = now, before
        for time in range(first, last):
            _add(coefficients[time, k], now, out[time])
    return before, now


@part()
def _advance_vector(indptr, indices, data, scale, shift, sign, before, now, weight, total):
    end = np.uint64(indptr[0])
    for i in range(now.size):
        start, end = end, np.uint64(indptr[i + 1])
        product = 0 * now[i]
        for p in range(start, end):  # unsigned: no test for indices that count backwards
            product += data[p] * now[np.uint64(indices[p])]
        term = scale * (product - shift * now[i]) + sign * before[i]
        before[i] = term
        total[i] += weight * term


@part()
def _advance_block(indptr, indices, data, scale, shift, sign, before, now, weight, total, products):
    columns = np.uint64(products.size)  # unsigned, as above
    end = np.uint64(indptr[0])
    for i in range(np.uint64(now.size) // columns):
        own = i * columns
        for j in range(columns):
            products[j] = -shift * now[own + j]
        start, end = end, np.uint64(indptr[i + np.uint64(1)])
        for p in range(start, end):
            entry, other = data[p], np.uint64(indices[p]) * columns
            for j in range(columns):
                products[j] += entry * now[other + j]
        for j in range(columns):
            term = scale * products[j] + sign * before[own + j]
            before[own + j] = term
            total[own + j] += weight * term


@part()
def _add(weight, term, total):
    for i in range(term.size):
        total[i] += weight * term[i]
