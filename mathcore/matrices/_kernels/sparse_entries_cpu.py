"""What the choice of a method asks of a CSR matrix, in one pass over its entries."""

import numpy as np

from mathcore._compile import kernel


@kernel()
def examine_csr(indptr, indices, data, allowed, cursor, diagonal, row_sums):
    """Fill a_ii and Σ_j |a_ij|; return whether A = Aᴴ and whether A = −Aᴴ.

    The indices of each row must ascend without repetition. Two entries are equal when they differ
    by at most `allowed` times the sum of their magnitudes. Row i meets the entries (j, i), j < i,
    of the rows above in the order in which these rows hold them: one cursor a row finds them.
    """
    n = diagonal.shape[0]
    hermitian, skew = True, True
    unmatched = 0
    for i in range(n):
        total = row_sums[i] * 0
        cursor[i] = indptr[i + 1]
        for p in range(indptr[i], indptr[i + 1]):
            j, entry = indices[p], data[p]
            total += abs(entry)
            if j > i:
                cursor[i] = min(cursor[i], p)
                unmatched += 1
                continue
            if j == i:
                diagonal[i] = entry
                across = np.conj(entry)
            else:
                q = cursor[j]
                if q >= indptr[j + 1] or indices[q] != i:
                    hermitian, skew = False, False
                    continue
                across = np.conj(data[q])
                cursor[j] = q + 1
                unmatched -= 1
            bound = allowed * (abs(entry) + abs(across))
            hermitian = hermitian and abs(entry - across) <= bound
            skew = skew and abs(entry + across) <= bound
        row_sums[i] = total
    return hermitian and unmatched == 0, skew and unmatched == 0
