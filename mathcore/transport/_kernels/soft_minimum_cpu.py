"""Log-sum-exp over a cost that is never stored, and sums under the plan it defines.

Everything is in base two: ``score_ij = h_j − |x_i − y_j|²`` for points that were scaled by
√(log₂e / ε), ``h_j − scale·c_ij`` for a cost matrix. One output row per ``prange`` iteration, the
columns in tiles of `TILE` that stay in the first-level cache.
"""

import math

import numba
import numpy as np
from numba import prange
from numba.core import types
from numba.extending import overload

from mathcore._compile import SAFE_FASTMATH, kernel

TILE = 512
_ROWS = 16  # rows that share one tile buffer
_WORTH_THREADS = 2**17  # entries; on a busy machine waking a thread takes milliseconds
# Sums run in several lanes; the rounding in _exp2 must not be reassociated, so it lacks this flag.
_SUM_FASTMATH = SAFE_FASTMATH | {"reassoc"}


def _by_width(single, double):
    """The function `single` on 32-bit and `double` on 64-bit numbers, compiled or not."""

    def either(x):
        return single(x) if x.dtype.itemsize == 4 else double(x)

    @overload(either)
    def _choose(x):
        chosen = single if x in (types.float32, types.int32) else double

        def call(x):
            return chosen(x)

        return call

    return either


# --- 2**x without a branch: x = n + f, |f| ≤ 1/2, by adding 1.5·2**p; minimax polynomial in f ----


@kernel()
def _exp2_single(x):
    x = np.float32(-126.0) if x < np.float32(-126.0) else x  # a NaN passes both comparisons
    x = np.float32(127.0) if x > np.float32(127.0) else x
    shifted = np.float32(x + np.float32(12582912.0))
    exponent = np.int32(np.int32(shifted.view(np.int32)) << np.int32(23))
    f = np.float32(x - np.float32(shifted - np.float32(12582912.0)))
    p = np.float32(np.float32(0.0013276472631950876) * f + np.float32(0.0096755413431213274))
    p = np.float32(p * f + np.float32(0.055507132718556442))
    p = np.float32(p * f + np.float32(0.2402211972371072))
    p = np.float32(p * f + np.float32(0.69314696706503521))
    p = np.float32(p * f + np.float32(1.0000000716547141))
    return np.int32(np.int32(p.view(np.int32)) + exponent).view(np.float32)


@kernel()
def _exp2_double(x):
    x = -1022.0 if x < -1022.0 else x
    x = 1023.0 if x > 1023.0 else x
    shifted = np.float64(x + 6755399441055744.0)
    exponent = np.int64(np.int64(shifted.view(np.int64)) << np.int64(52))
    f = np.float64(x - (shifted - 6755399441055744.0))
    p = 4.4352827069572772e-10 * f + 7.0741056135081428e-9
    p = p * f + 1.0178198021671931e-7
    p = p * f + 1.3215433089676399e-6
    p = p * f + 1.5252733489988526e-5
    p = p * f + 0.00015403530462514432
    p = p * f + 0.0013333558146789922
    p = p * f + 0.0096181291075883352
    p = p * f + 0.055504108664819922
    p = p * f + 0.24022650695910156
    p = p * f + 0.69314718055994533
    p = np.float64(p * f + 1.0)
    return np.int64(np.int64(p.view(np.int64)) + exponent).view(np.float64)


# --- integers in the order of the floats: their maximum vectorises and keeps NaN and −inf apart ---


