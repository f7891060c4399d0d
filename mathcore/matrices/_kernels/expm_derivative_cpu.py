"""e^A and its Fréchet derivative for small matrices: ``exponential_derivative.py`` in one call.

Layouts, scaling and polynomial are those of ``expm_cpu``; the derivative of buffer k is kept in
buffer k + `_D`. Both dtypes keep the accuracy of the definition.
"""

import numpy as np

from mathcore._compile import kernel, part
from mathcore._vectors import VECTOR_BYTES, aligned_zeros
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
from mathcore.matrices._kernels.products_cpu import add_product, multiply, transpose
from mathcore.matrices._kernels.workspace_cpu import (
    add_identity,
    buffer_entries,
    keep,
    least_and_most,
    load,
    store,
)

_D = X + np.int64(1)
_ONCE = np.int64(1)


@part()
def _multiply(w, c, a, b, n, lanes):
    """`multiply`, and its derivative."""
    multiply(w, c + _D, a + _D, b, n, lanes)
    add_product(w, c + _D, a, b + _D, n, lanes)
    multiply(w, c, a, b, n, lanes)


@part()
def _add_product(w, c, a, b, n, lanes):
    """`add_product`, and its derivative."""
    add_product(w, c + _D, a + _D, b, n, lanes)
    add_product(w, c + _D, a, b + _D, n, lanes)
    add_product(w, c, a, b, n, lanes)


@part()
def _taylor_21(w, n, lanes, c):
    """w[X] and w[X + _D] from the scaled powers of A and the derivative of A."""
    for factor, square in ((A, A2), (A2, A3)):
        multiply(w, square + _D, A + _D, factor, n, lanes)
        add_product(w, square + _D, A, factor + _D, n, lanes)
    for d in (np.int64(0), _D):
        sum_21(w, (X + d,), (A + d, A2 + d, A3 + d), c, T21)
    _multiply(w, Y0, A3, X, n, lanes)
    for d in (np.int64(0), _D):
        sums_21(w, (Q + d, R + d), (A + d, A2 + d, A3 + d, Y0 + d), c, T21 + 3)
    _multiply(w, X, Q, R, n, lanes)
    for d in (np.int64(0), _D):
        known = (A + d, A2 + d, A3 + d, Y0 + d, X + d)
        last_sums_21(w, (Q + d, R + d, X + d), known, c, T21 + 8)
    _add_product(w, X, Q, R, n, lanes)
    add_identity(w, X, 1.0, n, lanes)


@part()
def _square(w, s, n, lanes):
    """X^(2^s) and its derivative by lane; the buffer the power is in."""
    least, most = least_and_most(s)
    x, y = X, Q
    for i in range(most):
        _multiply(w, y, x, x, n, lanes)
        if i >= least:
            keep(w, x, y, s, i)
            keep(w, x + _D, y + _D, s, i)
        x, y = y, x
    return x


@part()
def _share(a, e, value, derivative, adjoint, start, stop, together, n, lanes, theta, c):
    """value = exp(A), derivative = L(A, E), or L(Aᵀ, E) where `adjoint`, of flat matrices."""
    vector = VECTOR_BYTES // a.itemsize
    w = aligned_zeros(2 * _D, buffer_entries(n, lanes, together, vector), a)
    norms = aligned_zeros(3, max(vector, together), a)
    counts = aligned_zeros(2, norms.shape[1], np.int64)
    b, s = counts[0], counts[1]
    for first in range(start, stop, together):
        load(w, A, a, first, stop, n, lanes)
        load(w, X if adjoint else A + _D, e, first, stop, n, lanes)
        if adjoint:  # L(Aᵀ, E) = L(A, Eᵀ)ᵀ
            transpose(w, A + _D, X, n, lanes)
        fill_norms(w, A, n, lanes, norms[0])
        scaled_powers(w, n, lanes, theta[3], norms, b, s)
        b[:] = 0
        scale_by_powers_of_two(w, A + _D, b, s, _ONCE, norms[0])
        _taylor_21(w, n, lanes, c)
        x = _square(w, s, n, lanes)
        store(w, x, value, first, stop, n, lanes)
        if adjoint:
            transpose(w, R, x + _D, n, lanes)
        store(w, R if adjoint else x + _D, derivative, first, stop, n, lanes)


@kernel()
def derivative_rows(low, high, a, e, value, derivative, adjoint, n, theta, c):
    """The exponential and its derivative for flat matrices (batch, n²), one at a time."""
    _share(a, e, value, derivative, adjoint, low, high, 1, n, None, theta, c)


@kernel()
def derivative_lanes(low, high, a, e, value, derivative, adjoint, together, n, theta, c):
    """The same, share k being the matrices k · `together` …: one in each lane of so many lanes."""
    start, stop = low * together, min(high * together, a.shape[0])
    _share(a, e, value, derivative, adjoint, start, stop, together, n, True, theta, c)
