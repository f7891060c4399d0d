"""The exponential of small matrices: the ladder and the scaling of ``matrices/exponential.py``.

Up to n = `MOST_LANES` eight (float32: sixteen) matrices go through the polynomial together, one in
each vector lane; larger ones one at a time, rows padded to whole vectors. Both dtypes keep the
accuracy of the definition; sums are taken in another order.
"""

import math

import numpy as np
from numba import prange

from mathcore._compile import kernel
from mathcore._vectors import VECTOR_BYTES, lane_functions, lane_tile, row_tile, vector_sums

MOST_LANES = 16
GROUP_ENTRIES = 128  # vectors a buffer holds, about
_BLOCKS = 8  # that share one set of buffers
_LARGE = 1e30  # cubes of larger norms could overflow in float32: rescale first
_DEGREE = 21

_l44, _l42, _l24, _l22 = lane_tile(4, 4), lane_tile(4, 2), lane_tile(2, 4), lane_tile(2, 2)
_l21, _l12, _l11 = lane_tile(2, 1), lane_tile(1, 2), lane_tile(1, 1)
_r82, _r81, _r12, _r11 = row_tile(8, 2), row_tile(8, 1), row_tile(1, 2), row_tile(1, 1)
_r22, _r21 = row_tile(2, 2), row_tile(2, 1)

_sum2, _sum3, _sum4 = vector_sums()
_lane_norms, _lane_scale, _lane_keep = lane_functions()


# --- products -----------------------------------------------------------------------------------


@kernel()
def _multiply(a, b, c, n, lanes):
    if lanes:
        vectors = a.size // (VECTOR_BYTES // a.itemsize)
        for first in range(0, vectors, n * n):
            _multiply_lanes(a, b, c, n, first)
    else:
        _multiply_rows(a, b, c, n)


@kernel()
def _multiply_lanes(a, b, c, n, first):
    m = n - n % 4
    for i in range(0, m, 4):
        for j in range(0, m, 4):
            _l44(a, b, c, i, j, n, first)
    if n % 4 >= 2:
        for i in range(0, m, 4):
            _l42(a, b, c, i, m, n, first)
        for j in range(0, m, 4):
            _l24(a, b, c, m, j, n, first)
        _l22(a, b, c, m, m, n, first)
    if n % 2:
        for i in range(0, n - 1, 2):
            _l21(a, b, c, i, n - 1, n, first)
            _l12(a, b, c, n - 1, i, n, first)
        _l11(a, b, c, n - 1, n - 1, n, first)


