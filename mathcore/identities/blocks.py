"""Small matrix constructions the array-API standard lacks."""

import itertools
import math

from mathcore import _arrays
from mathcore.matrices.taylor_polynomials import identity_like


def trace(a):
    """Sum of the diagonal, (...)."""
    return _arrays.result_namespace(a).linalg.trace(a)


def block_matrix(rows):
    """The matrix of the blocks; batch axes must agree."""
    xp = _arrays.result_namespace(rows[0][0])
    return xp.concat([xp.concat(list(row), axis=-1) for row in rows], axis=-2)


def kron(a, b):
    """Kronecker product of the last two axes."""
    (m, n), (p, q) = a.shape[-2:], b.shape[-2:]
    blocks = a[..., :, None, :, None] * b[..., None, :, None, :]
    return _arrays.result_namespace(a).reshape(blocks, (*blocks.shape[:-4], m * p, n * q))


def kronecker_sum(a, b):
    """A ⊗ I + I ⊗ B."""
    xp = _arrays.result_namespace(a)
    return kron(a, identity_like(xp, b)) + kron(identity_like(xp, a), b)


def from_diagonal(d):
    """Matrices with these diagonals."""
    return d[..., None] * identity_like(_arrays.result_namespace(d), d[..., None] * d[..., None, :])


def vec(x):
    """Columns of each matrix on top of one another, (..., mn)."""
    xp = _arrays.result_namespace(x)
    return xp.reshape(xp.matrix_transpose(x), (*x.shape[:-2], x.shape[-2] * x.shape[-1]))


def replaced_columns(a, e):
    """(..., n, n, n): member j is A with its column j taken from E."""
    xp = _arrays.result_namespace(a)
    chosen = identity_like(xp, a)[..., :, None, :] != 0
    return xp.where(chosen, e[..., None, :, :], a[..., None, :, :])


def every_choice(a, count, axis):
    """All selections of `count` rows (axis −2) or columns (−1), on a new leading axis −3."""
    xp = _arrays.result_namespace(a)
    if axis == -1:
        return xp.matrix_transpose(every_choice(xp.matrix_transpose(a), count, -2))
    chosen = list(itertools.combinations(range(a.shape[-2]), count))
    flat = xp.asarray([i for one in chosen for i in one], dtype=xp.int64, device=_arrays.device(a))
    shape = (*a.shape[:-2], len(chosen), count, a.shape[-1])
    return xp.reshape(xp.take(a, flat, axis=-2), shape)


def integer_power(x, exponent):
    """x · x ⋯ x; a library's complex power goes through the logarithm."""
    power = _arrays.result_namespace(x).ones_like(x)
    for _ in range(exponent):
        power = power * x
    return power


def binomial(n, k):
    """The binomial coefficient, of integers or of symbols."""
    if isinstance(n, int):
        return math.comb(n, k)
    import sympy

    return sympy.binomial(n, k)
