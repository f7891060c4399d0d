"""e^A and its Fréchet derivative for small matrices: ``exponential_derivative.py`` in one call.

Layouts, scaling and polynomial are those of ``expm_cpu``; the derivative of buffer k is kept in
buffer k + `_D`. Both dtypes keep the accuracy of the definition.
"""

import numpy as np
from numba import prange

from mathcore._compile import kernel
from mathcore._vectors import VECTOR_BYTES
from mathcore.matrices._kernels.expm_cpu import (
    A2,
    A3,
    T21,
    Y0,
    A,
    Q,
    R,
    X,
    fill_norms,
    last_sums_21,
    scale_by_powers_of_two,
    scaled_powers,
    sum_21,
    sums_21,
)
from mathcore.matrices._kernels.products_cpu import multiply, transpose
from mathcore.matrices._kernels.workspace_cpu import (
    add_identity,
    buffer_entries,
    keep,
    load,
    store,
)

_D = X + 1


@kernel(inline="always")
def _multiply(w, c, a, b, n, lanes, more=False):
    """`multiply`, and its derivative."""
    multiply(w, c + _D, a + _D, b, n, lanes, more)
    multiply(w, c + _D, a, b + _D, n, lanes, True)
    multiply(w, c, a, b, n, lanes, more)


@kernel()
def _taylor_21(w, n, lanes, c):
    """w[X] and w[X + _D] from the scaled powers of A and the derivative of A."""
    for factor, square in ((A, A2), (A2, A3)):
        multiply(w, square + _D, A + _D, factor, n, lanes)
        multiply(w, square + _D, A, factor + _D, n, lanes, True)
    for d in (0, _D):
        sum_21(w, (X + d,), (A + d, A2 + d, A3 + d), c, T21)
    _multiply(w, Y0, A3, X, n, lanes)
    for d in (0, _D):
        sums_21(w, (Q + d, R + d), (A + d, A2 + d, A3 + d, Y0 + d), c, T21 + 3)
    _multiply(w, X, Q, R, n, lanes)
    for d in (0, _D):
        known = (A + d, A2 + d, A3 + d, Y0 + d, X + d)
        last_sums_21(w, (Q + d, R + d, X + d), known, c, T21 + 8)
    _multiply(w, X, Q, R, n, lanes, True)
    add_identity(w, X, 1, n, lanes)


@kernel()
def _square(w, s, n, lanes):
    """X^(2^s) and its derivative by lane; the buffer the power is in."""
    least, most = np.min(s), np.max(s)
    x, y = X, Q
    for i in range(most):
        _multiply(w, y, x, x, n, lanes)
        if i >= least:
            keep(w, x, y, s, i)
            keep(w, x + _D, y + _D, s, i)
        x, y = y, x
    return x


@kernel()
def derivative_part(a, e, value, derivative, adjoint, first, stop, n, groups, theta, c):
    """value = exp(A), derivative = L(A, E), or L(Aᵀ, E) where `adjoint`, of flat matrices.

    Those from `first` on before `stop`; by rows where `groups` is 0.
    """
    vector = VECTOR_BYTES // a.itemsize
    lanes, together = groups > 0, max(1, groups * vector)
    w = np.zeros((2 * _D, buffer_entries(n, groups, vector)), a.dtype)
    norms = np.empty((3, max(vector, together)), a.dtype)
    b, s = np.empty(norms.shape[1], np.int64), np.empty(norms.shape[1], np.int64)
    for start in range(first, stop, together):
        load(w, A, a, start, stop, n, groups)
        load(w, X if adjoint else A + _D, e, start, stop, n, groups)
        if adjoint:  # L(Aᵀ, E) = L(A, Eᵀ)ᵀ
            transpose(w, A + _D, X, n, lanes)
        fill_norms(w, A, n, lanes, norms[0])
        scaled_powers(w, n, lanes, theta[3], norms, b, s)
        b[:] = 0
        scale_by_powers_of_two(w, A + _D, b, s, 1, norms[0])
        _taylor_21(w, n, lanes, c)
        x = _square(w, s, n, lanes)
        store(w, x, value, start, stop, n, groups)
        if adjoint:
            transpose(w, R, x + _D, n, lanes)
        store(w, R if adjoint else x + _D, derivative, start, stop, n, groups)


@kernel(parallel=True)
def derivative_batch(a, e, value, derivative, adjoint, share, n, groups, theta, c):
    """The same for the whole batch, `share` matrices at a time."""
    for k in prange(-(-a.shape[0] // share)):
        stop = min((k + 1) * share, a.shape[0])
        derivative_part(a, e, value, derivative, adjoint, k * share, stop, n, groups, theta, c)
