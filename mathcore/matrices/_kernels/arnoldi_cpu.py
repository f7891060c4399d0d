"""One vector of a Krylov basis made orthogonal to those before it, by modified Gram–Schmidt."""

import math

from mathcore._compile import SAFE_FASTMATH, kernel, part


@kernel(fastmath=SAFE_FASTMATH | {"reassoc"})
def orthogonalize(basis, projected, first, j, passes, enough, least):
    """`arnoldi.orthogonalize`, one vector of the basis after the other."""
    w = basis[j + 1]
    before = _norm(w)
    for _ in range(passes):
        for k in range(first, j + 1):
            known = basis[k]
            inner = w[0] * known[0]
            for i in range(1, w.size):
                inner += known[i] * w[i]
            for i in range(w.size):
                w[i] -= inner * known[i]
            projected[k, j] += inner
        after = _norm(w)
        if after > enough * before:
            break
    if not after > least * before:
        return False
    projected[j + 1, j] = after
    for i in range(w.size):
        w[i] /= after
    return True


@part(fastmath=SAFE_FASTMATH | {"reassoc"})
def _norm(x):
    total = x[0] * x[0]
    for i in range(1, x.size):
        total += x[i] * x[i]
    return math.sqrt(total)
