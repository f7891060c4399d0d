"""Log-sum-exp over a cost that is never stored, whole Sinkhorn passes, and sums under a plan.

Everything is in base two: ``score_ij = h_j − |x_i − y_j|²`` for points that were scaled by
√(log₂e / ε), ``h_j − scale·c_ij`` for a cost matrix. Problems of one shape come together, as the
first axis. A cost is ``left, right``: x (k, n, d) and y_t (k, d, width), or c (k, n, width) and
scale (k, 1). Rows come in fours and columns in whole vectors: arrays are padded with zeros, `h`
with −inf. Sums are kept in double precision from tile to tile.
"""

import math

import numpy as np

from mathcore._compile import SAFE_FASTMATH, kernel, part
from mathcore._vectors import VECTOR_BYTES, aligned_zeros
from mathcore.transport._kernels.score_rows_cpu import ROWS, largest, weigh

TILE = 128  # vectors of columns added up in the arrays' own precision
FLUSH = 128  # rows likewise
# Sums run in several lanes: what the compiler may reassociate here.
_SUM_FASTMATH = SAFE_FASTMATH | {"reassoc"}


@part()
def add_lanes(by_lane, total):
    """Add the sums of four rows by lane to their totals."""
    for r in range(ROWS):
        lanes = by_lane[r]
        tile = lanes.dtype.type(0)
        for l in range(lanes.shape[0]):
            tile += lanes[l]
        total[r] += tile


