"""Linear combinations of a few large arrays in one pass, and the 1-norm of a large matrix.

NumPy reads and writes a whole array for every term of a sum; here a block that stays in the cache
goes through all the terms. Sums are taken in the order of the definition, in its dtype. On
one thread: between two products the threads of BLAS still spin, and a second pool would fight them
for the cores (measured on two: 24 ms instead of 1.4 for the exponential of order 256).
"""

from mathcore._compile import kernel, part
from mathcore._vectors import aligned_zeros
from mathcore.matrices._kernels.workspace_cpu import largest

MOST_TERMS, MOST_SUMS = 7, 3  # arguments are padded to these: one compilation for each dtype
_BLOCK = 2048  # numbers


@kernel()
def combine(coefficients, terms, sums):
    """sums[i] = Σ_j coefficients[i, j] X_j, where X is `terms` and then `sums` themselves.

    `terms` and `sums` are tuples of flat arrays; a coefficient of 0 leaves its array unread.
    """
    size = terms[0].size
    for start in range(0, size, _BLOCK):
        for i in range(coefficients.shape[0]):
            total = sums[i][start : min(start + _BLOCK, size)]
            total[:] = 0
            for j in range(MOST_TERMS):
                _add(coefficients[i, j], terms[j], start, total)
            for j in range(i):
                _add(coefficients[i, MOST_TERMS + j], sums[j], start, total)


@part()
def _add(coefficient, term, start, total):
    if coefficient != 0:
        block = term[start : start + total.size]
        for p in range(total.size):
            total[p] += coefficient * block[p]


@kernel()
def largest_column_sum(a):
    """1-norm of a matrix; NaN where an entry is NaN."""
    sums = aligned_zeros(1, a.shape[1], a)[0]
    for i in range(a.shape[0]):
        row = a[i]
        for j in range(sums.size):
            sums[j] += abs(row[j])
    return largest(sums)