@kernel()
def _multiply_rows(a, b, c, n):
    width = -(-n // (VECTOR_BYTES // a.itemsize))
    eights = n - n % 8
    for j in range(0, width - 1, 2):
        for i in range(0, eights, 8):
            _r82(a, b, c, i, j, n, 0)
        for i in range(eights, n - 1, 2):
            _r22(a, b, c, i, j, n, 0)
        if n % 2:
            _r12(a, b, c, n - 1, j, n, 0)
    if width % 2:
        for i in range(0, eights, 8):
            _r81(a, b, c, i, width - 1, n, 0)
        for i in range(eights, n - 1, 2):
            _r21(a, b, c, i, width - 1, n, 0)
        if n % 2:
            _r11(a, b, c, n - 1, width - 1, n, 0)


# --- sums ---------------------------------------------------------------------------------------


@kernel()
def _add_identity(x, value, n, lanes):
    vector = VECTOR_BYTES // x.itemsize
    if lanes:
        for g in range(0, x.size, n * n * vector):
            for i in range(n):
                start = g + (i * n + i) * vector
                for l in range(vector):
                    x[start + l] += value
    else:
        stride = -(-n // vector) * vector
        for i in range(n):
            x[i * stride + i] += value


# --- polynomials: w is the workspace, w[0] = A; the result is left in w[6] ------------------------


@kernel()
def _taylor_4(w, n, lanes):
    one = w.dtype.type(1)
    a, a2, v, x = w[0], w[1], w[3], w[6]
    _sum2(v, one / 6, a, one / 24, a2)
    _add_identity(v, one / 2, n, lanes)
    _multiply(a2, v, x, n, lanes)
    _sum2(v, one, x, one, a)
    x[:] = v
    _add_identity(x, one, n, lanes)


@kernel()
def _taylor_8(w, n, lanes, c):
    a, a2, y, u, v, x = w[0], w[1], w[3], w[4], w[5], w[6]
    one = w.dtype.type(1)
    _sum2(u, c[0], a, c[1], a2)
    _multiply(a2, u, y, n, lanes)
    _sum2(u, c[2], a2, one, y)
    _sum3(v, c[4], a, c[5], a2, c[6], y)
    _add_identity(v, c[3], n, lanes)
    _multiply(u, v, x, n, lanes)
    _sum3(v, one, x, one, a, c[7], a2)
    x[:] = v
    _add_identity(x, one, n, lanes)


@kernel()
def _taylor_15(w, n, lanes, c):
    a, a2, y0, y1, u, v, x = w[0], w[1], w[2], w[3], w[4], w[5], w[6]
    one = w.dtype.type(1)
    _sum2(u, c[0], a2, c[1], a)
    _multiply(a2, u, y0, n, lanes)
    _sum3(u, one, y0, c[2], a2, c[3], a)
    _sum2(v, one, y0, c[4], a2)
    _multiply(u, v, x, n, lanes)
    _sum3(y1, one, x, c[5], y0, c[6], a2)
    _sum3(u, one, y1, c[7], a2, c[8], a)
    _sum3(v, one, y1, c[9], y0, c[10], a)
    _multiply(u, v, x, n, lanes)
    _sum4(x, one, x, c[11], y1, c[12], y0, c[13], a2)
    _sum2(u, one, x, one, a)
    x[:] = u
    _add_identity(x, one, n, lanes)


@kernel()
def _taylor_21(w, n, lanes, c):
    """Sastre, Ibáñez & Defez 2019; w[1] = A², w[2] = A³ are there."""
    a, a2, a3, y0, u, v, x = w[0], w[1], w[2], w[3], w[4], w[5], w[6]
    one = w.dtype.type(1)
    _sum3(u, c[1], a3, c[2], a2, c[3], a)
    _multiply(a3, u, y0, n, lanes)
    _sum4(u, one, y0, c[4], a3, c[5], a2, c[6], a)
    _sum3(v, one, y0, c[7], a3, c[8], a2)
    _multiply(u, v, x, n, lanes)
    _sum4(x, one, x, c[9], y0, c[10], a3, c[11], a2)
    _sum4(u, one, x, c[12], a3, c[13], a2, c[14], a)
    _sum3(v, one, x, c[15], y0, c[16], a)
    _sum2(a, c[17], x, one, a)
    _multiply(u, v, x, n, lanes)
    _sum4(x, one, x, c[18], y0, c[19], a3, c[20], a2)
    _sum2(u, one, x, one, a)
    x[:] = u
    _add_identity(x, one, n, lanes)


# --- norms and squarings, one number a lane ----------------------------------------------------


@kernel()
def _norms(x, n, lanes, sums, out):
    """1-norm of each lane's matrix; with padded rows the one norm in every lane."""
    if lanes:
        _lane_norms(x, n, out)
        return
    sums[:] = 0
    for start in range(0, x.size, sums.size):
        row = x[start : start + sums.size]
        for p in range(sums.size):
            sums[p] += abs(row[p])
    out[:] = np.max(sums)


@kernel()
def _ceil_log2(x):
    """⌈log₂ x⌉ from the bits of x; far below every exponent for 0, 0 for infinity and NaN."""
    bits = np.float64(x).view(np.int64)
    exponent = ((bits >> 52) & 0x7FF) - 1023
    if x == 0:
        return -100_000
    return exponent + (1 if bits & 0xFFFFFFFFFFFFF else 0) if exponent < 1024 else 0


@kernel()
def _squarings(w, n, lanes, theta, norm, sums, e, s):
    """s of each lane from the norms of B, B², B³ for A = 2^e B; as in the definition."""
    n2, n3 = np.empty_like(norm), np.empty_like(norm)
    _norms(w[1], n, lanes, sums, n2)
    _norms(w[2], n, lanes, sums, n3)
    far = False
    for l in range(norm.size):
        by_norm = max(0, _ceil_log2(norm[l] / theta) + e[l])
        by_square = -(-_ceil_log2(n2[l] / theta**2) // 2) + e[l]
        by_cube = -(-_ceil_log2(n3[l] / theta**3) // 3) + e[l]
        s[l] = min(max(0, by_square, by_cube), by_norm)
        far = far or s[l] < by_norm - 1
    if far:
        _guard(w[0], n, lanes, theta, norm, e, s)


@kernel()
def _guard(b, n, lanes, theta, norm, e, s):
    """Add ℓ(|A|) of Al-Mohy & Higham 2009, eq. (3.14), where s is two or more below the norm's."""
    log_power = np.zeros(s.size)
    _log2_of_power(b, n, lanes, log_power)
    constant = math.lgamma(_DEGREE + 2) / math.log(2.0) - (53 if b.itemsize == 8 else 24)
    for l in range(s.size):
        by_norm = max(0, _ceil_log2(norm[l] / theta) + e[l])
        if s[l] < by_norm - 1 and log_power[l] > -np.inf:
            size = log_power[l] - math.log2(norm[l]) + _DEGREE * (e[l] - s[l]) - constant
            s[l] = min(s[l] + max(0, math.ceil(size / _DEGREE)), by_norm)


@kernel()
def _log2_of_power(b, n, lanes, out):
    """log₂ of the largest entry of 1ᵀ|B|^(degree + 1), by lane; −inf where it is 0."""
    vector = VECTOR_BYTES // b.itemsize
    width = n if lanes else -(-n // vector)
    for g in range(out.size // vector):
        top = out[g * vector : (g + 1) * vector]
        _largest_of_power(b[g * n * width * vector :], n, width, lanes, top)
    for l in range(out.size):
        out[l] = math.log2(out[l]) if out[l] > 0 else -np.inf
    if not lanes:
        out[:] = np.max(out)


@kernel()
def _largest_of_power(b, n, width, lanes, top):
    vector = top.size
    rows, product = np.ones(max(n, width) * vector), np.empty(width * vector)
    for _ in range(_DEGREE + 1):
        product[:] = 0
        for k in range(n):
            for j in range(width):
                for l in range(vector):
                    left = rows[k * vector + l] if lanes else rows[k]
                    product[j * vector + l] += left * abs(b[(k * width + j) * vector + l])
        rows[: product.size] = product
    top[:] = 0
    for p in range(product.size):
        top[p % vector] = max(top[p % vector], product[p])


@kernel()
def _scale(x, exponents, power, factors):
    """x ← 2^(power · exponent) x by lane; x is 0 where that would overflow."""
    most = 1000 if x.itemsize == 8 else 120
    for l in range(exponents.size):
        k = max(-1023, min(most, power * exponents[l]))
        factors[l] = np.int64((k + 1023) << 52).view(np.float64)
    _lane_scale(x, factors)


@kernel()
def _square(w, s, n, lanes):
    """X^(2^s) by lane, in w[6]."""
    least, most = np.min(s), np.max(s)
    for i in range(most):
        x, y = (w[6], w[5]) if i % 2 == 0 else (w[5], w[6])
        _multiply(x, x, y, n, lanes)
        if i >= least:
            _lane_keep(x, y, s, i)
    if most % 2:
        w[6][:] = w[5]


# --- the whole ------------------------------------------------------------------------------------


@kernel()
def _exponential(w, n, lanes, theta, c8, c15, c21, norm, sums, e, s):
    """From w[0] = A to w[6] = e^A."""
    _norms(w[0], n, lanes, sums, norm)
    largest = np.max(norm)
    e[:] = 0
    if not largest < _LARGE:
        for l in range(e.size):
            e[l] = max(0, _ceil_log2(norm[l]))
        _scale(w[0], -e, 1, norm)
        _norms(w[0], n, lanes, sums, norm)
    _multiply(w[0], w[0], w[1], n, lanes)
    if largest <= theta[2]:
        _without_scaling(w, n, lanes, largest, theta, c8, c15)
        return
    _multiply(w[0], w[1], w[2], n, lanes)
    _squarings(w, n, lanes, theta[3], norm, sums, e, s)
    if np.max(s) > 0 or np.max(e) > 0:
        for power in range(1, 4):
            _scale(w[power - 1], e - s, power, norm)
    _taylor_21(w, n, lanes, c21)
    _square(w, s, n, lanes)


@kernel()
def _without_scaling(w, n, lanes, largest, theta, c8, c15):
    if largest <= theta[0]:
        _taylor_4(w, n, lanes)
    elif largest <= theta[1]:
        _taylor_8(w, n, lanes, c8)
    else:
        _taylor_15(w, n, lanes, c15)


@kernel()
def _load_lanes(x, a, first, groups):
    vector = VECTOR_BYTES // x.itemsize
    size = a.shape[1]
    whole = min(groups, (a.shape[0] - first) // vector)
    for g in range(whole):
        block = a[first + g * vector : first + (g + 1) * vector]
        for p in range(size):
            entry = x[(g * size + p) * vector : (g * size + p + 1) * vector]
            for l in range(vector):
                entry[l] = block[l, p]
    x[whole * size * vector :] = 0
    for l in range(first + whole * vector, min(a.shape[0], first + groups * vector)):
        x[whole * size * vector + l - first - whole * vector :: vector][:size] = a[l]


@kernel()
def _store_lanes(x, out, first, groups):
    vector = VECTOR_BYTES // x.itemsize
    size = out.shape[1]
    for g in range(groups):
        start = min(first + g * vector, out.shape[0])
        block = out[start : start + vector]
        for p in range(size):
            entry = x[(g * size + p) * vector : (g * size + p + 1) * vector]
            for l in range(block.shape[0]):
                block[l, p] = entry[l]


@kernel()
def _lanes_from(a, out, first, stop, n, groups, theta, c8, c15, c21):
    lanes = groups * (VECTOR_BYTES // a.itemsize)
    w = np.empty((7, n * n * lanes), a.dtype)
    norm, sums = np.empty(lanes, a.dtype), np.empty(0, a.dtype)
    e, s = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    for start in range(first, stop, lanes):
        _load_lanes(w[0], a, start, groups)
        _exponential(w, n, True, theta, c8, c15, c21, norm, sums, e, s)
        _store_lanes(w[6], out, start, groups)


@kernel(parallel=True)
def expm_lanes(a, out, n, groups, theta, c8, c15, c21):
    """out = e^a for flat matrices a (batch, n²), n ≤ `MOST_LANES`; coefficients in a's dtype.

    `groups` vectors of matrices are taken together; which ones does not depend on the threads.
    """
    share = _BLOCKS * groups * (VECTOR_BYTES // a.itemsize)
    for k in prange(-(-a.shape[0] // share)):
        stop = min((k + 1) * share, a.shape[0])
        _lanes_from(a, out, k * share, stop, n, groups, theta, c8, c15, c21)


@kernel()
def _rows_from(a, out, w, norm, sums, e, s, theta, c8, c15, c21):
    n, stride = a.shape[0], sums.size
    for i in range(n):
        w[0][i * stride : i * stride + n] = a[i]
        w[0][i * stride + n : (i + 1) * stride] = 0
    _exponential(w, n, False, theta, c8, c15, c21, norm, sums, e, s)
    for i in range(n):
        out[i] = w[6][i * stride : i * stride + n]


@kernel()
def expm_few(a, out, theta, c8, c15, c21):
    """out = e^a for a few matrices a (batch, n, n), without waking the threads."""
    vector = VECTOR_BYTES // a.itemsize
    stride = -(-a.shape[1] // vector) * vector
    w = np.zeros((7, a.shape[1] * stride), a.dtype)
    norm, sums = np.empty(vector, a.dtype), np.empty(stride, a.dtype)
    e, s = np.empty(vector, np.int64), np.empty(vector, np.int64)
    for m in range(a.shape[0]):
        _rows_from(a[m], out[m], w, norm, sums, e, s, theta, c8, c15, c21)


@kernel(parallel=True)
def expm_rows(a, out, theta, c8, c15, c21):
    """out = e^a for matrices a (batch, n, n); coefficients in a's dtype."""
    for m in prange(a.shape[0]):
        expm_few(a[m : m + 1], out[m : m + 1], theta, c8, c15, c21)