@kernel()
def _key_single(x):
    bits = np.int32(np.float32(x).view(np.int32))
    return np.int32(bits ^ np.int32(np.int32(bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@kernel()
def _key_double(x):
    bits = np.int64(np.float64(x).view(np.int64))
    return np.int64(bits ^ np.int64(np.int64(bits >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF)))


@kernel()
def _float_single(key):
    bits = np.int32(key ^ np.int32(np.int32(key >> np.int32(31)) & np.int32(0x7FFFFFFF)))
    return bits.view(np.float32)


@kernel()
def _float_double(key):
    bits = np.int64(key ^ np.int64(np.int64(key >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF)))
    return bits.view(np.float64)


_exp2 = _by_width(_exp2_single, _exp2_double)
_key = _by_width(_key_single, _key_double)
_float = _by_width(_float_single, _float_double)


# --- one row, one tile: sliced, since an offset index is checked for wrap-around at every entry ---


@kernel()
def _score(buffer, x, y_t, c, scale, h, i, start):
    """buffer_j = h_j − |x_i − y_j|², or h_j − scale·c_ij where the matrix `c` is not empty."""
    stop = start + buffer.shape[0]
    if c.shape[0] > 0:
        _score_costs(buffer, c[i][start:stop], scale, h[start:stop])
        return
    d = x.shape[1]
    _score_up_to_3(buffer, x[i], y_t, h[start:stop], start, d % 4)
    for k in range(d % 4, d, 4):
        _subtract_4(buffer, x[i], y_t, start, k)


@kernel()
def _score_costs(buffer, costs, scale, h):
    for j in range(buffer.shape[0]):
        buffer[j] = h[j] - scale * costs[j]


@kernel()
def _score_up_to_3(buffer, x, y_t, h, start, d):
    if d == 0:
        buffer[:] = h
    elif d == 1:
        x0, y0 = x[0], y_t[0][start:]
        for j in range(buffer.shape[0]):
            d0 = x0 - y0[j]
            buffer[j] = h[j] - d0 * d0
    elif d == 2:
        x0, x1, y0, y1 = x[0], x[1], y_t[0][start:], y_t[1][start:]
        for j in range(buffer.shape[0]):
            d0, d1 = x0 - y0[j], x1 - y1[j]
            buffer[j] = h[j] - (d0 * d0 + d1 * d1)
    else:
        x0, x1, x2 = x[0], x[1], x[2]
        y0, y1, y2 = y_t[0][start:], y_t[1][start:], y_t[2][start:]
        for j in range(buffer.shape[0]):
            d0, d1, d2 = x0 - y0[j], x1 - y1[j], x2 - y2[j]
            buffer[j] = h[j] - (d0 * d0 + d1 * d1 + d2 * d2)


@kernel()
def _subtract_4(buffer, x, y_t, start, k):
    x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
    y0, y1 = y_t[k][start:], y_t[k + 1][start:]
    y2, y3 = y_t[k + 2][start:], y_t[k + 3][start:]
    for j in range(buffer.shape[0]):
        d0, d1, d2, d3 = x0 - y0[j], x1 - y1[j], x2 - y2[j], x3 - y3[j]
        buffer[j] -= (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)


@kernel()
def _largest(buffer):
    top = _key(buffer[0])
    for j in range(buffer.shape[0]):
        top = max(top, _key(buffer[j]))
    return _float(top)


@kernel(fastmath=_SUM_FASTMATH)
def _sum_exp2(buffer, shift):
    total = shift - shift
    for j in range(buffer.shape[0]):
        total += _exp2(buffer[j] - shift)
    return total


@kernel(fastmath=_SUM_FASTMATH)
def _add_products(out, buffer, shift, v_t, start):
    """out_k += Σ_j 2^(buffer_j − shift) v_kj."""
    for j in range(buffer.shape[0]):
        buffer[j] = _exp2(buffer[j] - shift)
    for k in range(v_t.shape[0]):
        v_k = v_t[k][start:]
        total = shift - shift
        for j in range(buffer.shape[0]):
            total += buffer[j] * v_k[j]
        out[k] += total


@kernel()
def _log_sum(x, y_t, c, scale, h, i, guess, tile):
    """log₂ Σ_j 2^score_ij: shifted by `guess`, or by the true maximum where that leaves range."""
    m = h.shape[0]
    total = h.dtype.type(0)
    for start in range(0, m if guess == guess else 0, TILE):
        buffer = tile[: min(TILE, m - start)]
        _score(buffer, x, y_t, c, scale, h, i, start)
        total += _sum_exp2(buffer, guess)
    if 1e-20 < total < 1e30:  # below, the terms that _exp2 keeps from underflowing would count
        return guess + math.log2(total)
    top = h.dtype.type(-np.inf)
    total = h.dtype.type(0)
    for start in range(0, m, TILE):
        buffer = tile[: min(TILE, m - start)]
        _score(buffer, x, y_t, c, scale, h, i, start)
        largest = _largest(buffer)
        if not largest <= top:
            total *= _exp2(top - largest)
            top = largest
        if top != -np.inf:
            total += _sum_exp2(buffer, top)
    return top + math.log2(total) if top != -np.inf else np.float64(top)


# --- all rows -------------------------------------------------------------------------------------


@kernel(parallel=True)
def log_sum(x, y_t, c, scale, h, guess, out):
    """out_i = log₂ Σ_j 2^score_ij, the fused half of a Sinkhorn iteration.

    Scores as in `_score`: x (n, d), y_t (d, m), or c (n, m) and a number; h (m,), out (n,). `guess`
    (n,) is a value near the answer, NaN where none is known. Each sum has a relative error of a few
    eps, in float32 and in float64, beside what rounding the scores makes.
    """
    n = out.shape[0]
    for block in prange(-(-n // _ROWS)):
        tile = np.empty(TILE, h.dtype)
        for i in range(block * _ROWS, min((block + 1) * _ROWS, n)):
            out[i] = _log_sum(x, y_t, c, scale[0], h, i, guess[i], tile)


@kernel(parallel=True)
def sum_products(x, y_t, c, scale, h, shift, v_t, out):
    """out_ik = Σ_j 2^(score_ij − shift_i) v_kj: v_t (k, m), shift (n,), out (n, k)."""
    n, m = out.shape[0], h.shape[0]
    for block in prange(-(-n // _ROWS)):
        tile = np.empty(TILE, h.dtype)
        for i in range(block * _ROWS, min((block + 1) * _ROWS, n)):
            out[i, :] = 0
            for start in range(0, m, TILE):
                buffer = tile[: min(TILE, m - start)]
                _score(buffer, x, y_t, c, scale[0], h, i, start)
                _add_products(out[i], buffer, shift[i], v_t, start)


def launch(parallel_kernel, out, h, arguments):
    """Fill `out` by `parallel_kernel`, on one thread where the work is small."""
    threads = numba.get_num_threads()
    few = out.shape[0] * h.shape[0] < _WORTH_THREADS
    numba.set_num_threads(1 if few else threads)
    try:
        parallel_kernel(*arguments, out)
    finally:
        numba.set_num_threads(threads)
    return out
