"""The exponential of small matrices: the ladder and the scaling of ``matrices/exponential.py``.

Eight (float32: sixteen) small matrices go through the polynomial together, one in each vector
lane; larger ones one at a time, rows padded to whole vectors. Both dtypes keep the accuracy of the
definition; sums are taken in another order.
"""

import math

import numpy as np

from mathcore._compile import kernel, part
from mathcore._vectors import VECTOR_BYTES, aligned_zeros, bits_of, number_of
from mathcore.matrices._kernels.products_cpu import (
    add_product,
    lanes_times_absolute,
    multiply,
    row_times_absolute,
)
from mathcore.matrices._kernels.workspace_cpu import (
    add_identity,
    buffer_entries,
    combination,
    keep,
    lane_norms,
    largest,
    least_and_most,
    load,
    scale,
    store,
)

_LARGE = 1e12  # cubes of larger norms could overflow in float32: rescale first
_DEGREE = 21
_LARGEST_ABSOLUTE = 4.0

A, A2, A3, Y0, Q, R, X = (np.int64(k) for k in range(7))  # buffers
# Where the coefficients of each polynomial begin.
_T4, _T8, _T15, T21 = np.int64(0), np.int64(3), np.int64(11), np.int64(25)
_INVERSE = np.int64(-1)


# --- polynomials, sum by sum as ``taylor_polynomials`` has them -----------------------------------

_sums_4 = combination("cc", "10")
_sum_8, _sums_8 = combination("cc"), combination("0c1", "ccc", "1c0")
_sum_15, _sums_15 = combination("cc"), combination("cc1", "0c1")
_last_sums_15 = combination("ccc1", "ccc1", "1ccc")
sum_21, sums_21 = combination("ccc"), combination("ccc1", "0cc1")
last_sums_21 = combination("cccc1", "cccc1", "1cccc")


@part()
def _taylor_4(w, n, lanes, c):
    _sums_4(w, (R, X), (A, A2), c, _T4)
    add_identity(w, R, c[_T4 + 2], n, lanes)
    add_product(w, X, A2, R, n, lanes)


@part()
def _taylor_8(w, n, lanes, c):
    _sum_8(w, (X,), (A, A2), c, _T8)
    multiply(w, Y0, A2, X, n, lanes)
    _sums_8(w, (Q, R, X), (A, A2, Y0), c, _T8 + 2)
    add_identity(w, R, c[_T8 + 7], n, lanes)
    add_product(w, X, Q, R, n, lanes)


@part()
def _taylor_15(w, n, lanes, c):
    _sum_15(w, (X,), (A, A2), c, _T15)
    multiply(w, Y0, A2, X, n, lanes)
    _sums_15(w, (Q, R), (A, A2, Y0), c, _T15 + 2)
    multiply(w, X, Q, R, n, lanes)
    _last_sums_15(w, (Q, R, X), (A, A2, Y0, X), c, _T15 + 5)
    add_product(w, X, Q, R, n, lanes)


@part()
def _taylor_21(w, n, lanes, c):
    """A² and A³ are there."""
    sum_21(w, (X,), (A, A2, A3), c, T21)
    multiply(w, Y0, A3, X, n, lanes)
    sums_21(w, (Q, R), (A, A2, A3, Y0), c, T21 + 3)
    multiply(w, X, Q, R, n, lanes)
    last_sums_21(w, (Q, R, X), (A, A2, A3, Y0, X), c, T21 + 8)
    add_product(w, X, Q, R, n, lanes)


# --- norms and squarings, one number a lane ----------------------------------------------------


@part()
def _larger(x, y):
    return y if y > x else x


@part()
def _smaller(x, y):
    return y if y < x else x


@part()
def fill_norms(w, k, n, lanes, out):
    """1-norm of each lane's matrix; with padded rows the one norm in every lane."""
    if lanes is None:
        out[:] = _row_norm(w, k, n)
    else:
        lane_norms(w, k, n, out)


@part()
def _row_norm(w, k, n):
    stride, top = w.shape[1] // n, w.dtype.type(0)
    for j in range(n):
        total = w.dtype.type(0)
        for i in range(n):
            total += abs(w[k, i * stride + j])
        if not total <= top:
            top = total
    return top


@part()
def _ceil_log2(x):
    """⌈log₂ x⌉ from the bits of x; far below every exponent for 0, 0 for infinity and NaN."""
    bits = bits_of(x)
    field = (bits >> 52) & 0x7FF
    exponent = field - 1023 + np.int64(bits & 0xFFFFFFFFFFFFF != 0)
    return -100_000 if x == 0 else (exponent if field < 0x7FF else 0)


