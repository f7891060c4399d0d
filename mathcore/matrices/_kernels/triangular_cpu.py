"""The recurrence for the square root of an upper triangular matrix, float32 to complex128."""

import numpy as np

from mathcore._compile import kernel
from mathcore._vectors import aligned_zeros


@kernel()
def transposed_square_root(t):
    """Rᵀ with R² = T, column by column: Björck & Hammarling, Linear Algebra Appl. 52 (1983).

    Row j of the result is column j of R, so that every loop runs along memory.
    """
    n = t.shape[0]
    columns = aligned_zeros(n, n, t)
    for j in range(n):
        column = columns[j]
        for i in range(j):
            column[i] = t[i, j]
        column[j] = np.sqrt(t[j, j])
        for k in range(j - 1, -1, -1):
            column[k] /= columns[k, k] + column[j]
            factor, other = column[k], columns[k]
            for i in range(k):
                column[i] -= factor * other[i]
    return columns
