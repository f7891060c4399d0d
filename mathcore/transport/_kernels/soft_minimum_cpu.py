"""Log-sum-exp over a cost that is never stored, whole Sinkhorn passes, and sums under a plan.

Everything is in base two: ``score_ij = h_j − |x_i − y_j|²`` for points that were scaled by
√(log₂e / ε), ``h_j − scale·c_ij`` for a cost matrix. Problems of one shape come together, as the
first axis. Rows come in fours and columns in whole vectors: arrays are padded with zeros, `h` with
−inf. Points have no c (members, 0, 0), a matrix no x (members, 0, 0). Sums are kept in double
precision from tile to tile and depend on no thread count.
"""

import math

import numba
import numpy as np
from numba import prange

from mathcore._compile import SAFE_FASTMATH, kernel
from mathcore._vectors import VECTOR_BYTES
from mathcore.transport._kernels.score_rows_cpu import ROWS, cost_rows, point_rows

TILE = 128  # vectors of columns added up in the arrays' own precision
FLUSH = 128  # rows likewise
_WORTH_THREADS = 2**17  # entries; on a busy machine waking a thread takes milliseconds
# Sums run in several lanes: what the compiler may reassociate here.
_SUM_FASTMATH = SAFE_FASTMATH | {"reassoc"}

_weigh_points, _largest_points = point_rows()
_weigh_costs, _largest_costs = cost_rows()