@part()
def _squarings(w, n, lanes, theta, norms, e, s):
    """s of each lane from the norms of B, B², B³ for A = 2^e B; as in the definition."""
    fill_norms(w, A2, n, lanes, norms[1])
    fill_norms(w, A3, n, lanes, norms[2])
    far = False
    for l in range(s.size):
        by_norm = _larger(0, _ceil_log2(norms[0, l] / theta) + e[l])
        by_square = -(-_ceil_log2(norms[1, l] / theta**2) // 2) + e[l]
        by_cube = -(-_ceil_log2(norms[2, l] / theta**3) // 3) + e[l]
        s[l] = _smaller(_larger(_larger(0, by_square), by_cube), by_norm)
        far |= s[l] < _ceil_log2(norms[0, l] / _LARGEST_ABSOLUTE) + e[l]
    if far:
        _guard(w[A], n, lanes, norms[0], e, s)


@part()
def _guard(b, n, lanes, norm, e, s):
    """Add what `overscaling_guard` adds where |2^{−s} A| may be too large."""
    log_power = aligned_zeros(1, s.size, np.float64)[0]
    _log2_of_power(b, n, lanes, log_power)
    for l in range(s.size):
        most = _ceil_log2(norm[l] / _LARGEST_ABSOLUTE) + e[l]
        if s[l] < most and log_power[l] > -np.inf:
            log_size = (log_power[l] - math.log2(norm[l])) / _DEGREE + e[l] - s[l]
            extra = math.ceil(log_size - math.log2(_LARGEST_ABSOLUTE))
            s[l] = _smaller(s[l] + _larger(0, extra), most)


@part()
def _log2_of_power(b, n, lanes, out):
    """log₂ of the largest entry of 1ᵀ|B|^(degree + 1), by lane; −inf where it is 0."""
    vector = VECTOR_BYTES // b.itemsize
    width = -(-n // vector) if lanes is None else n
    work = aligned_zeros(2, width * vector, np.float64)
    for g in range(out.size // vector):
        top = out[g * vector : (g + 1) * vector]
        _largest_of_power(b[g * n * width * vector :], n, work[0], work[1], lanes, top)
    for l in range(out.size):
        out[l] = math.log2(out[l]) if out[l] > 0 else -np.inf
    if lanes is None:
        out[:] = largest(out)


@part()
def _largest_of_power(b, n, row, product, lanes, top):
    """The largest entry of each lane; `row` and `product` are work, of whole vectors."""
    row[:] = 1
    for _ in range(_DEGREE + 1):
        if lanes is None:
            row_times_absolute(b, n, row, product)
        else:
            lanes_times_absolute(b, n, row, product)
        row, product = product, row
    for l in range(top.size):
        top[l] = 0
        for p in range(l, row.size, top.size):
            if row[p] > top[l]:
                top[l] = row[p]


@part()
def scale_by_powers_of_two(w, k, e, s, power, factors):
    """w[k] ← 2^(power · (e − s)) w[k] by lane; w[k] is 0 where that would overflow."""
    most = 1000 if w.itemsize == 8 else 120
    for l in range(e.size):
        field = _larger(-1023, _smaller(most, power * (e[l] - s[l]))) + 1023
        factors[l] = number_of(field << 52)
    scale(w, k, factors)


@part()
def _square(w, s, n, lanes):
    """X^(2^s) by lane; the buffer it is in."""
    least, most = least_and_most(s)
    x, y = X, Q
    for i in range(most):
        multiply(w, y, x, x, n, lanes)
        if i >= least:
            keep(w, x, y, s, i)
        x, y = y, x
    return x


# --- the whole ------------------------------------------------------------------------------------


@part()
def scaled_powers(w, n, lanes, theta, norms, e, s):
    """2^{−s} A with its square and cube, and s by lane, from A and its norms."""
    e[:], s[:] = 0, 0
    if not largest(norms[0]) < _LARGE:
        for l in range(e.size):
            e[l] = _larger(0, _ceil_log2(norms[0, l]))
        scale_by_powers_of_two(w, A, e, s, _INVERSE, norms[0])
        fill_norms(w, A, n, lanes, norms[0])
    multiply(w, A2, A, A, n, lanes)
    multiply(w, A3, A, A2, n, lanes)
    _squarings(w, n, lanes, theta, norms, e, s)
    if largest(s) > 0 or largest(e) > 0:
        for power in range(1, 4):
            scale_by_powers_of_two(w, power - 1, e, s, power, norms[0])


@part()
def _exponential(w, n, lanes, theta, c, norms, e, s):
    """e^A for w[A] = A; the buffer it is in."""
    fill_norms(w, A, n, lanes, norms[0])
    norm = largest(norms[0])
    s[:] = 0
    if not norm <= theta[2]:
        scaled_powers(w, n, lanes, theta[3], norms, e, s)
        _taylor_21(w, n, lanes, c)
    else:
        multiply(w, A2, A, A, n, lanes)
        if norm <= theta[0]:
            _taylor_4(w, n, lanes, c)
        elif norm <= theta[1]:
            _taylor_8(w, n, lanes, c)
        else:
            _taylor_15(w, n, lanes, c)
    add_identity(w, X, 1.0, n, lanes)
    return _square(w, s, n, lanes)


@part()
def _share(a, out, start, stop, together, n, lanes, theta, c):
    """out = e^a for the flat matrices `start` … `stop` − 1."""
    vector = VECTOR_BYTES // a.itemsize
    w = aligned_zeros(7, buffer_entries(n, lanes, together, vector), a)
    norms = aligned_zeros(3, max(vector, together), a)
    counts = aligned_zeros(2, norms.shape[1], np.int64)
    e, s = counts[0], counts[1]
    for first in range(start, stop, together):
        load(w, A, a, first, stop, n, lanes)
        store(w, _exponential(w, n, lanes, theta, c, norms, e, s), out, first, stop, n, lanes)


@kernel()
def expm_rows(low, high, a, out, n, theta, c):
    """out = e^a for flat matrices a (batch, n²), one at a time; c in a's dtype."""
    _share(a, out, low, high, 1, n, None, theta, c)


@kernel()
def expm_lanes(low, high, a, out, together, n, theta, c):
    """The same, share k being the matrices k · `together` …: one in each lane of so many lanes."""
    _share(a, out, low * together, min(high * together, a.shape[0]), together, n, True, theta, c)
