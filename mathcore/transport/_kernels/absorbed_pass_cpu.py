"""Sinkhorn passes from exponentials that were kept: limited by how fast memory is read.

Each block of rows is read once, from memory, for its own sums; it is added to the column sums while
the next block is read, and the one after that is asked for. Layout and words are those of
``soft_minimum_cpu``.
"""

import numpy as np
from numba import prange

from mathcore._compile import kernel
from mathcore._vectors import COMPILED, VECTOR_BYTES, vector_function
from mathcore.transport._kernels.score_rows_cpu import ROWS
from mathcore.transport._kernels.soft_minimum_cpu import (
    FLUSH,
    TILE,
    add_rows,
    buffers,
    close_rows,
    rows_of,
)


def _row_reader():
    """``read(v, e, before, w, part, by_lane, start, stop)`` for the vectors start … stop − 1.

    by_lane_r = Σ e_rj v_j by lane, and part_j += Σ_r w_r before_rj. e, before (4, width), w (4,),
    part (width,), by_lane (4, lanes). The four rows that follow `e` in memory are asked for.
    """
    if not COMPILED:
        return _plain_read
    from numba.core import types
    from numba.extending import intrinsic

    def emit_read(emit):
        builder, (start, stop) = emit.builder, emit.arguments[6:]
        every = [start.type(r) for r in range(ROWS)]
        v, part, by_lane = emit.vectors(0), emit.vectors(4), emit.vectors(5)
        rows, added = ([emit.vectors(k, r) for r in every] for k in (1, 2))
        weights = [emit.splat(emit.load(emit.entries(3), r)) for r in every]
        totals, following = [emit.accumulator() for _ in every], emit.times(emit.count(0), ROWS)
        with emit.loop(builder.sub(stop, start)) as k:
            j = builder.add(start, k)
            x, column = emit.load(v, j), emit.load(part, j)
            for row, total, old, w in zip(rows, totals, added, weights, strict=True):
                builder.store(emit.fused(emit.load(row, j), x, builder.load(total)), total)
                column = emit.fused(w, emit.load(old, j), column)
                emit.prefetch(row, builder.add(j, following))
            emit.store(column, part, j)
        for r, total in zip(every, totals, strict=True):
            emit.store(builder.load(total), by_lane, r)

    @intrinsic
    def read(context, v, e, before, w, part, by_lane, start, stop):
        arrays = (v, e, before, w, part, by_lane)
        return vector_function(emit_read, *arrays, types.intp, types.intp)

    return read


def _plain_read(v, e, before, w, part, by_lane, start, stop):
    lanes = VECTOR_BYTES // v.itemsize
    columns = slice(start * lanes, stop * lanes)
    products = e[:, columns] * v[columns]
    by_lane[:] = products.reshape(ROWS, stop - start, lanes).sum(axis=1)
    part[columns] += w @ before[:, columns]


_read = _row_reader()


@kernel()
def _row_sums(v, e, before, w, part, by_lane, total):
    """total_r = Σ_j e_rj v_j, and part_j += Σ_r w_r before_rj."""
    lanes = by_lane.shape[1]
    total[:] = 0.0
    for start in range(0, v.shape[0] // lanes, TILE):
        _read(v, e, before, w, part, by_lane, start, min(start + TILE, v.shape[0] // lanes))
        for r in range(ROWS):
            total[r] += by_lane[r].sum()


@kernel(parallel=True)
def absorbed_pass(kept, shifts, v, a, active, damping, out, sums):
    """`fused_pass` for h + log₂ v, from the exponentials it kept: no new ones."""
    chunks, n = sums.shape[1], out.shape[1]
    for task in prange(sums.shape[0] * chunks):
        k, chunk = task // chunks, task % chunks
        by_lane, _, total = buffers(v)
        part, w = np.zeros(v.shape[1], v.dtype), np.zeros(ROWS, v.dtype)
        first, last = rows_of(chunk, chunks, n if active[k] else 0)
        before = kept[k, first : first + ROWS]
        for i in range(first, last, ROWS):
            rows = slice(i, i + ROWS)
            e = kept[k, rows]
            _row_sums(v[k], e, before, w, part, by_lane, total)
            close_rows(a[k, rows], shifts[k, rows], total, damping[k], out[k, rows], w)
            before = e
            if (i - first) % FLUSH == FLUSH - ROWS:
                sums[k, chunk] += part
                part[:] = 0
        if first < last:
            add_rows(part, before, w)
            sums[k, chunk] += part