@kernel()
def _row_sums(h, shift, x, y_t, c, scale, e, by_lane, total):
    """e_rj = 2^(score_rj − shift_r), and its sums over j."""
    lanes = by_lane.shape[1]
    total[:] = 0.0
    for start in range(0, h.shape[0] // lanes, TILE):
        stop = min(start + TILE, h.shape[0] // lanes)
        by_lane[:] = 0
        if c.shape[0] > 0:
            _weigh_costs(h, shift, c, scale, e, by_lane, start, stop)
        else:
            _weigh_points(h, shift, x, y_t, e, by_lane, start, stop)
        for r in range(ROWS):
            total[r] += by_lane[r].sum()


@kernel()
def _largest(h, x, y_t, c, scale, e, by_lane):
    """by_lane_r = the largest scores of row r."""
    nowhere = np.zeros(ROWS, h.dtype)
    by_lane[:] = -np.inf
    stop = h.shape[0] // by_lane.shape[1]
    if c.shape[0] > 0:
        _largest_costs(h, nowhere, c, scale, e, by_lane, 0, stop)
    else:
        _largest_points(h, nowhere, x, y_t, e, by_lane, 0, stop)


@kernel()
def _in_range(total):
    # below, the terms that 2**x keeps from underflowing would count
    return 1e-20 < total < 1e30


@kernel()
def _weigh_rows(h, guess, x, y_t, c, scale, e, by_lane, shift, total):
    """As `_row_sums`, shifted by `guess`, or by the true maximum where that leaves range."""
    shift[:] = guess
    total[:] = np.nan
    if guess[0] == guess[0]:
        _row_sums(h, shift, x, y_t, c, scale, e, by_lane, total)
    if _in_range(total[0]) and _in_range(total[1]) and _in_range(total[2]) and _in_range(total[3]):
        return
    _largest(h, x, y_t, c, scale, e, by_lane)
    nothing = np.zeros(ROWS, np.bool_)
    for r in range(ROWS):
        if not _in_range(total[r]):
            top = by_lane[r].max()
            nothing[r] = top == -np.inf
            shift[r] = 0 if nothing[r] else top
    _row_sums(h, shift, x, y_t, c, scale, e, by_lane, total)
    for r in range(ROWS):
        if nothing[r] and total[r] == total[r]:
            total[r] = 0.0
            e[r] = 0


@kernel()
def buffers(h):
    lanes = VECTOR_BYTES // h.itemsize
    return np.empty((ROWS, lanes), h.dtype), np.empty(ROWS, h.dtype), np.empty(ROWS)


@kernel(fastmath=_SUM_FASTMATH)
def add_rows(sums, rows, w):
    e0, e1, e2, e3 = rows[0], rows[1], rows[2], rows[3]
    w0, w1, w2, w3 = w[0], w[1], w[2], w[3]
    for j in range(sums.shape[0]):
        sums[j] += (w0 * e0[j] + w1 * e1[j]) + (w2 * e2[j] + w3 * e3[j])


@kernel(fastmath=_SUM_FASTMATH)
def _dot_rows(rows, v, by_lane, total):
    """total_r = Σ_j rows_rj v_j."""
    size = TILE * by_lane.shape[1]
    total[:] = 0.0
    for start in range(0, v.shape[0], size):
        piece = v[start : start + size]
        e0, e1 = rows[0][start : start + size], rows[1][start : start + size]
        e2, e3 = rows[2][start : start + size], rows[3][start : start + size]
        t0 = t1 = t2 = t3 = v.dtype.type(0)
        for j in range(piece.shape[0]):
            t0 += e0[j] * piece[j]
            t1 += e1[j] * piece[j]
            t2 += e2[j] * piece[j]
            t3 += e3[j] * piece[j]
        total[0] += t0
        total[1] += t1
        total[2] += t2
        total[3] += t3


@kernel()
def rows_of(chunk, chunks, n):
    """First and last row of a chunk; n is a multiple of ROWS."""
    size = -(-n // (ROWS * chunks)) * ROWS
    return min(chunk * size, n), min((chunk + 1) * size, n)


# --- whole problems -------------------------------------------------------------------------------


@kernel(parallel=True)
def log_sum(x, y_t, c, scale, h, guess, out):
    """out_i = log₂ Σ_j 2^score_ij, the fused half of a Sinkhorn iteration.

    x (k, n, d), y_t (k, d, width) or c (k, n, width) and scale (k, 1); h (k, width), out (k, n).
    `guess` (k, n) is a value near the answer, NaN where none is known. Each sum has a relative
    error of a few eps, in float32 and in float64, beside what rounding the scores makes.
    """
    members, n = out.shape
    blocks = n // ROWS
    for task in prange(members * blocks):
        k, i = task // blocks, task % blocks * ROWS
        by_lane, shift, total = buffers(h)
        e = np.empty((ROWS, h.shape[1]), h.dtype)
        rows = slice(i, i + ROWS)
        _weigh_rows(
            h[k], guess[k, rows], x[k, rows], y_t[k], c[k, rows], scale[k], e, by_lane, shift, total
        )
        for r in range(ROWS):
            out[k, i + r] = shift[r] + math.log2(total[r])


@kernel(parallel=True)
def fused_pass(x, y_t, c, scale, h, a, guess, active, damping, kept, shifts, out, sums):
    """A full iteration with one exponential an entry: `out` as `log_sum`, and with it

    sums[k, chunk, j] += a_i 2^(score_ij − (1 − damping) out_i) over the rows i of the chunk, whose
    total is the marginal of the column. a (k, n), damping (k,), sums (k, chunks, width). Where
    `kept` (k, n, width) is not empty it keeps 2^(score_ij − shifts_i); shifts (k, n). Only `active`
    (k,) members are looked at.
    """
    chunks, n = sums.shape[1], out.shape[1]
    for task in prange(sums.shape[0] * chunks):
        k, chunk = task // chunks, task % chunks
        by_lane, shift, total = buffers(h)
        one = np.empty((ROWS, h.shape[1]), h.dtype)
        part, w = np.zeros(h.shape[1], h.dtype), np.empty(ROWS, h.dtype)
        first, last = rows_of(chunk, chunks, n if active[k] else 0)
        for i in range(first, last, ROWS):
            rows = slice(i, i + ROWS)
            e = kept[k, rows] if kept.shape[1] > 0 else one
            _weigh_rows(
                h[k],
                guess[k, rows],
                x[k, rows],
                y_t[k],
                c[k, rows],
                scale[k],
                e,
                by_lane,
                shift,
                total,
            )
            shifts[k, rows] = shift
            close_rows(a[k, rows], shift, total, damping[k], out[k, rows], w)
            add_rows(part, e, w)
            if (i - first) % FLUSH == FLUSH - ROWS or i + ROWS == last:
                sums[k, chunk] += part
                part[:] = 0


@kernel()
def close_rows(a, shift, total, damping, out, w):
    """The sums of four rows in log₂, and the weights that make their sums a·2^(damping·out)."""
    for r in range(ROWS):
        out[r] = shift[r] + math.log2(total[r])
        w[r] = 0.0
        if a[r] != 0:
            w[r] = a[r] / total[r]
            if damping != 0:
                w[r] *= 2.0 ** (damping * out[r])


@kernel(parallel=True)
def sum_products(x, y_t, c, scale, h, shift, v_t, out):
    """out_ir = Σ_j 2^(score_ij − shift_i) v_rj: v_t (k, r, width), shift (k, n), out (k, n, r)."""
    members, n, columns = out.shape
    blocks = n // ROWS
    for task in prange(members * blocks):
        k, i = task // blocks, task % blocks * ROWS
        by_lane, _, total = buffers(h)
        e = np.empty((ROWS, h.shape[1]), h.dtype)
        rows = slice(i, i + ROWS)
        _row_sums(h[k], shift[k, rows], x[k, rows], y_t[k], c[k, rows], scale[k], e, by_lane, total)
        for column in range(columns):
            _dot_rows(e, v_t[k, column], by_lane, total)
            out[k, rows, column] = total


def launch(parallel_kernel, entries, *arguments):
    """Run a parallel kernel, on one thread where the work is small."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1 if entries < _WORTH_THREADS else threads)
    try:
        parallel_kernel(*arguments)
    finally:
        numba.set_num_threads(threads)
