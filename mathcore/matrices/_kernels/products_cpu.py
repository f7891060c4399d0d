"""Products of small matrices in explicit vectors, in two layouts of a workspace.

A workspace ``w`` (buffers, entries) holds matrices by whole vectors of `VECTOR_BYTES`. *Lanes*: one
matrix in each lane, so that entry (i, j) of eight float64 (sixteen float32) matrices is vector
n·i + j of a group; groups of n² vectors follow each other in a buffer. *Rows*: one matrix a buffer,
its rows padded with zeros to whole vectors. An argument `lanes`, True or None, says which. Buffer
numbers are int64: a Python number would be a type of its own, and compile the products again.
"""

import numpy as np

from mathcore._compile import part
from mathcore._vectors import COMPILED, VECTOR_BYTES, vector_function

# --- tiles ----------------------------------------------------------------------------------------


def _lane_tile(rows, columns):
    """``tile(w, c, a, b, i, j, n, first, more)``, in the group from vector `first` on.

    c[i + r, j + s] = Σ_k a[i + r, k] b[k, j + s] for r < rows, s < columns; added to c if `more`.
    """
    if not COMPILED:
        return _plain_lane_tile(rows, columns)
    from numba.core import types
    from numba.extending import intrinsic

    def emit_tile(emit):
        i, j, n, first, more = emit.arguments[4:]
        c, a, b = (emit.vectors(0, k) for k in emit.arguments[1:4])

        def entry(row, column):
            return emit.at(emit.builder.add(first, column), row, n)

        down = [emit.plus(i, r) for r in range(rows)]
        along = [emit.plus(j, s) for s in range(columns)]
        targets = [[entry(r, s) for s in along] for r in down]
        sums = [[emit.accumulator() for _ in row] for row in targets]
        with emit.loop(n) as k:
            xs = [emit.load(a, entry(r, k)) for r in down]
            ys = [emit.load(b, entry(k, s)) for s in along]
            _add_products(emit, xs, ys, sums)
        _store_sums(emit, sums, c, targets, more)

    @intrinsic
    def tile(context, w, c, a, b, i, j, n, first, more):
        return vector_function(emit_tile, w, *(types.intp,) * 7, types.boolean)

    return tile


def _row_tile(rows, vectors):
    """``tile(w, c, a, b, i, j, n, more)``: rows i … and vectors j … of the product, as above."""
    if not COMPILED:
        return _plain_row_tile(rows, vectors)
    from numba.core import types
    from numba.extending import intrinsic

    def emit_tile(emit):
        i, j, n, more = emit.arguments[4:]
        c, b = (emit.vectors(0, emit.arguments[k]) for k in (1, 3))
        a, width = emit.entries(0, emit.arguments[2]), emit.whole(n)
        stride = emit.times(width, emit.lanes)
        down = [emit.plus(i, r) for r in range(rows)]
        along = [emit.plus(j, s) for s in range(vectors)]
        targets = [[emit.at(s, r, width) for s in along] for r in down]
        sums = [[emit.accumulator() for _ in row] for row in targets]
        with emit.loop(n) as k:
            xs = [emit.splat(emit.load(a, emit.at(k, r, stride))) for r in down]
            ys = [emit.load(b, emit.at(s, k, width)) for s in along]
            _add_products(emit, xs, ys, sums)
        _store_sums(emit, sums, c, targets, more)

    @intrinsic
    def tile(context, w, c, a, b, i, j, n, more):
        return vector_function(emit_tile, w, *(types.intp,) * 6, types.boolean)

    return tile


def _add_products(emit, xs, ys, sums):
    for x, row in zip(xs, sums, strict=True):
        for y, total in zip(ys, row, strict=True):
            emit.builder.store(emit.fused(x, y, emit.builder.load(total)), total)


def _store_sums(emit, sums, c, targets, more):
    pairs = [pair for rows in zip(sums, targets, strict=True) for pair in zip(*rows, strict=True)]
    with emit.builder.if_then(more):  # added last: exact cancellation within a product stays exact
        for total, target in pairs:
            added = emit.builder.fadd(emit.builder.load(total), emit.load(c, target))
            emit.builder.store(added, total)
    for total, target in pairs:
        emit.store(emit.builder.load(total), c, target)


# --- plain twins of the tiles, for NUMBA_DISABLE_JIT=1


def _plain_lane_tile(rows, columns):
    def tile(w, c, a, b, i, j, n, first, more):
        lanes = VECTOR_BYTES // w.itemsize
        x, y, z = (w[m].reshape(-1, lanes)[first : first + n * n] for m in (a, b, c))
        x, y, z = (m.reshape(n, n, lanes) for m in (x, y, z))
        block = np.einsum("ikl,kjl->ijl", x[i : i + rows], y[:, j : j + columns])
        before = z[i : i + rows, j : j + columns]
        before[:] = block + before if more else block

    return tile


def _plain_row_tile(rows, vectors):
    def tile(w, c, a, b, i, j, n, more):
        lanes = VECTOR_BYTES // w.itemsize
        x, y, z = (w[m].reshape(n, -1) for m in (a, b, c))
        block = x[i : i + rows, :n] @ y[:, j * lanes : (j + vectors) * lanes]
        before = z[i : i + rows, j * lanes : (j + vectors) * lanes]
        before[:] = block + before if more else block

    return tile


