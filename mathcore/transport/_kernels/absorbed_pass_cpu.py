"""Sinkhorn passes from exponentials that were kept: limited by how fast memory is read.

Each block of rows is read once, from memory, for its own sums; it is added to the column sums while
the next block is read, and the one after that is asked for. Layout and words are those of
``soft_minimum_cpu``.
"""

from mathcore._compile import kernel, part
from mathcore._vectors import COMPILED, VECTOR_BYTES, aligned_zeros, vector_function
from mathcore.transport._kernels.score_rows_cpu import ROWS
from mathcore.transport._kernels.soft_minimum_cpu import (
    FLUSH,
    TILE,
    add_lanes,
    add_rows,
    buffers,
    close_rows,
    flush,
    rows_of,
)


def _row_reader():
    """``read(v, e, before, w, block, by_lane, start, stop)`` for the vectors start … stop − 1.

    by_lane_r = Σ e_rj v_j by lane, and block_j += Σ_r w_r before_rj. e, before (4, width), w (4,),
    block (width,), by_lane (4, lanes). The four rows that follow `e` in memory are asked for.
    """
    if not COMPILED:
        return _plain_read
    from numba.core import types
    from numba.extending import intrinsic

    def emit_read(emit):
        builder, (start, stop) = emit.builder, emit.arguments[6:]
        every = [start.type(r) for r in range(ROWS)]
        v, block, by_lane = emit.vectors(0), emit.vectors(4), emit.vectors(5)
        rows, added = ([emit.vectors(k, r) for r in every] for k in (1, 2))
        weights = [emit.splat(emit.load(emit.entries(3), r)) for r in every]
        totals, following = [emit.accumulator() for _ in every], emit.times(emit.count(0), ROWS)
        with emit.loop(builder.sub(stop, start)) as k:
            j = builder.add(start, k)
            x, column = emit.load(v, j), emit.load(block, j)
            for row, total, old, w in zip(rows, totals, added, weights, strict=True):
                builder.store(emit.fused(emit.load(row, j), x, builder.load(total)), total)
                column = emit.fused(w, emit.load(old, j), column)
                emit.prefetch(row, builder.add(j, following))
            emit.store(column, block, j)
        for r, total in zip(every, totals, strict=True):
            emit.store(builder.load(total), by_lane, r)

    @intrinsic
    def read(context, v, e, before, w, block, by_lane, start, stop):
        arrays = (v, e, before, w, block, by_lane)
        return vector_function(emit_read, *arrays, types.intp, types.intp)

    return read


def _plain_read(v, e, before, w, block, by_lane, start, stop):
    lanes = VECTOR_BYTES // v.itemsize
    columns = slice(start * lanes, stop * lanes)
    products = e[:, columns] * v[columns]
    by_lane[:] = products.reshape(ROWS, stop - start, lanes).sum(axis=1)
    block[columns] += w @ before[:, columns]


_read = _row_reader()


@part()
def _row_sums(v, e, before, w, block, by_lane, total):
    """total_r = Σ_j e_rj v_j, and block_j += Σ_r w_r before_rj."""
    vectors = v.shape[0] // by_lane.shape[1]
    total[:] = 0.0
    for start in range(0, vectors, TILE):
        _read(v, e, before, w, block, by_lane, start, min(start + TILE, vectors))
        add_lanes(by_lane, total)


@kernel()
def absorbed_pass(low, high, kept, shifts, v, a, active, damping, out, sums):
    """`fused_pass` for h + log₂ v, from the exponentials it kept: no new ones."""
    chunks, n = sums.shape[1], out.shape[1]
    by_lane, _, _, w, total = buffers(v)
    block = aligned_zeros(1, v.shape[1], v)[0]
    for share in range(low, high):
        k, chunk = share // chunks, share % chunks
        first, last = rows_of(chunk, chunks, n if active[k] else 0)
        before = kept[k, first : first + ROWS]
        w[:] = 0
        for i in range(first, last, ROWS):
            e = kept[k, i : i + ROWS]
            _row_sums(v[k], e, before, w, block, by_lane, total)
            near, found = shifts[k, i : i + ROWS], out[k, i : i + ROWS]
            close_rows(a[k, i : i + ROWS], near, total, damping[k], found, w)
            before = e
            if (i - first) % FLUSH == FLUSH - ROWS:
                flush(block, sums[k, chunk])
        if first < last:
            add_rows(block, before, w)
            flush(block, sums[k, chunk])