@part()
def _row_sums(h, shift, left, right, e, by_lane, total):
    """e_rj = 2^(score_rj − shift_r), and its sums over j."""
    lanes = by_lane.shape[1]
    total[:] = 0.0
    for start in range(0, h.shape[0] // lanes, TILE):
        stop = min(start + TILE, h.shape[0] // lanes)
        by_lane[:] = 0
        weigh(h, shift, left, right, e, by_lane, start, stop)
        add_lanes(by_lane, total)


@part()
def _largest(h, left, right, e, by_lane, tops):
    """The largest score of each of the four rows."""
    tops[:] = 0
    by_lane[:] = -np.inf
    largest(h, tops, left, right, e, by_lane, 0, h.shape[0] // by_lane.shape[1])
    for r in range(ROWS):
        tops[r] = by_lane[r, 0]
        for l in range(by_lane.shape[1]):
            tops[r] = max(tops[r], by_lane[r, l])


@part()
def _in_range(total):
    # below, the terms that 2**x keeps from underflowing would count
    return 1e-20 < total < 1e30


@part()
def _weigh_rows(h, guess, left, right, e, by_lane, tops, shift, total):
    """As `_row_sums`, shifted by `guess`, or by the true maximum where that leaves range."""
    for r in range(ROWS):
        shift[r], total[r] = guess[r], np.nan
    if guess[0] == guess[0]:
        _row_sums(h, shift, left, right, e, by_lane, total)
    if _in_range(total[0]) and _in_range(total[1]) and _in_range(total[2]) and _in_range(total[3]):
        return
    _largest(h, left, right, e, by_lane, tops)
    for r in range(ROWS):
        if _in_range(total[r]):
            tops[r] = shift[r]
        else:
            shift[r] = 0 if tops[r] == -np.inf else tops[r]
    _row_sums(h, shift, left, right, e, by_lane, total)
    for r in range(ROWS):
        if tops[r] == -np.inf and total[r] == total[r]:
            total[r] = 0.0
            e[r] = 0


@part()
def buffers(h):
    """For four rows: sums by lane (4, lanes); largest scores, shifts, weights and totals (4,)."""
    by_lane, small = aligned_zeros(ROWS, VECTOR_BYTES // h.itemsize, h), aligned_zeros(3, ROWS, h)
    return by_lane, small[0], small[1], small[2], aligned_zeros(1, ROWS, np.float64)[0]


@part(fastmath=_SUM_FASTMATH)
def add_rows(sums, rows, w):
    e0, e1, e2, e3 = rows[0], rows[1], rows[2], rows[3]
    w0, w1, w2, w3 = w[0], w[1], w[2], w[3]
    for j in range(sums.shape[0]):
        sums[j] += (w0 * e0[j] + w1 * e1[j]) + (w2 * e2[j] + w3 * e3[j])


@part()
def flush(block, sums):
    """Move the column sums of some rows to those of the chunk."""
    for j in range(block.shape[0]):
        sums[j] += block[j]
        block[j] = 0


@part(fastmath=_SUM_FASTMATH)
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


@part()
def rows_of(chunk, chunks, n):
    """First and last row of a chunk; n is a multiple of ROWS."""
    size = -(-n // (ROWS * chunks)) * ROWS
    return min(chunk * size, n), min((chunk + 1) * size, n)


# --- whole problems -------------------------------------------------------------------------------


@kernel()
def log_sum(low, high, left, right, h, guess, out):
    """out_i = log₂ Σ_j 2^score_ij, the fused half of a Sinkhorn iteration; a share is four rows.

    h (k, width), out (k, n). `guess` (k, n) is a value near the answer, NaN where none is known.
    Each sum has a relative error of a few eps, in float32 and in float64, beside what rounding the
    scores makes.
    """
    blocks = out.shape[1] // ROWS
    by_lane, tops, shift, _, total = buffers(h)
    e = aligned_zeros(ROWS, h.shape[1], h)
    for share in range(low, high):
        k, i = share // blocks, share % blocks * ROWS
        near, rows = guess[k, i : i + ROWS], left[k, i : i + ROWS]
        _weigh_rows(h[k], near, rows, right[k], e, by_lane, tops, shift, total)
        for r in range(ROWS):
            out[k, i + r] = shift[r] + math.log2(total[r])


@kernel()
def fused_pass(low, high, left, right, h, a, guess, active, damping, kept, shifts, out, sums):
    """A full iteration with one exponential an entry: `out` as `log_sum`, and with it

    sums[k, chunk, j] += a_i 2^(score_ij − (1 − damping) out_i) over the rows i of the chunk, whose
    total is the marginal of the column. a (k, n), damping (k,), sums (k, chunks, width). Where
    `kept` (k, n, width) is not empty it keeps 2^(score_ij − shifts_i); shifts (k, n). Only `active`
    (k,) members are looked at. A share is a chunk.
    """
    chunks, n = sums.shape[1], out.shape[1]
    by_lane, tops, shift, w, total = buffers(h)
    one, block = aligned_zeros(ROWS, h.shape[1], h), aligned_zeros(1, h.shape[1], h)[0]
    for share in range(low, high):
        k, chunk = share // chunks, share % chunks
        first, last = rows_of(chunk, chunks, n if active[k] else 0)
        for i in range(first, last, ROWS):
            near, rows = guess[k, i : i + ROWS], left[k, i : i + ROWS]
            e = kept[k, i : i + ROWS] if kept.shape[1] > 0 else one
            _weigh_rows(h[k], near, rows, right[k], e, by_lane, tops, shift, total)
            for r in range(ROWS):
                shifts[k, i + r] = shift[r]
            close_rows(a[k, i : i + ROWS], shift, total, damping[k], out[k, i : i + ROWS], w)
            add_rows(block, e, w)
            if (i - first) % FLUSH == FLUSH - ROWS or i + ROWS == last:
                flush(block, sums[k, chunk])


@part()
def close_rows(a, shift, total, damping, out, w):
    """The sums of four rows in log₂, and the weights that make their sums a·2^(damping·out)."""
    for r in range(ROWS):
        out[r] = shift[r] + math.log2(total[r])
        w[r] = 0.0
        if a[r] != 0:
            w[r] = a[r] / total[r]
            if damping != 0:
                w[r] *= 2.0 ** (damping * out[r])


@kernel()
def sum_products(low, high, left, right, h, shift, v_t, out):
    """out_ir = Σ_j 2^(score_ij − shift_i) v_rj: v_t (k, r, width), shift (k, n), out (k, n, r).

    A share is four rows.
    """
    blocks = out.shape[1] // ROWS
    by_lane, _, _, _, total = buffers(h)
    e = aligned_zeros(ROWS, h.shape[1], h)
    for share in range(low, high):
        k, i = share // blocks, share % blocks * ROWS
        shifts, rows = shift[k, i : i + ROWS], left[k, i : i + ROWS]
        _row_sums(h[k], shifts, rows, right[k], e, by_lane, total)
        for column in range(out.shape[2]):
            _dot_rows(e, v_t[k, column], by_lane, total)
            for r in range(ROWS):
                out[k, i + r, column] = total[r]