_l44, _l42, _l24, _l22 = _lane_tile(4, 4), _lane_tile(4, 2), _lane_tile(2, 4), _lane_tile(2, 2)
_l21, _l12, _l11 = _lane_tile(2, 1), _lane_tile(1, 2), _lane_tile(1, 1)
_r82, _r81, _r12, _r11 = _row_tile(8, 2), _row_tile(8, 1), _row_tile(1, 2), _row_tile(1, 1)
_r22, _r21 = _row_tile(2, 2), _row_tile(2, 1)
_MORE, _NOT_MORE = np.bool_(True), np.bool_(False)  # not literals, as the buffers


# --- whole products -------------------------------------------------------------------------------


@part()
def multiply(w, c, a, b, n, lanes):
    """w[c] = w[a] w[b]."""
    if lanes is None:
        _multiply_rows(w, c, a, b, n, _NOT_MORE)
    else:
        _multiply_lanes(w, c, a, b, n, _NOT_MORE)


@part()
def add_product(w, c, a, b, n, lanes):
    """w[c] += w[a] w[b]."""
    if lanes is None:
        _multiply_rows(w, c, a, b, n, _MORE)
    else:
        _multiply_lanes(w, c, a, b, n, _MORE)


@part()
def _multiply_lanes(w, c, a, b, n, more):
    m = n - n % 4
    for first in range(0, w.shape[1] // (VECTOR_BYTES // w.itemsize), n * n):
        for i in range(0, m, 4):
            for j in range(0, m, 4):
                _l44(w, c, a, b, i, j, n, first, more)
        if n % 4 >= 2:
            for i in range(0, m, 4):
                _l42(w, c, a, b, i, m, n, first, more)
            for j in range(0, m, 4):
                _l24(w, c, a, b, m, j, n, first, more)
            _l22(w, c, a, b, m, m, n, first, more)
        if n % 2:
            for i in range(0, n - 1, 2):
                _l21(w, c, a, b, i, n - 1, n, first, more)
                _l12(w, c, a, b, n - 1, i, n, first, more)
            _l11(w, c, a, b, n - 1, n - 1, n, first, more)


@part()
def _multiply_rows(w, c, a, b, n, more):
    width = -(-n // (VECTOR_BYTES // w.itemsize))
    eights = n - n % 8
    for j in range(0, width - 1, 2):
        for i in range(0, eights, 8):
            _r82(w, c, a, b, i, j, n, more)
        for i in range(eights, n - 1, 2):
            _r22(w, c, a, b, i, j, n, more)
        if n % 2:
            _r12(w, c, a, b, n - 1, j, n, more)
    if width % 2:
        for i in range(0, eights, 8):
            _r81(w, c, a, b, i, width - 1, n, more)
        for i in range(eights, n - 1, 2):
            _r21(w, c, a, b, i, width - 1, n, more)
        if n % 2:
            _r11(w, c, a, b, n - 1, width - 1, n, more)


@part()
def transpose(w, c, a, n, lanes):
    """w[c] = w[a]ᵀ."""
    stride = w.shape[1] // n
    if lanes is None:
        for i in range(n):
            for j in range(n):
                w[c, j * stride + i] = w[a, i * stride + j]
    else:
        _transpose_lanes(w, c, a, n)


@part()
def _transpose_lanes(w, c, a, n):
    vector = VECTOR_BYTES // w.itemsize
    for first in range(0, w.shape[1] // vector, n * n):
        for i in range(n):
            for j in range(n):
                x, y = (first + i * n + j) * vector, (first + j * n + i) * vector
                for l in range(vector):
                    w[c, y + l] = w[a, x + l]


# --- a row times absolute values ------------------------------------------------------------------


def _times_absolute(lanes):
    """``times(b, n, row, product)``: product = row |B| in float64, for one group or one matrix.

    b: entries of B on from the first, by lane or by padded rows; `product` is as long as `row` in
    lanes, else as a row of B.
    """
    if not COMPILED:
        return _plain_lanes_times_absolute if lanes else _plain_row_times_absolute
    from numba.core import cgutils, types
    from numba.core.cgutils import ir
    from numba.extending import intrinsic

    def emit_times(emit):
        builder, width, b = emit.builder, emit.count(3), emit.vectors(0)
        wide = ir.VectorType(ir.DoubleType(), emit.lanes)
        rows, products = (builder.bitcast(emit.entries(k), wide.as_pointer()) for k in (2, 3))
        with emit.loop(width) as j:
            total = cgutils.alloca_once(builder, wide)
            builder.store(ir.Constant(wide, None), total)
            with emit.loop(emit.arguments[1]) as k:
                factor = emit.load(rows, k) if lanes else emit.splat(emit.load(emit.entries(2), k))
                size = emit.absolute(emit.load(b, emit.at(j, k, width)))
                size = size if size.type == wide else builder.fpext(size, wide)
                builder.store(emit.fused(factor, size, builder.load(total)), total)
            emit.store(builder.load(total), products, j)

    @intrinsic
    def times(context, b, n, row, product):
        return vector_function(emit_times, b, types.intp, row, product)

    return times


def _plain_row_times_absolute(b, n, row, product):
    product[:] = row[:n] @ np.abs(b[: n * product.size]).reshape(n, -1)


def _plain_lanes_times_absolute(b, n, row, product):
    lanes = VECTOR_BYTES // b.itemsize
    entries = np.abs(b[: n * product.size]).reshape(n, -1, lanes)
    product[:] = np.einsum("kl,kjl->jl", row.reshape(-1, lanes), entries).reshape(-1)


lanes_times_absolute, row_times_absolute = _times_absolute(True), _times_absolute(False)
